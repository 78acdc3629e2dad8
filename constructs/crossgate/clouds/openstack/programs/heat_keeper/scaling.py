"""How many machines a group needs, by what the balancers see of its service.

The signals are the same in every cloud: HAProxy counts them. A group grows at once, by one machine
or by as many as a step says; it shrinks when fewer have been enough for a while, all machines are
well and no balancer is mute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .heat import Group
    from .load import Load
    from .notes import Notes

UP = "scale-up"
DOWN = "scale-down"
"""Policies of the stack's template for one machine; for more the number follows."""


@dataclass(frozen=True)
class Step:
    """By how many machines a group is to change, and why; or why not, though it were needed.

    The policies keep to the bounds of the group: of what is more, Heat takes what fits.
    """

    by: int = 0
    why: str = ""
    refused: str = ""

    @property
    def policy(self) -> str:
        """The policy that is to be signalled; none when nothing is to change."""
        if self.by == 0:
            return ""
        name = UP if self.by > 0 else DOWN
        return name if abs(self.by) == 1 else f"{name}-{abs(self.by)}"

    @property
    def counter(self) -> str:
        """What counts it."""
        return "scale_up_total" if self.by > 0 else "scale_down_total"


def judge(group: Group, load: Load | None, notes: Notes, now: float) -> Step:
    """Return how a group's size is to change; `notes` learns since when it needs fewer machines."""
    rules, size = group.rules, len(group.members)
    if not rules.scale:
        return Step()
    if load is None:
        return Step(refused="no balancer tells its figures")
    by = _change(group, load, notes, now)
    if by > 0 and size >= rules.most:
        return Step(refused=f"it needs more than its {rules.most} machines")
    if by == 0 or group.busy or _cooling(group, notes, now):
        return Step()
    waiting = f", {load.queue} of them waiting," if load.queue else ""
    return Step(by=by, why=f"{load.connections} connections{waiting} to {size} machines")


def _change(group: Group, load: Load, notes: Notes, now: float) -> int:
    """Return how many machines more are needed, or below 0 how many fewer have long been enough."""
    rules, size = group.rules, len(group.members)
    more = max(rule.more(load, size) for rule in rules.scale)
    fewer = _fewer(group, load)
    troubled = any(
        member.status != "ACTIVE" or member.server in notes.dead or member.server in notes.unfit
        for member in group.members
    )
    if more or not fewer or troubled or not load.whole:
        notes.calm.pop(group.stack, None)
        return more
    # As many go as could at the busiest moment of the quiet time.
    before = notes.fewer.get(group.stack, fewer) if group.stack in notes.calm else fewer
    notes.fewer[group.stack] = min(before, fewer)
    since = notes.calm.setdefault(group.stack, now)
    quiet = now - since >= max(rule.calm for rule in rules.scale)
    return -notes.fewer[group.stack] if quiet else 0


def _fewer(group: Group, load: Load) -> int:
    """Return how many fewer are enough by all rules that say so, and grow again by none."""
    rules, size = group.rules, len(group.members)
    said = [rule.fewer(load, size) for rule in rules.scale]
    fewer = min((one for one in said if one is not None), default=0)
    left = max(size - fewer, rules.least)
    if left >= size or any(rule.more(load, left) for rule in rules.scale):
        return 0
    return fewer


def _cooling(group: Group, notes: Notes, now: float) -> bool:
    cooldown = max(rule.cooldown for rule in group.rules.scale)
    return now - notes.scaled.get(group.stack, 0.0) < cooldown
