"""Consul's tokens and gossip key on real machines: a service that comes later, all exchanged."""

from __future__ import annotations

import base64
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from crossgate.boot.document import Document, File, Unit
from crossgate.boot.program import PYTHON
from crossgate.discovery.consul.acl import MANAGEMENT_TOKEN, Gossip, Tokens
from crossgate.discovery.consul.agent import WATCH, client_document, server_document, watch_document
from crossgate.model.service import Service
from crossgate.model.text import Reference, Text
from crossgate.specs import Addresses
from tests.discovery.consul.authority import AUTHORITY, SERVER, TOKENS, known, of_tokens
from tests.live.machine import Machine, until
from tools import toolbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.machine import Network

pytestmark = [pytest.mark.live, pytest.mark.root]

SERVERS = ("10.71.0.51", "10.71.0.52", "10.71.0.53")
KEYS = [base64.b64encode(bytes(range(first, first + 32))).decode() for first in (0, 32)]


@dataclass(frozen=True)
class Generation:
    tokens: Tokens
    gossip: Gossip


FIRST = Generation(TOKENS, Gossip(key=Reference("${random_bytes.gossip.base64}")))
NEXT = Generation(
    Tokens(number=2, secret=Reference("${random_password.tokens-2.result}"), before=TOKENS.secret),
    Gossip(key=Reference("${random_bytes.gossip-2.base64}"), before=FIRST.gossip.key),
)
KNOWN = {
    **known("here"),
    **of_tokens(NEXT.tokens, "Xyz789"),
    FIRST.gossip.key: KEYS[0],
    NEXT.gossip.key: KEYS[1],
}
SERVES = 'import socketserver as s; s.TCPServer(("", 9190), s.BaseRequestHandler).serve_forever()'
JOIN = Addresses(addresses=[Text.of(address) for address in SERVERS])


class Cluster:
    """Machines of a datacenter, by their names."""

    def __init__(self, network: Network, folder: Path, stack: contextlib.ExitStack) -> None:
        self._network = network
        self._folder = folder
        self._stack = stack
        self._made = 0
        self.machines: dict[str, Machine] = {}

    def server(self, number: int, born: Generation = FIRST) -> Machine:
        document = server_document(
            datacenter="here",
            gossip=born.gossip,
            join=JOIN,
            expected=3,
            **{**SERVER, "tokens": born.tokens},
        )
        return self._machine(f"consul-{number}", SERVERS[number], document)

    def service(self, name: str, number: int, born: Generation = FIRST) -> Machine:
        service = Service(name=name, port=9190, protocol="tcp", command=["/usr/bin/python3"])
        serves = f"[Service]\nExecStart={PYTHON} -c '{SERVES}'\n"
        client = client_document(
            datacenter="here",
            gossip=born.gossip,
            authority=AUTHORITY,
            tokens=born.tokens,
            join=JOIN,
            services=[service],
        )
        own = Document(
            label=name,
            files=[File(f"/etc/{name}", name)],
            units=[Unit(f"{name}.service", f"{serves}[Install]\nWantedBy=multi-user.target\n")],
        )
        return self._machine(f"{name}-1", f"10.71.0.{number}", Document.merge(client, own))

    def _machine(self, name: str, address: str, document: Document) -> Machine:
        if before := self.machines.get(name):
            # A client says that it leaves; a server that is gone the others find out.
            before.run("systemctl", "stop", "consul")
            before.kill()
        self._made += 1
        made = Machine(
            self._network,
            self._folder / str(self._made),
            name,
            address,
            Document.merge(document, watch_document()),
            programs={"/usr/bin/consul": toolbox.program("consul")},
            known=KNOWN,
        )
        self.machines[name] = self._stack.enter_context(made)
        return self.machines[name]


