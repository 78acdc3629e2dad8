"""Who is dead, and whether it is to be replaced.

A member is dead when Nova shows it in ERROR or not at all, or when the cluster that watches it has
not seen it alive for a while. One at a time is replaced, so many an hour, and none at all while it
looks as if the network were cut or nobody can tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .heat import GONE
from .notes import HOUR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .heat import Group, Member
    from .notes import Notes
    from .rules import Heal

_BROKEN = (GONE, "ERROR", "DELETED")


@dataclass(frozen=True)
class Verdict:
    """Whom to heal and why; or why nobody, though somebody is dead."""

    heal: Member | None = None
    why: str = ""
    refused: str = ""


def judge(group: Group, alive: Mapping[str, bool], notes: Notes, now: float) -> Verdict:
    """Return what is to be done about a group; `notes` learns who is dead since when.

    Args:
        group: the group.
        alive: the machines that the cluster knows, and whether they are alive.
        notes: what was found so far.
        now: seconds since the epoch.

    """
    rules = group.rules.heal
    broken = [member for member in group.members if member.status in _BROKEN]
    suspects = {}
    for member in group.members:
        trouble = "" if member in broken else _trouble(member, alive, rules, now)
        if trouble:
            suspects[member] = trouble
            notes.dead.setdefault(member.server, now)
        else:
            notes.dead.pop(member.server, None)
    due = [m for m in suspects if now - notes.dead[m.server] >= rules.after]
    if not broken and not due:
        return Verdict()
    if group.busy:
        return Verdict(refused=f"the stack is in {group.status}")
    if broken:
        chosen = broken[0]
        why = f"Nova shows it as {chosen.status}"
    elif 1 < len(suspects) >= rules.cut * len(group.members):
        names = f"{len(suspects)} of {len(group.members)}"
        return Verdict(refused=f"{names} are dead at once: a network that is cut, not machines")
    elif not any(member.server in alive for member in group.members):
        return Verdict(refused="the cluster knows none of its machines")
    else:
        chosen = min(due, key=lambda member: notes.dead[member.server])
        why = suspects[chosen]
    recent = [when for when in notes.healed.get(group.stack, ()) if now - when < HOUR]
    if len(recent) >= rules.per_hour:
        return Verdict(refused=f"{len(recent)} were replaced within an hour, and no more may be")
    return Verdict(heal=chosen, why=why)


def _trouble(member: Member, alive: Mapping[str, bool], rules: Heal, now: float) -> str:
    if member.server not in alive:
        return "it has never joined" if now - member.born > rules.grace else ""
    return "" if alive[member.server] else "the cluster sees it dead"
