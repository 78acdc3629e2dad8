"""Heat's stacks of groups as values: what Heat does to one, and which members have failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crossgate.cli.following import Phase, Progress

_GROUP = "group"
"""Name of the group in the stack's template (`clouds/openstack/group.py`)."""

_CONDITION = "OS::Heat::WaitCondition"
_SERVER = "OS::Nova::Server"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A machine of a group that could not be made, or has not said that it is ready.

    Attributes:
        member: the member's name in the group.
        server: the machine's id; empty: there is none.
        reason: Heat's words.

    """

    member: str
    server: str
    reason: str


def progress(
    name: str, status: str, reason: str, resources: Sequence[Mapping[str, Any]]
) -> Progress:
    """Return how far a stack is.

    Args:
        name: its name.
        status: Heat's word for how it is, such as UPDATE_IN_PROGRESS.
        reason: Heat's words for why.
        resources: what is in it and below it, as Heat lists them; needed only where it is not
            complete.

    """
    if status.endswith("_IN_PROGRESS"):
        return Progress(phase=Phase.RUNNING, said=_waits(status, resources))
    if not status.endswith("_FAILED") and not status.startswith("ROLLBACK"):
        return Progress(phase=Phase.DONE, said=status)
    failed = failures(resources)
    said = "; ".join(
        f"member {one.member} ({one.server or 'no machine'}): {one.reason}" for one in failed
    )
    return Progress(
        phase=Phase.FAILED, said=f"{status}: {said or reason}", do=_way_out(name, status, failed)
    )


def failures(resources: Sequence[Mapping[str, Any]]) -> list[Failure]:
    """Return the machines that failed, by member.

    Each member of a group that waits is a group of one, whose one has a machine and a condition;
    while it is replaced it has two such ones. Elsewhere the member is the machine.
    """
    parents = {one["resource_name"]: one.get("parent_resource") for one in resources}
    servers = {
        one.get("parent_resource"): one["physical_resource_id"]
        for one in resources
        if one["resource_type"] == _SERVER
    }
    found = []
    for one in resources:
        failed = one["resource_status"].endswith("_FAILED")
        if not failed or one["resource_type"] not in (_CONDITION, _SERVER):
            continue
        holder = one.get("parent_resource")
        alone = holder == _GROUP
        found.append(
            Failure(
                member=one["resource_name"] if alone else parents.get(holder) or str(holder),
                server=(one["physical_resource_id"] if alone else servers.get(holder)) or "",
                reason=one.get("resource_status_reason") or one["resource_status"],
            )
        )
    return found


def _waits(status: str, resources: Sequence[Mapping[str, Any]]) -> str:
    servers = {
        one.get("parent_resource"): one["physical_resource_id"]
        for one in resources
        if one["resource_type"] == _SERVER
    }
    awaited = [
        servers.get(one.get("parent_resource"))
        for one in resources
        if one["resource_type"] == _CONDITION and one["resource_status"].endswith("_IN_PROGRESS")
    ]
    changed = [
        one["resource_name"]
        for one in resources
        if one.get("parent_resource") == _GROUP and one["resource_status"].endswith("_IN_PROGRESS")
    ]
    parts = [status]
    if changed:
        parts.append(f"at work on {', '.join(sorted(changed))}")
    if awaited:
        named = ", ".join(sorted(filter(None, awaited)))
        parts.append(f"waits for {named or 'a machine'} to say that it is ready")
    return "; ".join(parts)


def _way_out(name: str, status: str, failed: Sequence[Failure]) -> str:
    look = " and ".join(f"openstack console log show {one.server}" for one in failed if one.server)
    seen = f"; what a machine said: {look}" if look else ""
    if status == "UPDATE_FAILED":
        return (
            "those that served go on, beside the ones that failed; mend the cause and `cdktf "
            "deploy`, which replaces these; where that finds no change, `openstack stack update "
            f"--existing {name}`{seen}"
        )
    return (
        "mend the cause; `crossgate check` says whether the stack is in the way of the next "
        f"deploy{seen}"
    )
