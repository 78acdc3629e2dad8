"""How many machines a group needs, by what the balancers see of its service.

The signals are the same in every cloud: HAProxy counts them. A group grows by one machine, at once;
it shrinks by one, when fewer have been enough for a while, all machines are well and no balancer is
mute.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .heat import Group
    from .notes import Notes

UP = "scale-up"
DOWN = "scale-down"
"""Policies of the stack's template."""

_STALE_SECONDS = 30
_FORGOTTEN_SECONDS = 900
"""A balancer that has told nothing for so long is one no more."""

_MARGIN = 0.9
"""Of the target, that fewer machines must stay below: what shrinks does not grow again at once."""


@dataclass(frozen=True)
class Load:
    """What all balancers together see of a service; not `whole` when one of them is mute."""

    connections: int
    whole: bool = True


@dataclass(frozen=True)
class Step:
    """Which policy is to be signalled and why; or why none, though one were needed."""

    policy: str = ""
    why: str = ""
    refused: str = ""


def load_of(service: str, told: Iterable[str], now: float) -> Load | None:
    """Return what balancers told lately of a service; None when none did.

    Args:
        service: its name.
        told: what each balancer told last, as JSON.
        now: seconds since the epoch.

    """
    fresh, whole = [], True
    for one in told:
        try:
            figures = json.loads(one)
            age, seen = abs(now - figures["at"]), figures["services"].get(service)
            connections = None if seen is None else int(seen["connections"])
        except (ValueError, KeyError, TypeError, AttributeError):
            whole = False
            continue
        if connections is not None and age <= _STALE_SECONDS:
            fresh.append(connections)
        elif connections is not None and age <= _FORGOTTEN_SECONDS:
            whole = False
    return Load(connections=sum(fresh), whole=whole) if fresh else None


def judge(group: Group, load: Load | None, notes: Notes, now: float) -> Step:
    """Return how a group's size is to change; `notes` learns since when it needs fewer machines."""
    rules, size = group.rules, len(group.members)
    if not rules.scale:
        return Step()
    if load is None:
        return Step(refused="no balancer tells its figures")
    by = _direction(group, load, notes, now)
    if by > 0 and size >= rules.most:
        return Step(refused=f"it needs more than its {rules.most} machines")
    if by == 0 or group.busy or _cooling(group, notes, now):
        return Step()
    seen = f"{load.connections} connections to {size} machines"
    return Step(policy=UP if by > 0 else DOWN, why=seen)


def _direction(group: Group, load: Load, notes: Notes, now: float) -> int:
    """Return 1 when a machine more is needed, -1 when one fewer has been enough for long."""
    rules, size = group.rules, len(group.members)
    troubled = any(
        member.status != "ACTIVE" or member.server in notes.dead or member.server in notes.unfit
        for member in group.members
    )
    needed = max(ceil(load.connections / rule.target) for rule in rules.scale)
    fewer = all(
        rule.shrink and load.connections <= rule.target * _MARGIN * (size - 1)
        for rule in rules.scale
    )
    if needed > size or not fewer or size <= rules.least or troubled or not load.whole:
        notes.calm.pop(group.stack, None)
        return 1 if needed > size else 0
    since = notes.calm.setdefault(group.stack, now)
    return -1 if now - since >= max(rule.calm for rule in rules.scale) else 0


def _cooling(group: Group, notes: Notes, now: float) -> bool:
    cooldown = max(rule.cooldown for rule in group.rules.scale)
    return now - notes.scaled.get(group.stack, 0.0) < cooldown
