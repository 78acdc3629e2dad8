"""How many machines."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

import pydantic

from crossgate.errors import ConfigError
from crossgate.model.schedule import Scheduled
from crossgate.model.value import Many, value
from crossgate.model.warm_pool import WarmPool


@value
class Capacity:
    """How many machines a group may have in one cloud; weights, where `Machine` says them.

    Attributes:
        minimum: never fewer than this; the group starts with it.
        maximum: never more than this; `minimum` where it is not given, which fixes the size.
        scheduled: other bounds at certain moments, see `Scheduled`; default none. With them the
            two above are those that the group starts with: a deploy leaves the bounds of the hour.
        warm: machines that are made ahead and rest beside the group; default: none.

    Raises:
        ConfigError: the minimum is above the maximum, two schedules have one name, or a warm pool
            would always be empty.

    """

    minimum: Annotated[int, pydantic.Field(ge=0, le=1000)] = field(kw_only=False)
    maximum: Annotated[int, pydantic.Field(ge=1, le=1000)] | None = field(
        default=None, kw_only=False
    )

    scheduled: Many[Scheduled] = ()
    warm: WarmPool | None = None

    def __post_init__(self) -> None:
        """Refuse a range that is upside down, and schedules that cannot be told apart."""
        if self.minimum > self.most:
            raise ConfigError(
                "the minimum is above the maximum",
                path="Capacity",
                got=f"Capacity({self.minimum}, {self.maximum})",
                want="minimum <= maximum",
                do=f"write Capacity({self.most}, {self.minimum})",
            )
        if self.most == 0:
            raise ConfigError(
                "no machine could ever run",
                path="Capacity",
                got=f"Capacity({self.minimum})",
                want="a maximum of at least 1",
            )

        names = [one.name for one in self.scheduled]
        if len(set(names)) < len(names):
            raise ConfigError("two schedules have one name", path="Capacity: scheduled", got=names)
        if self.warm is not None and self.warm.minimum == 0 and self._never_warm(self.warm):
            raise ConfigError(
                "no machine would ever rest in the warm pool",
                path="Capacity: warm",
                got=f"{self.minimum} to {self.most} machines, prepared={self.warm.prepared}",
                want="a pool with a minimum, or more prepared machines than the group's minimum",
            )

    def _never_warm(self, warm: WarmPool) -> bool:
        prepared = self.most if warm.prepared is None else warm.prepared
        return prepared <= self.minimum and not self.scheduled

    @property
    def most(self) -> int:
        """The maximum, given or not."""
        return self.minimum if self.maximum is None else self.maximum
