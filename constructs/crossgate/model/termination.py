"""Which machine of a group goes when one must, and when one goes for its age."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from crossgate.errors import ConfigError
from crossgate.model.units import Duration
from crossgate.model.value import Many, value

Policy = Literal[
    "oldest-instance",
    "newest-instance",
    "oldest-launch-template",
    "closest-to-next-instance-hour",
    "allocation-strategy",
]
"""AWS's names of what tells which machine goes first."""

_LEAST_LIFETIME = timedelta(days=1)
_MOST_LIFETIME = timedelta(days=365)


@value
class Termination:
    """How machines of a group go.

    Attributes:
        policies: which one goes when the group shrinks, the first that decides; default: the
            cloud's own order. AWS first evens out its zones, whatever is said here.
        max_lifetime: a machine that is older is replaced, one day to 365; default: none is.
        protect: whether no machine goes because the group shrinks, until somebody takes the
            protection of that one machine away. What is dead, unfit or changed is replaced as ever.
            Default False.

    Raises:
        ConfigError: a lifetime that no cloud keeps, or that protected machines outlive; or a policy
            twice.

    """

    policies: Many[Policy] = ()
    max_lifetime: Duration | None = None
    protect: bool = False

    def __post_init__(self) -> None:
        """Refuse what AWS refuses: CreateAutoScalingGroup, `MaxInstanceLifetime`."""
        if len(set(self.policies)) < len(self.policies):
            raise ConfigError(
                "a policy is named twice", path="Termination: policies", got=self.policies
            )
        age = self.max_lifetime
        if age is not None and not _LEAST_LIFETIME <= age <= _MOST_LIFETIME:
            raise ConfigError(
                "is no lifetime that a cloud keeps",
                path="Termination: max_lifetime",
                got=str(age),
                want="1 to 365 days",
            )
        # Protection is the way to keep a machine beyond it (EC2 Auto Scaling guide, "Replace Auto
        # Scaling instances based on maximum instance lifetime").
        if age is not None and self.protect:
            raise ConfigError(
                "a machine that is protected is not replaced for its age",
                path="Termination",
                got=f"max_lifetime={age}, protect=True",
                want="one of the two",
            )
