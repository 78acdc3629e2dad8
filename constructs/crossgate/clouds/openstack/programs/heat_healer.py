"""Replaces dead members of Heat's autoscaling groups, which Heat by itself does not.

    heat_healer.py SETTINGS

A member is dead when Nova shows it in ERROR or not at all, or when the cluster that watches it has
not seen it alive for a while. It is marked unhealthy in the group's own stack, and the stack is
updated with nothing changed: Heat makes another. One at a time, so many an hour, and none at all
while it looks as if the network were cut or nobody can tell. Whatever is done or refused is said
once on standard output and shown in a file of metrics.

The program runs on one machine of the cluster at a time; who sees to that is whoever starts it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

GROUP = "group"
"""Name of the group in the stack's template."""

RULES = "healing"
"""Output of the stack that holds the rules, as JSON."""

GONE = "GONE"
"""What Nova does not show at all."""

_BROKEN = (GONE, "ERROR", "DELETED")
_HOUR = 3600.0
_COMMAND_SECONDS = 30
_NOT_FOUND = 404
_TROUBLES = (OSError, subprocess.SubprocessError, ValueError, KeyError)


@dataclass(frozen=True)
class Rules:
    """When a member is healed; seconds, and shares of one."""

    after: float
    grace: float
    per_hour: int
    cut: float


@dataclass(frozen=True)
class Member:
    """A member as Heat and Nova show it; `born` in seconds since the epoch."""

    name: str
    server: str
    status: str
    born: float = 0.0


@dataclass(frozen=True)
class Group:
    """A group of a stack; `nested` is the group's own stack, whose resources are the members."""

    stack: str
    nested: str
    status: str
    rules: Rules
    members: Sequence[Member] = ()


@dataclass
class Notes:
    """What must outlive this program: since when who is dead, when whom it has healed."""

    dead: dict[str, float] = field(default_factory=dict)
    healed: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str) -> Notes:
        """Return what was noted as JSON; nothing yet is fine."""
        return cls(**json.loads(text)) if text.strip() else cls()

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps({"dead": self.dead, "healed": self.healed}, sort_keys=True)


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
    rules = group.rules
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
    if group.status.endswith("IN_PROGRESS"):
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
    recent = [when for when in notes.healed.get(group.stack, ()) if now - when < _HOUR]
    if len(recent) >= rules.per_hour:
        return Verdict(refused=f"{len(recent)} were replaced within an hour, and no more may be")
    return Verdict(heal=chosen, why=why)


def _trouble(member: Member, alive: Mapping[str, bool], rules: Rules, now: float) -> str:
    if member.server not in alive:
        return "it has never joined" if now - member.born > rules.grace else ""
    return "" if alive[member.server] else "the cluster sees it dead"


class Cluster:
    """Who watches the machines, asked through a program of its own.

    Args:
        watch: the program and its first words; it takes `members`, `recall NAME`, `record NAME`.
        name: under which the notes are.

    """

    def __init__(self, watch: Sequence[str], name: str) -> None:
        self._watch = tuple(watch)
        self._name = name

    def alive(self) -> dict[str, bool]:
        """Return who is known, and whether they are alive."""
        return {key: seen["alive"] for key, seen in json.loads(self._ask("members")).items()}

    def recall(self) -> Notes:
        """Return the notes."""
        return Notes.of(self._ask("recall", self._name))

    def record(self, notes: Notes) -> None:
        """Keep the notes."""
        self._ask("record", self._name, given=notes.text())

    def _ask(self, *words: str, given: str = "") -> str:
        done = subprocess.run(  # noqa: S603  (the cluster's own program)
            [*self._watch, *words],
            check=False,
            input=given,
            text=True,
            capture_output=True,
            timeout=_COMMAND_SECONDS,
        )
        if done.returncode:
            raise Unanswered(done.stderr.strip() or f"{words[0]} ended with {done.returncode}")
        return done.stdout