@pytest.fixture(scope="module")
def cluster(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with contextlib.ExitStack() as stack:
        made = Cluster(network, tmp_path_factory.mktemp("machines"), stack)
        for number in range(3):
            made.server(number)
        made.service("api", 61)
        until(lambda: ready(made, "api-1", "api"), seconds=60, what="the service passes")
        yield made


def ready(cluster: Cluster, name: str, *service: str) -> bool:
    asked = " ".join((PYTHON, WATCH, "ready", *service))
    return cluster.machines[name].run("sh", "-c", f"{asked} && echo yes", check=False) == "yes\n"


def management(cluster: Cluster) -> str:
    return cluster.machines["consul-0"].read(MANAGEMENT_TOKEN).strip()


def keys(cluster: Cluster) -> dict[str, str]:
    """Return how many agents encrypt with which key, `n/of`, as Consul says it."""
    token = f"CONSUL_HTTP_TOKEN={management(cluster)}"
    asked = ("env", token, "consul", "keyring", "-list-primary")
    said = cluster.machines["consul-0"].run(*asked, check=False)
    rows = [line.split() for line in said.splitlines() if "[" in line]
    return {row[0]: row[1].strip("[]") for row in rows}


def listed(cluster: Cluster, token: str) -> str:
    server = cluster.machines["consul-0"]
    asked = ("env", f"CONSUL_HTTP_TOKEN={token}", "consul", "acl", "token", "list")
    return server.run(*asked, check=False)


def test_a_service_that_comes_later_needs_no_change_of_the_servers(cluster):
    cluster.service("web", 62)
    until(lambda: ready(cluster, "web-1", "web"), seconds=30, what="the new service passes")
    assert "crossgate 1: services:web\n" in listed(cluster, management(cluster))


def test_who_claims_a_role_has_no_token_of_it(cluster):
    """The node's metadata are anybody's; the token is not told by anything."""
    said = cluster.machines["web-1"].run("consul", "acl", "token", "list", check=False)
    assert "Permission denied" in said


def test_all_tokens_are_exchanged_while_services_pass(cluster):
    before = management(cluster)
    assert keys(cluster) == {KEYS[0]: "5/5"}
    for number in range(3):
        cluster.server(number, NEXT)
        name = f"consul-{number}"
        # A leader that is elected just then looks at who has joined once a minute (Consul's
        # ReconcileInterval); then the server must be stable for ten seconds.
        until(lambda n=name: ready(cluster, n), seconds=120, what=f"{name} is a healthy voter")
        assert ready(cluster, "api-1", "api")
    after = management(cluster)
    assert before != after
    # Machines with tokens of before are there: these are good until the last has gone.
    until(
        lambda: "crossgate 1: services:api\n" in listed(cluster, after),
        seconds=60,
        what="the servers know the way to their leader",
    )
    # One that is born meanwhile as before knows nothing of the new key.
    cluster.service("api", 61)
    until(lambda: ready(cluster, "api-1", "api"), seconds=60, what="one of before is let in")
    for name, number in (("api", 61), ("web", 62)):
        cluster.service(name, number, NEXT)
        until(lambda n=name: ready(cluster, f"{n}-1", n), seconds=30, what=f"{name} passes")
    until(lambda: "crossgate 1: " not in listed(cluster, after), seconds=150, what="they are gone")
    assert "crossgate 2: services:api\n" in listed(cluster, after)
    assert "ACL not found" in listed(cluster, before)
    assert ready(cluster, "api-1", "api")
    until(lambda: keys(cluster) == {KEYS[1]: "5/5"}, seconds=30, what="all use the newest key")


@pytest.mark.parametrize("later", ["consul-2", "web-1"])
def test_a_machine_that_comes_after_the_exchange_joins_and_uses_the_newest_key(cluster, later):
    """It begins with the one before, as all that there are know it, and understands both."""
    if later == "web-1":
        cluster.service("web", 62, NEXT)
        until(lambda: ready(cluster, later, "web"), seconds=60, what="its service passes")
    else:
        cluster.server(2, NEXT)
        until(lambda: ready(cluster, later), seconds=120, what="it is a healthy voter")
    until(lambda: keys(cluster) == {KEYS[1]: "5/5"}, seconds=60, what="it uses the newest")
