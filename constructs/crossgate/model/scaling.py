"""What makes a group larger and smaller: a figure that is kept near a target."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import pydantic

from crossgate.errors import ConfigError
from crossgate.model.units import Duration
from crossgate.model.value import value

Signal = Literal["cpu", "connections"]
"""What can be kept near a target."""

LEAST_CALM = timedelta(seconds=30)
"""A machine that is taken away may take as long to end what it does."""


@value
class Scaling:
    """A figure of a group, for each of its machines, that is kept near a target.

    Attributes:
        on: `cpu`, the share of its processors in use, as the cloud measures it; `connections`, to
            the service, that the balancers hold open.
        target: of `cpu` a share (0.6); of `connections` a number for each machine.
        cooldown: least time between two changes of size; default one minute.
        calm: how long fewer machines must be enough before one goes; default five minutes, at
            least half a minute, which a machine may take to end what it does. AWS has its own:
            15 minutes.
        shrink: whether machines go again; default True.

    """

    on: Signal
    target: Annotated[float, pydantic.Field(gt=0, strict=False)]
    cooldown: Duration = timedelta(minutes=1)
    calm: Duration = timedelta(minutes=5)
    shrink: bool = True

    def __post_init__(self) -> None:
        """Refuse a share above one, and machines that go faster than they can end their work."""
        if self.on == "cpu" and self.target > 1:
            raise ConfigError(
                "is more than the whole of a machine",
                path="Scaling: target",
                got=self.target,
                want="a share such as 0.6",
            )
        if self.calm < LEAST_CALM:
            raise ConfigError(
                "machines would go faster than they can end what they do",
                path="Scaling: calm",
                got=f"{self.calm.total_seconds():g} s",
                want=f"at least {LEAST_CALM.total_seconds():g} s",
            )
