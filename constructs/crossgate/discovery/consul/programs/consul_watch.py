"""Answers what other programs of the machine ask of the cluster: who is alive, what was noted.

    consul_watch.py members        print who is known, as JSON:
                                   {INSTANCE: {"name":, "alive":, "services": {NAME: FIT}}}
    consul_watch.py recall NAME    print what was noted under a name; nothing when nothing was
    consul_watch.py record NAME    note what comes on standard input
    consul_watch.py gather PREFIX  print all notes whose names begin so, as JSON: {NAME: TEXT}
    consul_watch.py alone NAME COMMAND...   run a command on one machine of the cluster at a time
    consul_watch.py ready [SERVICE]   end well when the cluster sees this machine do its work: its
                                   service passes and no server is older than its agent, or
                                   autopilot calls it a healthy voter

INSTANCE is the cloud's own id of a machine. Every answer is the leader's: without a leader, or
without an agent on this machine, the program says so and ends with 1. `alone` becomes
`consul lock`, which ends the command when the lock is lost.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INSTANCE = "instance"
"""The name, in a node's metadata, of the cloud's own id of its machine."""

_USAGE = (
    "consul_watch.py members | recall NAME | record NAME | gather PREFIX | alone NAME COMMAND... | "
    "ready [SERVICE]"
)
_AGENT = "http://127.0.0.1:8500/v1"
_CONSUL = "/usr/bin/consul"
_FOLDER = "crossgate"
_SECONDS = 10.0
_NOT_FOUND = 404
_TOO_MANY = 429
_ALIVE = 1  # of Serf's states of a member
_MAINTENANCE = ("_node_maintenance", "_service_maintenance")


def members(
    nodes: Sequence[Mapping[str, Any]], checks: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, object]]:
    """Return who is known and who of them is alive, by the cloud's own id.

    A machine that lost its disk is known twice, by its old node and by its new one: it is alive
    when either is.

    Args:
        nodes: what `/v1/catalog/nodes` answers.
        checks: what `/v1/health/state/any` answers; `serfHealth` is the gossip's own verdict. Of a
            machine in maintenance nothing is said: somebody works at it.

    """
    kept_out = {check["Node"] for check in checks if check["CheckID"].startswith(_MAINTENANCE)}
    fit: dict[str, dict[str, bool]] = {}
    for check in checks:
        if check.get("ServiceName") and check["Node"] not in kept_out:
            of_node = fit.setdefault(check["Node"], {})
            well = check["Status"] != "critical"
            of_node[check["ServiceName"]] = well and of_node.get(check["ServiceName"], True)
    alive = {
        check["Node"]
        for check in checks
        if check["CheckID"] == "serfHealth" and check["Status"] == "passing"
    }
    found: dict[str, dict[str, object]] = {}
    for node in nodes:
        instance = (node.get("Meta") or {}).get(INSTANCE)
        if instance and not (found.get(instance) or {}).get("alive"):
            name = node["Node"]
            found[instance] = {
                "name": name,
                "alive": name in alive,
                "services": fit.get(name, {}),
            }
    return found


def main(arguments: Sequence[str]) -> str:
    """Do what the arguments say; return what is to be printed."""
    verb, *names = arguments
    if verb == "alone":
        name, *command = names
        lock = ["consul", "lock", "-shell=false", "-child-exit-code", f"{_FOLDER}/{name}", *command]
        os.execv(_CONSUL, lock)  # noqa: S606  (what the unit says)
    if verb == "members" and not names:
        # `consistent` asks the leader, who asks the others whether it still is.
        nodes, checks = _ask("/catalog/nodes?consistent"), _ask("/health/state/any?consistent")
        return json.dumps(members(json.loads(nodes), json.loads(checks))) + "\n"
    if verb == "ready":
        return _ready(*names)
    (name,) = names
    key = f"/kv/{_FOLDER}/{quote(name, safe='')}"
    if verb == "recall":
        return _found(f"{key}?raw&consistent").decode()
    if verb == "gather":
        return json.dumps(_gathered(key)) + "\n"
    if verb == "record":
        _ask(key, sys.stdin.buffer.read())
        return ""
    raise ValueError(verb)


def _ready(service: str | None = None) -> str:
    """Return nothing; leave the program with what is missing otherwise."""
    me = json.loads(_ask("/agent/self"))["Config"]
    if service is None:
        # Answers 429 while any server is unhealthy; which one is said all the same.
        health = json.loads(_ask("/operator/autopilot/health", also=_TOO_MANY))
        if not is_voter(health, me["NodeID"]):
            sys.exit(f"{me['NodeName']} is no healthy voter yet")
        return ""
    passing = json.loads(_ask(f"/health/service/{quote(service, safe='')}?passing&consistent"))
    if me["NodeName"] not in {one["Node"]["Node"] for one in passing}:
        sys.exit(f"{service} does not pass on {me['NodeName']} yet")
    for server in older(json.loads(_ask("/agent/members")), me["Version"]):
        sys.exit(f"{server} has an older Consul than {me['Version']}: servers come first")
    return ""


def older(members: Sequence[Mapping[str, Any]], version: str) -> list[str]:
    """Return the names of servers that are there and have an older Consul than `version`.

    Args:
        members: what `/v1/agent/members` answers.
        version: such as 1.20.0.

    """
    return [
        member["Name"]
        for member in members
        if member["Tags"].get("role") == "consul"
        and member["Status"] == _ALIVE
        and _numbers(member["Tags"]["build"]) < _numbers(version)
    ]


def _numbers(version: str) -> list[int]:
    """Return what a version is compared by: of 1.20.0+ent:0a1b2c3d the three numbers."""
    return [int(one) for one in re.findall(r"\d+", version)[:3]]


def is_voter(health: Mapping[str, Any], id: str) -> bool:
    """Return whether autopilot calls a server, by its node's id, healthy and a voter."""
    servers = health.get("Servers") or []
    return any(one["ID"] == id and one["Healthy"] and one["Voter"] for one in servers)


def _gathered(key: str) -> dict[str, str]:
    notes = json.loads(_found(f"{key}?recurse&consistent") or "[]")
    return {
        note["Key"].partition("/")[2]: base64.b64decode(note["Value"] or "").decode()
        for note in notes
    }


def _found(path: str) -> bytes:
    """Return an answer; nothing where there is none."""
    try:
        return _ask(path)
    except HTTPError as error:
        if error.code == _NOT_FOUND:
            return b""
        raise


def _ask(path: str, put: bytes | None = None, *, also: int | None = None) -> bytes:
    """Return an answer; that with the status `also` is one too."""
    token = os.environ.get("CONSUL_HTTP_TOKEN")
    headers = {"X-Consul-Token": token} if token else {}
    method = "GET" if put is None else "PUT"
    request = Request(f"{_AGENT}{path}", data=put, headers=headers, method=method)  # noqa: S310
    try:
        with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310  (the machine's own agent)
            said: bytes = answer.read()
    except HTTPError as error:
        if error.code != also:
            raise
        said = error.read()
    return said


if __name__ == "__main__":
    try:
        sys.stdout.write(main(sys.argv[1:]))
    except ValueError:
        sys.exit(_USAGE)
    except HTTPError as error:
        sys.exit(f"Consul answers {error.code}: {error.read().decode(errors='replace').strip()}")
    except URLError as error:
        sys.exit(f"Consul's agent does not answer: {error.reason}")
    except OSError as error:
        sys.exit(f"Consul's agent does not answer: {error}")
