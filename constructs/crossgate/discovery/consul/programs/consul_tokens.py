"""Makes the tokens of Consul that machines are born with, on a server.

    consul_tokens.py AGENT    such as http://127.0.0.1:8500

A machine says in its node's metadata what its role is. For each role that somebody has, policies
and a token are made; the token is worked out from a secret that only servers and Terraform know,
so that nobody has it by claiming the role. When all machines have tokens of a newer secret, those
of the older one are deleted.

Secrets come from the unit's credential `known`, a line for each, the newest first: its number
and itself.

It keeps the keys of gossip too: those of the unit's credential `gossip`, a list in JSON, are given
to every agent. When no machine of before is left, which knows not the newest from birth, that comes
into use; it is the last of the list. All others are taken away then.

It ends with 75 when the agent of this server has lost the way to its leader and must be started
anew. Consul before 2.0 forgets a server when another one, that had its address before, is struck
off, and knows it no more should it lead (hashicorp/consul#21785, #23533).
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AGENT, BALANCER, MANAGEMENT, SERVER = "agent", "balancer", "management", "server"
SERVICES = "services:"
"""Roles: of an agent itself, of who asks it on a balancer, of people, on a server, and, with the
names of services behind, where these run."""

ROLE, NUMBER = "role", "tokens"
"""Names in a node's metadata: of its role, and of the number of the secret that its tokens have."""

_READ, _WRITE = {"policy": "read"}, {"policy": "write"}
_OWN = "crossgate/"
_SEES = {
    "agent_prefix": {"": _READ},
    "node_prefix": {"": _READ},
    "service_prefix": {"": _READ},
    "key_prefix": {_OWN: _READ},
}
_RULES: Mapping[str, Mapping[str, object]] = {
    # Any node: whoever has the gossip key, as every machine has, can call any of them dead anyway.
    AGENT: {"node_prefix": {"": _WRITE}, "service_prefix": {"": _READ}},
    BALANCER: {**_SEES, "key_prefix": {_OWN: _READ, f"{_OWN}figures.": _WRITE}},
    SERVER: {
        **_SEES,
        "key_prefix": {_OWN: _WRITE},
        "session_prefix": {"": _WRITE},
        "operator": "read",
    },
}
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_COUNT = re.compile(r"[0-9]{1,6}\Z")
_MOST_SERVICES = 20
_GLOBAL = "global-management"
_DESCRIBED = re.compile(r"crossgate (\d+): ")
_SECONDS = 10.0
_WAIT_SECONDS = 30
_AGAIN_SECONDS = 1.0
_LOST = "not found in server lookup mapping"
_LOST_SECONDS = 5.0
_START_ANEW = 75  # EX_TEMPFAIL
_FORBIDDEN, _NOT_FOUND = 403, 404


@dataclass(frozen=True)
class Secret:
    """What tokens are worked out from."""

    number: int
    text: str

    def token(self, role: str) -> str:
        """Return the token of a role."""
        return _uuid(f"{self.text}/{role}")

    def accessor(self, role: str) -> str:
        """Return what the token of a role is known by, to those who may not have it."""
        return _uuid(f"{self.text}/accessor/{role}")


def _uuid(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, text))


def secrets_of(text: str) -> list[Secret]:
    """Return the secrets, the newest first."""
    return [Secret(int(number), secret) for number, secret in map(str.split, text.splitlines())]


def services_of(role: str) -> list[str]:
    """Return the services of a role; nothing where it is no such role, or one that is made up."""
    names = role[len(SERVICES) :].split(",") if role.startswith(SERVICES) else []
    fit = len(names) <= _MOST_SERVICES and all(map(_NAME.match, names))
    return names if fit and names == sorted(set(names)) else []


def policies_of(role: str) -> dict[str, str]:
    """Return the policies of a role, by name; none of a role that does not exist.

    A name has a part of the rules' digest: other rules are another policy, and none is changed.
    """
    own = {f"service-{one}": {"service": {one: _WRITE}} for one in services_of(role)}
    rules = {"member": _SEES, **own} if own else {one: _RULES[one] for one in _RULES if one == role}
    texts = ((name, json.dumps(one)) for name, one in rules.items())
    return {f"crossgate-{name}-{_uuid(text)[:8]}": text for name, text in texts}


def oldest(nodes: Sequence[Mapping[str, Any]]) -> int:
    """Return the least number of a secret that a machine's tokens have; 0 where nobody has any.

    Of several nodes at an address one machine is there, the newest: dead servers are listed for
    hours after others have taken their addresses.
    """
    numbers: dict[str, int] = {}
    for node in nodes:
        said = (node.get("Meta") or {}).get(NUMBER, "")
        if _COUNT.match(said):
            numbers[node["Address"]] = max(int(said), numbers.get(node["Address"], 0))
    return min(numbers.values(), default=0)