class Unanswered(Exception):  # noqa: N818  (it is no error of this program)
    """Somebody does not answer: nothing is done until they do."""


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

    def groups(self) -> list[Group]:
        """Return the groups that the cluster watches, those apart that are being made or unmade."""
        found = self._get("/stacks", tags=self._tag)["stacks"]
        if not found:
            return []
        servers = {server.id: server for server in self._cloud.compute.servers()}
        return [
            self._group(f"{stack['stack_name']}/{stack['id']}", stack["stack_status"], servers)
            for stack in found
            if not stack["stack_status"].startswith(("CREATE", "DELETE"))
            or stack["stack_status"] == "CREATE_COMPLETE"
        ]

    def heal(self, group: Group, member: Member, why: str) -> str:
        """Have Heat replace a member; return the stack's status when Heat is done."""
        body = {"mark_unhealthy": True, "resource_status_reason": f"crossgate: {why}"}
        self._patch(f"/stacks/{group.nested}/resources/{member.name}", body)
        self._patch(f"/stacks/{group.stack}", {})
        while True:
            self._sleep(2)
            status = str(self._get(f"/stacks/{group.stack}")["stack"]["stack_status"])
            if not status.endswith("IN_PROGRESS"):
                return status

    def _group(self, stack: str, status: str, servers: Mapping[str, Any]) -> Group:
        group = self._get(f"/stacks/{stack}/resources/{GROUP}")["resource"]
        rules = self._get(f"/stacks/{stack}/outputs/{RULES}")["output"]["output_value"]
        (nested,) = (link["href"] for link in group["links"] if link["rel"] == "nested")
        nested = "/".join(nested.split("/")[-2:])
        members = self._get(f"/stacks/{nested}/resources")["resources"]
        return Group(
            stack=stack,
            nested=nested,
            status=status,
            rules=Rules(**json.loads(rules)),
            members=[
                self._member(m["resource_name"], m["physical_resource_id"], servers)
                for m in members
            ],
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


def _fine(answer: Any) -> Any:  # noqa: ANN401  (an answer of requests)
    if not answer.ok:
        raise Unanswered(f"OpenStack answers {answer.status_code}: {answer.text[:300]}")
    return answer


class Log:
    """Says each thing once, and keeps the figures."""

    def __init__(self, metrics: Path) -> None:
        self._metrics = metrics
        self._said: dict[str, str] = {}
        self._figures: dict[str, float] = {}

    def say(self, topic: str, text: str) -> None:
        """Say `text` unless that was the last thing said of `topic`; nothing is a topic closed."""
        if text and self._said.get(topic) != text:
            sys.stdout.write(f"{topic}: {text}\n")
            sys.stdout.flush()
        self._said[topic] = text

    def count(self, name: str, group: str = "", by: float = 1) -> None:
        """Add to a figure."""
        label = f'{{group="{group.partition("/")[0]}"}}' if group else ""
        key = f"crossgate_healer_{name}{label}"
        self._figures[key] = self._figures.get(key, 0) + by

    def show(self, now: float) -> None:
        """Write the figures, as Prometheus reads them."""
        figures = {**self._figures, "crossgate_healer_last_round_timestamp_seconds": now}
        draft = self._metrics.with_suffix(".new")
        draft.write_text("".join(f"{key} {figures[key]:.15g}\n" for key in sorted(figures)))
        draft.replace(self._metrics)


def look(heat: Heat, cluster: Cluster, log: Log, clock: Callable[[], float]) -> None:
    """Look after all groups once; heal one member at most."""
    try:
        notes, alive = cluster.recall(), cluster.alive()
        before = notes.text()
        log.say("cluster", "")
        groups = heat.groups()
        log.say("OpenStack", "")
        healed = _one(groups, alive, notes, log, clock())
        _forget(notes, groups, clock())
        # Noted before it is done: who takes over from here counts it too.
        if notes.text() != before:
            cluster.record(notes)
        if healed:
            group, member, why = healed
            name = group.stack.partition("/")[0]
            log.say(f"{name}/{member.name}", f"replaces server {member.server}: {why}")
            status = heat.heal(group, member, why)
            log.count("healed_total" if status.endswith("COMPLETE") else "failed_total", name)
            log.say(f"{name}/{member.name}", f"Heat ended with {status}")
    except Unanswered as error:
        log.count("unanswered_total")
        log.say("waits", str(error))
    else:
        log.say("waits", "")
    log.show(clock())


def _one(
    groups: Iterable[Group], alive: Mapping[str, bool], notes: Notes, log: Log, now: float
) -> tuple[Group, Member, str] | None:
    chosen = None
    for group in groups:
        name = group.stack.partition("/")[0]
        verdict = judge(group, alive, notes, now)
        log.say(name, verdict.refused and f"heals nobody: {verdict.refused}")
        if verdict.refused:
            log.count("refused_total", name)
        if verdict.heal and chosen is None:
            chosen = (group, verdict.heal, verdict.why)
            notes.healed.setdefault(group.stack, []).append(now)
            notes.dead.pop(verdict.heal.server, None)
    return chosen


def _forget(notes: Notes, groups: Sequence[Group], now: float) -> None:
    """Drop what no longer counts, so that the notes do not grow."""
    there = {member.server for group in groups for member in group.members}
    for server in notes.dead.keys() - there:
        del notes.dead[server]
    for stack, times in list(notes.healed.items()):
        notes.healed[stack] = [when for when in times if now - when < _HOUR]
        if not notes.healed[stack]:
            del notes.healed[stack]


def main(path: str) -> None:
    """Look after the groups until stopped."""
    import openstack  # noqa: PLC0415  (the rules above need none of it)
    from keystoneauth1.exceptions import ClientException  # noqa: PLC0415

    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    # systemd shows a unit its credentials in a folder of its own; see LoadCredential=.
    folder = Path(os.environ["CREDENTIALS_DIRECTORY"])
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(folder / "clouds.yaml")
    cloud = openstack.connect(cloud=settings["cloud"])
    heat = Heat(cloud, settings["tag"], time.sleep)
    cluster = Cluster(settings["watch"], settings["notes"])
    log = Log(Path(settings["metrics"]))
    log.say("healer", f"looks after the groups that have the tag {settings['tag']}")
    while True:
        try:
            look(heat, cluster, log, time.time)
        except (*_TROUBLES, openstack.exceptions.SDKException, ClientException) as error:
            log.say("waits", f"{type(error).__name__}: {error}")
        time.sleep(settings["every"])


if __name__ == "__main__":
    main(sys.argv[1])
