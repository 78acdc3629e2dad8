"""Heat stacks of ours that Terraform does not know: what a failed create leaves behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from openstack.exceptions import raise_from_response

from crossgate.cli.findings import Finding, Verdict

if TYPE_CHECKING:
    from crossgate.cli.openstack.needs import HeatStack

MADE_BY = ", made by crossgate"
"""How the description of each stack of ours ends (`clouds/openstack/group.py`)."""

_FAILED = ("CREATE_FAILED", "DELETE_FAILED", "ROLLBACK_")
_NONE = "No description"  # Heat's word for it
_REMOVE_SECONDS = 300
_SERVER = "OS::Nova::Server"
_DEPTH = 4  # the group's stack, a member's, and that of the member's one


@dataclass(frozen=True, kw_only=True)
class Orphan:
    """A stack in the project that has the name of one that Terraform would make.

    Attributes:
        id: its id.
        name: its name.
        status: Heat's word for how it is.
        ours: whether it was made by crossgate, with the tags that this stack's would have.
        serves: whether it has machines.

    """

    id: str
    name: str
    status: str
    ours: bool
    serves: bool
    heat: Any = field(repr=False, compare=False, default=None)

    @property
    def removable(self) -> bool:
        """Whether it is certainly one that failed, ours, and without machines."""
        return self.ours and not self.serves and self.status.startswith(_FAILED)

    def remove(self) -> None:
        """Delete it, and wait until it is gone."""
        stack = self.heat.get_stack(self.id)
        self.heat.delete_stack(stack)
        self.heat.wait_for_delete(stack, interval=1, wait=_REMOVE_SECONDS)


def orphans(heat: Any, stacks: Sequence[HeatStack]) -> Iterator[Orphan]:  # noqa: ANN401  (openstacksdk's)
    """Yield the stacks that stand where the JSON's would, and that the state does not know.

    Args:
        heat: openstacksdk's, of the project.
        stacks: those that the JSON makes.

    """
    wanted = {stack.name: stack for stack in stacks}
    for found in heat.stacks() if wanted else ():
        stack = wanted.get(found.name)
        # Terraform's id is Heat's own, in some versions behind the name.
        if stack is None or any(known.rpartition("/")[2] == found.id for known in stack.ids):
            continue
        description = heat.get_stack(found.id).description or _NONE  # a list has none
        # A create that was rolled back leaves a stack without template and description, but tags.
        described = description.endswith(MADE_BY) or (description == _NONE and stack.tags)
        ours = bool(described) and set(stack.tags) <= set(_tags(found.tags))
        yield Orphan(
            id=found.id,
            name=found.name,
            status=found.status,
            ours=ours,
            serves=ours and _has_machines(heat, found),
            heat=heat,
        )


def judged(orphan: Orphan, *, state_known: bool) -> Finding:
    """Return what an orphan means: Heat makes no second stack of its name."""
    what = f"Heat stack {orphan.name}"
    needed = "no other stack of this name"
    found = f"{orphan.status}, {'ours, ' if orphan.ours else 'not ours, '}"
    if not state_known:
        return Finding(
            what=what,
            needed=needed,
            found=f"{found}and no state says whether it is the one deployed",
            verdict=Verdict.UNASKED,
            do="terraform state pull > FILE, then check again with --state FILE",
        )
    found += f"not in the state{', with machines' if orphan.serves else ''}"
    if not orphan.ours:
        do = "give yours another name, by the construct's id, or remove that one if it is yours"
    elif orphan.removable:
        do = f"crossgate check --remove-orphans, or: openstack stack delete {orphan.id}"
    else:
        do = (
            "it may serve: look at it first; if nobody needs it, "
            f"openstack stack delete {orphan.id}; if it is yours, terraform import"
        )
    return Finding(what=what, needed=needed, found=found, verdict=Verdict.MISSING, do=do)


def _has_machines(heat: Any, stack: Any) -> bool:  # noqa: ANN401  (openstacksdk's)
    """Return whether Heat keeps a server for the stack: it has an id until it is deleted."""
    # openstacksdk's own listing knows no depth.
    path = f"/stacks/{stack.name}/{stack.id}/resources"
    answer = heat.get(path, params={"nested_depth": _DEPTH})
    raise_from_response(answer)
    return any(
        resource["resource_type"] == _SERVER
        and resource["physical_resource_id"]
        and resource["resource_status"] != "DELETE_COMPLETE"
        for resource in answer.json()["resources"]
    )


def _tags(given: object) -> list[str]:
    return [str(tag) for tag in given] if isinstance(given, list) else []
