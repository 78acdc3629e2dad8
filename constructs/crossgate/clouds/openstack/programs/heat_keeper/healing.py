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
    from collections.abc import Collection, Mapping

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


def judge(
    group: Group,
    alive: Mapping[str, bool],
    notes: Notes,
    now: float,
    *,
    unfit: Collection[str] = (),
) -> Verdict:
    """Return what is to be done about a group; `notes` learns since when who is dead or unfit.

    Args:
        group: the group.
        alive: the machines that the cluster knows, and whether they are alive.
        notes: what was found so far.
        now: seconds since the epoch.
        unfit: those whose service fails.

    """
    rules = group.rules.heal
    members = [member for member in group.members if not _broken(member, alive)]
    dead = {m: why for m in members if (why := _trouble(m, alive, rules, now))}
    failing = {
        m: "its service fails"
        for m in members
        if rules.unfit is not None and m not in dead and m.server in unfit and _grown(m, rules, now)
    }
    _note(notes.dead, group, dead, now)
    _note(notes.unfit, group, failing, now)
    found = _chosen(group, dead, failing, alive, notes, now)
    if found.heal is None:
        return found
    if group.busy:
        return Verdict(refused=f"the stack is in {group.status}")
    recent = [when for when in notes.healed.get(group.stack, ()) if now - when < HOUR]
    if len(recent) >= rules.per_hour:
        return Verdict(refused=f"{len(recent)} were replaced within an hour, and no more may be")
    return found


def _chosen(
    group: Group,
    dead: Mapping[Member, str],
    failing: Mapping[Member, str],
    alive: Mapping[str, bool],
    notes: Notes,
    now: float,
) -> Verdict:
    """Return the first that is to be healed, those that Nova has lost before the dead and unfit."""
    rules, size = group.rules.heal, len(group.members)
    broken = [member for member in group.members if _broken(member, alive)]
    first = _first(dead, notes.dead, rules.after, now)
    strange = not any(member.server in alive for member in group.members)
    if strange and (dead or 0 < len(broken) < size):
        return Verdict(refused="the cluster knows none of its machines")
    if broken:
        return Verdict(heal=broken[0], why=f"Nova shows it as {broken[0].status}")
    if 1 < len(dead) >= rules.cut * size:
        # Those that come back first do not make the others look as if they alone were dead.
        notes.dead.update((member.server, now) for member in dead)
        why = f"{len(dead)} of {size} are dead at once: a network that is cut, not machines"
        return Verdict(refused=why)
    if first:
        return Verdict(heal=first, why=dead[first])
    first = None if rules.unfit is None else _first(failing, notes.unfit, rules.unfit, now)
    if 1 < len(failing) >= rules.unfit_cut * size:
        notes.unfit.update((member.server, now) for member in failing)
        why = f"{len(failing)} of {size} fail at once: what they have in common, not machines"
        return Verdict(refused=why)
    return Verdict(heal=first, why=failing[first]) if first else Verdict()


def _broken(member: Member, alive: Mapping[str, bool]) -> bool:
    """Return whether Nova has lost it; a failed resize leaves one in ERROR that is alive."""
    return member.status in _BROKEN and not (member.status == "ERROR" and alive.get(member.server))


def _first(
    found: Mapping[Member, str], since: Mapping[str, float], after: float, now: float
) -> Member | None:
    """Return the one for which it is so longest, when that is long enough."""
    due = [member for member in found if now - since[member.server] >= after]
    return min(due, key=lambda member: since[member.server], default=None)


def _note(since: dict[str, float], group: Group, found: Mapping[Member, str], now: float) -> None:
    for member in group.members:
        if member in found:
            since.setdefault(member.server, now)
        else:
            since.pop(member.server, None)


def _trouble(member: Member, alive: Mapping[str, bool], rules: Heal, now: float) -> str:
    if member.server not in alive:
        return "it has never joined" if _grown(member, rules, now) else ""
    return "" if alive[member.server] else "the cluster sees it dead"


def _grown(member: Member, rules: Heal, now: float) -> bool:
    return now - member.born > rules.grace
