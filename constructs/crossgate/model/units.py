"""Units: whole seconds, money, shares."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

import pydantic

from crossgate.errors import ConfigError


def whole_seconds(duration: timedelta, path: str | None = None) -> int:
    """Return a duration in whole seconds.

    Raises:
        ConfigError: it has a fraction of a second, which the receiver cannot hold.

    """
    if duration.microseconds:
        raise ConfigError(
            "must be a whole number of seconds",
            path=path,
            got=str(duration),
            do=f"write timedelta(seconds={round(duration.total_seconds())})",
        )
    return int(duration.total_seconds())


def milliseconds(duration: timedelta, path: str | None = None) -> int:
    """Return a duration in whole milliseconds.

    Raises:
        ConfigError: it has a fraction of a millisecond.

    """
    if duration.microseconds % 1000:
        raise ConfigError("must be a whole number of milliseconds", path=path, got=str(duration))
    return round(duration.total_seconds() * 1000)


# Nine digits: more days than that are more than a timedelta holds.
_WRITTEN = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)\Z")
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


def _duration(given: object) -> object:
    if not isinstance(given, str):
        return given
    found = _WRITTEN.match(given)
    if not found:
        raise ConfigError(
            "is no duration", got=given, want='a number and a unit: "500ms", "2s", "5m", "1h", "1d"'
        )
    return int(found[1]) * _UNITS[found[2]]


def _positive(duration: timedelta) -> timedelta:
    if duration <= timedelta(0):
        raise ConfigError("must be longer than nothing", got=str(duration))
    return duration


_AMOUNT = re.compile(r"[0-9]+(\.[0-9]+)?")


def _money(given: object) -> object:
    if isinstance(given, float | bool):
        raise ConfigError("money must be exact", got=given, want=f'a Decimal or text: "{given}"')
    if isinstance(given, str) and not _AMOUNT.fullmatch(given):
        raise ConfigError("is not money", got=given, want='US dollars an hour: "0.05"')
    amount = Decimal(given) if isinstance(given, str | int) else given
    if isinstance(amount, Decimal) and (not amount.is_finite() or amount <= 0):
        raise ConfigError("is not money", got=given, want="more than 0 US dollars an hour")
    return amount


Duration = Annotated[
    timedelta,
    pydantic.BeforeValidator(_duration),
    pydantic.AfterValidator(_positive),
    pydantic.WithJsonSchema({"type": "string", "pattern": _WRITTEN.pattern.replace(r"\Z", "$")}),
]
"""A duration above zero: a timedelta; in a gateway file text such as "500ms", "2s", "5m", "1h"."""

Money = Annotated[
    Decimal,
    pydantic.BeforeValidator(_money),
    pydantic.WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}),
]
"""US dollars an hour, exact: a Decimal, a whole number, or text such as "0.05"."""

Share = Annotated[float, pydantic.Field(ge=0, le=1)]
"""A part of a whole, 0 to 1."""
