"""Heat's scaling policies: one for each number of machines by which a group changes at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.model.scaling import Scaling, Steps
from crossgate.model.units import whole_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

SCALE_UP = "scale-up"
SCALE_DOWN = "scale-down"
"""Names of the resources in the stack: `openstack stack resource signal STACK scale-up`.

A policy for more than one machine is called `scale-up-3`.
"""

_COOLDOWN_SECONDS = 60


def changes(scalings: Sequence[Scaling | Steps]) -> list[int]:
    """Return by how many machines a signal may change the size: one, and as many as steps say."""
    steps = [one for one in scalings if isinstance(one, Steps)]
    added = {machines for one in steps for _, machines in one.adding}
    removed = {machines for one in steps for _, machines in one.removing}
    return [*sorted({1, *added}), *(-machines for machines in sorted({1, *removed}))]


def cooldown(scalings: Sequence[Scaling | Steps]) -> int:
    """Return for how many seconds Heat obeys no other signal."""
    return min([_COOLDOWN_SECONDS, *(whole_seconds(scaling.cooldown) for scaling in scalings)])


def policies(group: str, scalings: Sequence[Scaling | Steps]) -> dict[str, dict[str, object]]:
    """Return the policies of a template by their names.

    Heat keeps to the group's bounds: where fewer machines fit than a policy adds, it adds those.
    """
    return {
        _name(by): {
            "type": "OS::Heat::ScalingPolicy",
            "properties": {
                "auto_scaling_group_id": {"get_resource": group},
                "adjustment_type": "change_in_capacity",
                "scaling_adjustment": by,
                "cooldown": cooldown(scalings),
            },
        }
        for by in changes(scalings)
    }


def _name(by: int) -> str:
    name = SCALE_UP if by > 0 else SCALE_DOWN
    return name if abs(by) == 1 else f"{name}-{abs(by)}"
