"""When a group has other bounds: more machines by day, fewer at night."""

from __future__ import annotations

import re
from dataclasses import field
from datetime import time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

import pydantic

from crossgate.errors import ConfigError
from crossgate.model.value import Many, value

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
"""A day of the week."""

WEEK: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""All of them, in order."""

_WRITTEN = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])\Z")


def _clock(given: object) -> object:
    if isinstance(given, str):
        found = _WRITTEN.match(given)
        if not found:
            raise ConfigError("is no time of day", got=given, want='hours and minutes: "07:30"')
        return time(int(found[1]), int(found[2]))
    return given


def _of_minutes(given: time) -> time:
    if given != time(given.hour, given.minute):
        raise ConfigError(
            "is not a whole minute of the day",
            got=given.isoformat(),
            want="time(7, 30), with the zone in time_zone",
        )
    return given


ClockTime = Annotated[
    time,
    pydantic.BeforeValidator(_clock),
    pydantic.AfterValidator(_of_minutes),
    pydantic.WithJsonSchema({"type": "string", "pattern": _WRITTEN.pattern.replace(r"\Z", "$")}),
]
"""A minute of the day: a `datetime.time`; in a gateway file text such as "07:30"."""


@value
class Scheduled:
    """The bounds of a group from a moment of the day on, until another one changes them.

    Attributes:
        name: tells it from others of the same group; a DNS label.
        at: the moment, to the minute.
        time_zone: whose clock it is, an IANA name such as "Europe/Berlin"; where that has summer
            time, so has this. There is no default, for nobody means UTC by saying nothing.
        days: of the week; default all seven.
        minimum: never fewer machines than this, from then on.
        maximum: never more; default `minimum`, which fixes the size.
        desired: as many machines at that moment; default: what there is, moved into the bounds.

    Raises:
        ConfigError: the bounds are upside down, the zone is unknown, a day is named twice.

    """

    name: Annotated[str, pydantic.Field(pattern=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")] = field(
        kw_only=False
    )
    at: ClockTime
    time_zone: str
    days: Annotated[Many[Weekday], pydantic.Field(min_length=1)] = WEEK
    minimum: Annotated[int, pydantic.Field(ge=0, le=1000)]
    maximum: Annotated[int, pydantic.Field(ge=0, le=1000)] | None = None
    desired: Annotated[int, pydantic.Field(ge=0, le=1000)] | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        wanted = self.minimum if self.desired is None else self.desired
        if not self.minimum <= wanted <= self.most:
            raise ConfigError(
                "the bounds are upside down",
                path=f"Scheduled({self.name!r})",
                got={"minimum": self.minimum, "desired": self.desired, "maximum": self.most},
                want="minimum <= desired <= maximum",
            )
        if len(set(self.days)) < len(self.days):
            raise ConfigError(
                "a day is named twice", path=f"Scheduled({self.name!r}): days", got=self.days
            )
        _check_zone(self.time_zone, f"Scheduled({self.name!r}): time_zone")

    @property
    def most(self) -> int:
        """The maximum, given or not."""
        return self.minimum if self.maximum is None else self.maximum


def _check_zone(name: str, path: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # A system without a time zone database knows none, and cannot tell right from wrong.
        if not available_timezones():
            return
        raise ConfigError(
            "is no time zone", path=path, got=name, want='an IANA name such as "Europe/Berlin"'
        ) from None