@dataclass(frozen=True)
class Pool:
    """The agents that gossip with each other; how many have, and how many use, each key."""

    agents: int
    having: Mapping[str, int]
    using: Mapping[str, int]

    @classmethod
    def of(cls, answer: Sequence[Mapping[str, Any]]) -> Pool:
        """Return the pool within a datacenter, as `/v1/operator/keyring` answers."""
        (one,) = (pool for pool in answer if not pool["WAN"])
        return cls(one["NumNodes"], one["Keys"] or {}, one["PrimaryKeys"] or {})

    def lacks(self, key: str) -> bool:
        """Return whether an agent has not got a key."""
        return self.having.get(key, 0) < self.agents

    def neglects(self, key: str) -> bool:
        """Return whether an agent encrypts with another."""
        return self.using.get(key, 0) < self.agents


class Unanswered(Exception):  # noqa: N818  (it is said, and tried again)
    """Consul does not answer, or refuses."""


class Consul:
    """The agent of this machine."""

    def __init__(self, agent: str) -> None:
        self._agent = agent
        self._token = ""
        self.index = "0"

    def use(self, token: str) -> bool:
        """Ask with a token from now on; return whether Consul knows it."""
        self._token = token
        return self.ask("/acl/token/self") is not None

    def ask(self, path: str, put: object = None, *, method: str = "") -> Any:  # noqa: ANN401  (JSON)
        """Return an answer; None where there is no such thing, or no such token."""
        data = None if put is None else json.dumps(put).encode()
        request = Request(  # noqa: S310  (the machine's own agent)
            f"{self._agent}/v1{path}",
            data=data,
            headers={"X-Consul-Token": self._token},
            method=method or ("GET" if put is None else "PUT"),
        )
        try:
            with urlopen(request, timeout=_SECONDS + _WAIT_SECONDS) as answer:  # noqa: S310  (as above)
                self.index = answer.headers.get("X-Consul-Index", "0")
                return json.loads(answer.read() or "null")
        except HTTPError as error:
            said = error.read().decode(errors="replace").strip()
            missing = error.code == _NOT_FOUND or (error.code == _FORBIDDEN and "not found" in said)
            if missing:
                return None
            raise Unanswered(f"Consul answers {error.code}: {said}") from error
        except (URLError, OSError) as error:
            raise Unanswered(f"Consul's agent does not answer: {error}") from error


class Keeper:
    """Keeps the tokens of all roles.

    Args:
        consul: the agent of this machine.
        secrets: the newest first.

    Attributes:
        alone: whether all machines have tokens of the newest secret, in all datacenters that are
            federated.

    """

    def __init__(self, consul: Consul, secrets: Sequence[Secret]) -> None:
        self._consul = consul
        self._secrets = secrets
        self.alone = False

    def begin(self) -> None:
        """Be allowed to: by the newest secret, or by one before, which then makes the newest good.

        Raises:
            Unanswered: Consul knows no secret of ours, or no leader yet.

        """
        newest, *before = (one.token(MANAGEMENT) for one in self._secrets)
        if self._consul.use(newest):
            return
        if not any(map(self._consul.use, before)):
            raise Unanswered("Consul knows no token of the management")
        self._make(MANAGEMENT, [_GLOBAL])
        self._consul.use(newest)

    def look(self, index: str = "0") -> str:
        """Make what roles need that nodes have, and forget what no node needs any more.

        Waits for some time until nodes have changed since `index`, and returns the next one.

        Raises:
            Unanswered: Consul does not answer, or has forgotten who this is.

        """
        nodes = self._consul.ask(f"/catalog/nodes?index={index}&wait={_WAIT_SECONDS}s")
        seen = self._consul.index
        tokens, policies = self._consul.ask("/acl/tokens"), self._consul.ask("/acl/policies")
        if nodes is None or tokens is None or policies is None:
            raise Unanswered("Consul knows no token of the management any more")
        others = self._others({node["Datacenter"] for node in nodes})
        metas = [node.get("Meta") or {} for site in (nodes, *others) for node in site]
        roles = {meta[ROLE] for meta in metas if ROLE in meta}
        there = {token["AccessorID"]: token for token in tokens}
        known = {policy["Name"] for policy in policies}
        for role in [AGENT, SERVER, *sorted(roles - {AGENT, SERVER})]:
            wanted = policies_of(role)
            for name in wanted.keys() - known:
                self._consul.ask("/acl/policy", {"Name": name, "Rules": wanted[name]})
                known.add(name)
            token = there.get(self._secrets[0].accessor(role))
            names = sorted(one["Name"] for one in (token or {}).get("Policies") or [])
            if wanted and names != sorted(wanted):
                self._make(role, sorted(wanted), new=token is None)
        self.alone = all(oldest(site) >= self._secrets[0].number for site in (nodes, *others))
        for token in tokens if self.alone else ():
            self._forget(token)
        return seen

    def _others(self, own: set[str]) -> list[Sequence[Mapping[str, Any]]]:
        """Return the nodes of each datacenter that this one is federated with; none: it is silent.

        Their machines ask here with the tokens that they have there: the secrets are the same.
        """
        found: list[Sequence[Mapping[str, Any]]] = []
        for name in set(self._consul.ask("/catalog/datacenters") or []) - own:
            try:
                found.append(self._consul.ask(f"/catalog/nodes?dc={name}") or [])
            except Unanswered as error:
                say(f"the datacenter {name}: {error}")
                found.append([])
        return found

    def _make(self, role: str, policies: Sequence[str], *, new: bool = True) -> None:
        secret = self._secrets[0]
        accessor = secret.accessor(role)
        token = {
            "AccessorID": accessor,
            "SecretID": secret.token(role),
            "Description": f"crossgate {secret.number}: {role}",
            "Policies": [{"Name": name} for name in policies],
        }
        self._consul.ask("/acl/token" if new else f"/acl/token/{accessor}", token)
        say(f"{role} has a token, number {secret.number}")

    def _forget(self, token: Mapping[str, Any]) -> None:
        """Delete a token of a secret before; what Consul itself has made of one is one too."""
        newest, *before = self._secrets
        found = _DESCRIBED.match(token["Description"])
        old = found is not None and int(found[1]) < newest.number
        if old or token["SecretID"] in [one.token(MANAGEMENT) for one in before]:
            self._consul.ask(f"/acl/token/{token['AccessorID']}", method="DELETE")
            say(f"the token {token['AccessorID']} is deleted ({token['Description']})")


