"""What becomes of the machines of a group when what they are made from is changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import pydantic

from crossgate.errors import ConfigError
from crossgate.model.units import Duration, Share
from crossgate.model.value import Many, value

Alarms = Annotated[
    Many[Annotated[str, pydantic.Field(min_length=1, max_length=255)]],
    pydantic.Field(max_length=10),
]
"""Names of CloudWatch alarms."""

_LONGEST_PAUSE = timedelta(days=2)
_LONGEST_REFRESH = timedelta(days=14)
"""EC2 Auto Scaling guide, "How an instance refresh works", "Limitations"."""


@value
class InstanceRefresh:
    """A changed group is replaced a few machines at a time, never below what serves.

    Attributes:
        min_healthy: share of the group that keeps serving; default 1.0, launch before terminate.
        max_healthy: share of the group that may run at the same time; default 1.1 (AWS rounds up
            to at least one machine more).
        warmup: how long a new machine is looked at before it counts; default one minute. It begins
            when the machine has said that it is ready; of a group without discovery, when it runs,
            so that it must cover boot and start there.
        checkpoints: shares of the group at which the replacing pauses, so that somebody can look;
            rising. After the last one it goes on to the end by itself. Default: none.
        checkpoint_delay: how long each pause is, up to two days, and less than 14 days for all of
            them; default one hour.
        alarms: names of CloudWatch alarms that stop it: it fails when one of them rings. At most
            ten; default none.

    """

    type: Literal["instance-refresh"] = "instance-refresh"
    min_healthy: Share = 1.0
    max_healthy: Annotated[float, pydantic.Field(ge=1, le=2)] = 1.1
    warmup: Duration = timedelta(minutes=1)
    checkpoints: Many[Annotated[float, pydantic.Field(gt=0, lt=1)]] = ()
    checkpoint_delay: Duration = timedelta(hours=1)
    alarms: Alarms = ()

    @property
    def refresh(self) -> InstanceRefresh:
        """Itself; see the other kinds of rollout."""
        return self

    def __post_init__(self) -> None:
        """Refuse what AWS refuses: RefreshPreferences of the Auto Scaling API."""
        if self.max_healthy - self.min_healthy > 1:
            raise ConfigError(
                "the bounds are more than 1.0 apart",
                path="InstanceRefresh",
                got=f"min_healthy={self.min_healthy}, max_healthy={self.max_healthy}",
                want="max_healthy - min_healthy <= 1.0",
            )
        percent = [round(share * 100) for share in self.checkpoints]
        if percent != sorted(set(percent)):
            raise ConfigError(
                "each checkpoint must be above the one before, by a whole per cent",
                path="InstanceRefresh: checkpoints",
                got=self.checkpoints,
                want="rising shares, such as [0.2, 0.5]",
            )
        if self.checkpoint_delay > _LONGEST_PAUSE:
            raise ConfigError(
                "is longer than AWS pauses",
                path="InstanceRefresh: checkpoint_delay",
                got=str(self.checkpoint_delay),
                want="at most 2 days",
            )
        pauses = len(self.checkpoints) * self.checkpoint_delay
        if pauses >= _LONGEST_REFRESH:
            raise ConfigError(
                "the pauses alone take as long as AWS lets a rollout last",
                path="InstanceRefresh",
                got=f"{len(self.checkpoints)} checkpoints of {self.checkpoint_delay}",
                want="less than 14 days for all of them",
            )


@value
class ReplaceGroup:
    """A changed group is replaced as a whole: all new machines beside all that serve.

    One goes when the one that stands in for it is ready. Meanwhile there are twice as many, which
    quotas must allow.

    Attributes:
        warmup: how long a new machine is looked at before it counts; default one minute.
        alarms: names of CloudWatch alarms that stop it, at most ten; default none.

    """

    type: Literal["replace-group"] = "replace-group"
    warmup: Duration = timedelta(minutes=1)
    alarms: Alarms = ()

    @property
    def refresh(self) -> InstanceRefresh:
        """The bounds that say the same."""
        return InstanceRefresh(
            min_healthy=1.0, max_healthy=2.0, warmup=self.warmup, alarms=self.alarms
        )


@value
class Leave:
    """A changed group is left as it is: machines that the cloud makes from now on are new ones.

    Attributes:
        warmup: how long a new machine is looked at before what the size follows counts it; default
            one minute.

    """

    type: Literal["leave"] = "leave"
    warmup: Duration = timedelta(minutes=1)

    @property
    def refresh(self) -> None:
        """Nothing is replaced."""
        return


Rollout = Annotated[InstanceRefresh | ReplaceGroup | Leave, pydantic.Field(discriminator="type")]
"""What becomes of the machines of a changed group."""

ROLLOUTS = (InstanceRefresh, ReplaceGroup, Leave)
"""Its kinds."""
