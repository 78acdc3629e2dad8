"""Heat's groups as they are now, and what can be done to them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .cluster import Unanswered
from .rules import Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

GROUP = "group"
"""Name of the group in the stack's template."""

RULES = "crossgate"
"""Output of the stack that holds the rules, as JSON."""

_ONE = "/member.yaml"
_SERVER = "OS::Nova::Server"
_FAREWELL = "OS::Heat::Delay"
"""Types of what is in the stack of a member."""

GONE = "GONE"
"""What Nova does not show at all."""

_NOT_FOUND = 404
_POLL_SECONDS = 2
_LONGEST_SECONDS = 300


@dataclass(frozen=True)
class Member:
    """A member as Heat and Nova show it; `born` in seconds since the epoch."""

    name: str
    server: str
    status: str
    born: float = 0.0


@dataclass(frozen=True)
class Group:
    """A group of a stack.

    Attributes:
        stack: name and id of the stack.
        nested: the same of the group's own stack, whose resources are the members.
        status: what Heat is doing to either, or did last.
        rules: what is to be done about it.
        members: those that there are.
        leaving: servers that Heat is about to delete.

    """

    stack: str
    nested: str
    status: str
    rules: Rules
    members: Sequence[Member] = ()
    leaving: Sequence[str] = ()

    @property
    def name(self) -> str:
        """Name of the stack."""
        return self.stack.partition("/")[0]

    @property
    def busy(self) -> bool:
        """Whether Heat works at it."""
        return self.status.endswith("IN_PROGRESS")


class Heat:
    """The groups of a cloud and what is done to them.

    Args:
        cloud: a connection of openstacksdk.
        tag: that of the stacks whose groups are looked after.
        sleep: waits some seconds.

    """

    def __init__(self, cloud: Any, tag: str, sleep: Callable[[float], None]) -> None:  # noqa: ANN401  (openstacksdk ships no types)
        self._cloud = cloud
        self._tag = tag
        self._sleep = sleep

    def groups(self) -> tuple[list[Group], dict[str, str]]:
        """Return the groups that the cluster watches, and why others, by name, are passed over.

        One that is being made or unmade, or could not be made, is none yet or none any more.
        """
        found = self._get("/stacks", tags=self._tag)["stacks"]
        groups, passed = [], {}
        servers = {server.id: server for server in self._cloud.compute.servers()} if found else {}
        for stack in found:
            name, status = stack["stack_name"], stack["stack_status"]
            if status.startswith(("CREATE", "DELETE")) and status != "CREATE_COMPLETE":
                continue
            try:
                groups.append(self._group(f"{name}/{stack['id']}", status, servers))
            except (Unanswered, KeyError, TypeError, ValueError) as error:
                passed[name] = f"{type(error).__name__}: {error}"
        return groups, passed

    def heal(self, group: Group, member: Member, why: str) -> str:
        """Have Heat replace a member; return the status when Heat is done, or takes its time.

        The group's own stack is updated, with nothing changed. An update of the stack above would
        have the group make its size anew, without the member that is marked: above its minimum it
        would lose that instead of replacing it.
        """
        body = {"mark_unhealthy": True, "resource_status_reason": f"crossgate: {why}"}
        self._patch(f"/stacks/{group.nested}/resources/{member.name}", body)
        self._patch(f"/stacks/{group.nested}", {})
        status = ""
        for _ in range(_LONGEST_SECONDS // _POLL_SECONDS):
            self._sleep(_POLL_SECONDS)
            status = self._status(group.nested)
            if not status.endswith("IN_PROGRESS"):
                break
        return status

    def signal(self, group: Group, policy: str) -> None:
        """Have a scaling policy of the stack do its work."""
        path = f"/stacks/{group.stack}/resources/{policy}/signal"
        _fine(self._cloud.orchestration.post(path, json={}, raise_exc=False))

    def _status(self, stack: str) -> str:
        return str(self._get(f"/stacks/{stack}")["stack"]["stack_status"])

    def _group(self, stack: str, status: str, servers: Mapping[str, Any]) -> Group:
        group = self._get(f"/stacks/{stack}/resources/{GROUP}")["resource"]
        rules = self._get(f"/stacks/{stack}/outputs/{RULES}")["output"]["output_value"]
        (nested,) = (link["href"] for link in group["links"] if link["rel"] == "nested")
        nested = "/".join(nested.split("/")[-2:])
        found = self._get(f"/stacks/{nested}/resources", nested_depth="2")["resources"]
        if not status.endswith("IN_PROGRESS"):
            # A policy works at the group's own stack alone.
            status = self._status(nested)
        return Group(
            stack=stack,
            nested=nested,
            status=status,
            rules=Rules.of(json.loads(rules)),
            members=[
                self._member(name, server, servers)
                for name, server in members(found).items()
                # One that Heat is making has no server yet, and is not one that has lost it.
                if server or not status.endswith("IN_PROGRESS")
            ],
            leaving=leaving(found),
        )

    def _member(self, name: str, server: str, servers: Mapping[str, Any]) -> Member:
        found = servers.get(server) or (self._server(server) if server else None)
        if found is None:
            return Member(name=name, server=server, status=GONE)
        born = datetime.strptime(found.created_at, "%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007  (is UTC)
        seconds = born.replace(tzinfo=timezone.utc).timestamp()  # noqa: UP017  (Python 3.9 runs it)
        return Member(name=name, server=server, status=found.status, born=seconds)

    def _server(self, server: str) -> Any:  # noqa: ANN401  (as above)
        # The list is long and moves: what is not in it is asked for by itself.
        answer = self._cloud.compute.get(f"/servers/{server}", raise_exc=False)
        if answer.status_code == _NOT_FOUND:
            return None
        _fine(answer)
        return self._cloud.compute.get_server(server)

    def _get(self, path: str, **asked: str) -> Any:  # noqa: ANN401  (JSON)
        answer = self._cloud.orchestration.get(path, params=asked, raise_exc=False)
        return _fine(answer).json()

    def _patch(self, path: str, body: Mapping[str, object]) -> None:
        _fine(self._cloud.orchestration.patch(path, json=body, raise_exc=False))


def members(resources: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the server of each member, by the member's name; nothing where there is none yet.

    Each member is a group of one, and that one has the server. While it is being replaced, and
    where that failed, there are two; the one that Heat has finished is meant then.
    """
    own = [one for one in resources if one["parent_resource"] == GROUP]
    ones = [one for one in resources if one["resource_type"].endswith(_ONE)]
    servers = _servers(resources)
    found = {member["resource_name"]: "" for member in own}
    for one in sorted(ones, key=lambda one: bool(one["resource_status"].endswith("_COMPLETE"))):
        found[one["parent_resource"]] = servers.get(one["resource_name"], "")
    return found


def leaving(resources: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the servers that Heat deletes when what goes before them has taken its time."""
    servers = _servers(resources)
    return sorted(
        servers[one["parent_resource"]]
        for one in resources
        if one["resource_type"] == _FAREWELL
        and one["resource_status"].startswith("DELETE")
        and servers.get(one["parent_resource"])
    )


def _servers(resources: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the servers by the name of what has them."""
    return {
        one["parent_resource"]: one["physical_resource_id"]
        for one in resources
        if one["resource_type"] == _SERVER
    }


def _fine(answer: Any) -> Any:  # noqa: ANN401  (an answer of requests)
    if not answer.ok:
        raise Unanswered(f"OpenStack answers {answer.status_code}: {answer.text[:300]}")
    return answer