_said: list[str] = []


def say(text: str) -> None:
    """Say something, unless it was the last thing said."""
    if _said != [text]:
        _said[:] = [text]
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


class Ring:
    """Keeps the keys of gossip, of which the newest is the last."""

    def __init__(self, consul: Consul, keys: Sequence[str]) -> None:
        self._consul = consul
        self._keys = keys

    def look(self, *, alone: bool) -> None:
        """Give the keys to who lacks them, and have the newest used when it is time.

        Args:
            alone: whether all machines have been born with these keys. One that was not, and comes
                now, would understand nobody who uses the newest.

        Raises:
            Unanswered: Consul does not answer, or an agent of the datacenter does not.

        """
        pool = self._pool()
        for key in filter(pool.lacks, self._keys):
            self._change("POST", key)
            say("a gossip key is given to all")
            pool = self._pool()
        if any(map(pool.lacks, self._keys)):
            raise Unanswered("an agent has not yet all keys of gossip")
        if not alone:
            return
        if pool.neglects(self._keys[-1]):
            self._change("PUT", self._keys[-1])
            say("the newest gossip key is in use")
        for key in pool.having.keys() - set(self._keys):
            self._change("DELETE", key)
            say("a gossip key of before is taken away")

    def _pool(self) -> Pool:
        return Pool.of(self._consul.ask("/operator/keyring?local-only=true"))

    def _change(self, method: str, key: str) -> None:
        self._consul.ask("/operator/keyring", {"Key": key}, method=method)


class Way:
    """Whether the agent knows the way to its leader."""

    def __init__(self) -> None:
        self._lost_since: float | None = None
        self._patience = 0.0

    def is_lost(self, error: str, now: float) -> bool:
        """Return whether it has been lost for long: servers do not all start anew at once."""
        if _LOST not in error:
            self._lost_since = None
        elif self._lost_since is None:
            self._lost_since = now
            self._patience = random.uniform(1, 2) * _LOST_SECONDS  # noqa: S311  (no secret)
        return self._lost_since is not None and now - self._lost_since > self._patience


def main(agent: str) -> None:
    """Keep the tokens until stopped."""
    # systemd shows a unit its credentials in a folder of its own; see LoadCredential=.
    known, gossip = (
        Path(os.environ["CREDENTIALS_DIRECTORY"], name).read_text(encoding="utf-8")
        for name in ("known", "gossip")
    )
    consul = Consul(agent)
    keeper, ring, way = Keeper(consul, secrets_of(known)), Ring(consul, json.loads(gossip)), Way()
    while True:
        try:
            keeper.begin()
            index = "0"
            while True:
                index = keeper.look(index)
                ring.look(alone=keeper.alone)
                way.is_lost("", time.monotonic())
        except Unanswered as error:
            say(str(error))
            if way.is_lost(str(error), time.monotonic()):
                say("the agent is started anew")
                sys.exit(_START_ANEW)
        time.sleep(_AGAIN_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1])
