"""The archives of a synthesized stack: where its snapshots are, and which of them there are."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from crossgate.cli import aws, openstack
from crossgate.cli.expressions import plain
from crossgate.cli.following import UnansweredError
from crossgate.discovery.consul.programs.consul_snapshot import newest_first, taken_at
from crossgate.discovery.consul.snapshots import RESTORE
from crossgate.errors import ToolError
from crossgate.terraform.locals import NOTE

if TYPE_CHECKING:
    from crossgate.cli.synthesized import Cloud, Stack

_KIND = "archive"
_SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10")
_SSH_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Archive:
    """Where the snapshots of one cluster are.

    Attributes:
        cloud: the cloud's id, which is the Consul datacenter.
        of: the cluster.
        where: the place in words.
        ask: asks which names are kept; each with the host that has it, where hosts differ.
        servers: who can bring one back, as one reaches them.

    """

    cloud: str
    of: str
    where: str
    ask: Callable[[], Mapping[str, str | None]] = field(repr=False)
    servers: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Which snapshots an archive has, and how the one that is wanted is brought back.

    Attributes:
        cloud: the cloud's id.
        of: the cluster.
        where: the place in words.
        kept: names, the newest first.
        wanted: the one to bring back; None: it is not there.
        taken: when it was taken, seconds since the epoch.
        commands: what brings it back, run on one of the servers, or from here.
        failed: why it could not be asked.

    """

    cloud: str
    of: str
    where: str
    kept: Sequence[str] = ()
    wanted: str | None = None
    taken: float | None = None
    commands: Sequence[str] = ()
    failed: str | None = None


def archives(stack: Stack, clouds: Sequence[str]) -> list[Archive]:
    """Return where a stack keeps snapshots.

    Args:
        stack: the stack.
        clouds: in which clouds; empty: in all.

    Raises:
        ToolError: nowhere, not in such a cloud, or what a place is called is not known.

    """
    noted = list(_notes(stack.locals))
    there = sorted({str(one["cloud"]) for one in noted})
    if not noted:
        raise ToolError(
            f"the stack {stack.name} takes no snapshots: ConsulServers(snapshots=Snapshots()), "
            "and `cdktf synth`"
        )
    if unknown := [name for name in clouds if name not in there]:
        raise ToolError(
            f"the stack {stack.name} takes no snapshots in {unknown[0]!r}; --cloud takes: "
            f"{', '.join(there)}"
        )
    asked = {cloud.name: cloud for cloud in stack.clouds}
    return [
        _archive(one, asked.get(str(one["cloud"])))
        for one in noted
        if not clouds or one["cloud"] in clouds
    ]


def answer(archive: Archive, name: str | None) -> Answer:
    """Return which snapshots an archive has, and how one is brought back.

    Args:
        archive: which.
        name: the one to bring back; None: the newest.

    """
    so_far = Answer(cloud=archive.cloud, of=archive.of, where=archive.where)
    try:
        found = archive.ask()
    except UnansweredError as error:
        return replace(so_far, failed=str(error))
    kept = newest_first(list(found))
    wanted = next((one for one in kept if name in {None, one}), None)
    if wanted is None:
        return replace(so_far, kept=kept)
    command = f"sudo {RESTORE} {wanted}"
    holder = found[wanted]
    hosts = [holder] if holder else archive.servers
    return replace(
        so_far,
        kept=kept,
        wanted=wanted,
        taken=taken_at(wanted),
        commands=[f"ssh -t {host} {command}" for host in hosts] or [command],
    )


def _notes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    begins = f'{{"{NOTE}": "{_KIND}"'
    found = [
        json.loads(plain(text))
        for text in values.values()
        if isinstance(text, str) and text.startswith(begins)
    ]
    return sorted(found, key=lambda one: (one["cloud"], one["of"]))


def _archive(noted: Mapping[str, Any], cloud: Cloud | None) -> Archive:
    name, of = str(noted["cloud"]), str(noted["of"])
    if noted["in"] == "folder":
        hosts = [f"{noted['user']}@{host}" for host in noted["hosts"]]
        own = f"{noted['folder']} of each of {', '.join(noted['hosts'])}"
        return Archive(
            cloud=name,
            of=of,
            where=own if noted["own"] else f"{noted['folder']}, which the hosts share",
            ask=lambda: _listed(hosts, each=bool(noted["own"])),
            servers=hosts[:1],
        )
    if cloud is None:
        raise ToolError(f"the stack has no provider for {name}: synthesize it anew")
    client = aws if noted["in"] == "s3" else openstack
    key = "bucket" if noted["in"] == "s3" else "container"
    place = _known(cloud, str(noted[key]))
    prefix = str(noted["prefix"])
    return Archive(
        cloud=name,
        of=of,
        where=f"{key} {place}, below {prefix}",
        ask=lambda: dict.fromkeys(client.snapshots(cloud, place, prefix)),
    )


def _known(cloud: Cloud, place: str) -> str:
    """Return what a bucket or a container is called, by the JSON or by the state."""
    if cloud.literal(place):
        return place
    block = cloud.follow(place)
    names = [one.get("id") or one.get("name") for one in block.made] if block else []
    if block is not None and block.known_as:
        names.append(block.known_as)
    if not names or not isinstance(names[0], str):
        raise ToolError(
            f"what {block.address if block else place} is called is known to Terraform only: "
            "deploy it, or give the state: terraform state pull > FILE, then --state FILE"
        )
    return names[0]


def _listed(hosts: Sequence[str], *, each: bool) -> dict[str, str | None]:
    """Return what hosts keep, by SSH: of a folder that they share, the first that answers."""
    found: dict[str, str | None] = {}
    silent = []
    for host in hosts:
        command = [*_SSH, host, shlex.join(["sudo", "-n", RESTORE, "list"])]
        try:
            done = subprocess.run(  # noqa: S603  (the user's own ssh)
                command, check=False, capture_output=True, text=True, timeout=_SSH_SECONDS
            )
        except (OSError, subprocess.SubprocessError) as error:
            silent.append(f"{host}: {error}")
            continue
        if done.returncode:
            silent.append(f"{host}: {done.stderr.strip()}")
            continue
        if not each:
            return dict.fromkeys(done.stdout.split())
        found |= dict.fromkeys(done.stdout.split(), host)
    if len(silent) == len(hosts):
        raise UnansweredError("; ".join(silent))
    return found
