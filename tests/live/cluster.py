"""A datacenter of Consul on real machines: three servers, and machines that run a service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossgate.boot.document import Document, File, Unit
from crossgate.boot.program import PYTHON
from crossgate.discovery.consul.acl import MANAGEMENT_TOKEN, Gossip, Tokens
from crossgate.discovery.consul.agent import WATCH, client_document, server_document, watch_document
from crossgate.discovery.consul.settings import Versions
from crossgate.model.service import Service
from crossgate.model.text import Text
from crossgate.specs import Addresses
from tests.live.machine import Machine
from tools import toolbox

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from crossgate.model.text import Reference, TextLike
    from tests.live.machine import Network

COUNT = 3
THIS, NEXT = "1.20.0", "1.21.0"
VOTES_SECONDS = 180
"""A leader that is elected just then looks at who has joined once a minute (Consul's
ReconcileInterval); then the server must be stable for ten seconds. It may be just then twice."""

_PROGRAMS = {THIS: "consul", NEXT: "consul-next"}
_SERVES = """\
import socket, socketserver

class Name(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(socket.gethostname().encode())
        self.request.recv(1)

socketserver.ThreadingTCPServer(("", 9190), Name).serve_forever()
"""


@dataclass(frozen=True, kw_only=True)
class Generation:
    """What machines are born with.

    Attributes:
        tokens: their tokens.
        gossip: their keys of gossip.
        trusted: the authorities that they trust, PEM.
        certificate: that of servers.
        key: its private key.
        consul: the version that they run: the usual one, or the next.

    """

    tokens: Tokens
    gossip: Gossip
    trusted: TextLike
    certificate: TextLike
    key: TextLike
    consul: str = THIS


class Cluster:
    """Machines of a datacenter, by their names.

    Args:
        network: the switch that they hang on.
        folder: where their files are mounted.
        stack: ends them all.
        first: the last part of the first server's address; the others follow.
        born: what machines are born with, where nothing else is said.
        known: what references turn out to hold.
        datacenter: its name.
        wan: servers of other datacenters that this one is federated with; default: with none.

    """

    def __init__(
        self,
        network: Network,
        folder: Path,
        stack: contextlib.ExitStack,
        *,
        first: int,
        born: Generation,
        known: Mapping[Reference, str],
        datacenter: str = "here",
        wan: Sequence[str] | None = None,
    ) -> None:
        self._datacenter = datacenter
        # No two machines of a network have one name.
        self._prefix = "" if datacenter == "here" else f"{datacenter}-"
        self._wan = wan
        self._network = network
        self._folder = folder
        self._stack = stack
        self._born = born
        self._known = known
        self._servers = [f"10.71.0.{first + number}" for number in range(COUNT)]
        self._join = Addresses(addresses=[Text.of(address) for address in self._servers])
        self._made = 0
        self.machines: dict[str, Machine] = {}

    def server(self, number: int, born: Generation | None = None) -> Machine:
        """Boot a server, in the place of the one that has its number."""
        made = born or self._born
        document = server_document(
            datacenter=self._datacenter,
            gossip=made.gossip,
            join=self._join,
            expected=COUNT,
            wan=self._wan,
            authority=made.trusted,
            certificate=made.certificate,
            key=made.key,
            tokens=made.tokens,
            versions=Versions(consul=made.consul),
        )
        return self._machine(f"consul-{number}", self._servers[number], document, made)

    def service(
        self,
        name: str,
        last: int,
        born: Generation | None = None,
        *,
        number: int = 1,
        tags: Reference | None = None,
    ) -> Machine:
        """Boot a machine that runs a service, in the place of the one that has its name.

        Who connects is told the machine's name, and may stay. `tags` is the list of the service's.
        """
        made = born or self._born
        service = Service(name=name, port=9190, protocol="tcp", command=["/usr/bin/python3"])
        serves = f"[Service]\nExecStart={PYTHON} /etc/{name}.py\n"
        client = client_document(
            datacenter=self._datacenter,
            gossip=made.gossip,
            authority=made.trusted,
            tokens=made.tokens,
            join=self._join,
            services=[service],
            tags={} if tags is None else {name: tags},
            versions=Versions(consul=made.consul),
        )
        own = Document(
            label=name,
            files=[File(f"/etc/{name}.py", _SERVES)],
            units=[Unit(f"{name}.service", f"{serves}[Install]\nWantedBy=multi-user.target\n")],
        )
        document = Document.merge(client, own)
        return self._machine(f"{name}-{number}", f"10.71.0.{last}", document, made)

    def balancer(self, name: str, last: int, fellows: str | None, own: Document) -> Machine:
        """Boot a balancer, one of those that are called `fellows`, or that know no others."""
        client = client_document(
            datacenter=self._datacenter,
            gossip=self._born.gossip,
            authority=self._born.trusted,
            tokens=self._born.tokens,
            join=self._join,
            balancer=fellows,
            versions=Versions(consul=self._born.consul),
        )
        return self._machine(name, f"10.71.0.{last}", Document.merge(client, own), self._born)

    def _machine(self, name: str, address: str, document: Document, born: Generation) -> Machine:
        if before := self.machines.get(name):
            # A client says that it leaves; a server that is gone the others find out.
            before.run("systemctl", "stop", "consul")
            before.kill()
        self._made += 1
        made = Machine(
            self._network,
            self._folder / str(self._made),
            self._prefix + name,
            address,
            Document.merge(document, watch_document()),
            programs={
                "/usr/bin/consul": toolbox.program(_PROGRAMS[born.consul]),
                "/usr/bin/consul-template": toolbox.program("consul-template"),
                "/opt/fabio/fabio": toolbox.program("fabio"),
            },
            known=self._known,
        )
        self.machines[name] = self._stack.enter_context(made)
        return self.machines[name]

    def ready(self, name: str, *service: str) -> bool:
        """Return whether a machine does its work, as its cloud asks it."""
        return self.lacks(name, *service) == ""

    def lacks(self, name: str, *service: str) -> str:
        """Return what a machine says that it lacks to do its work; nothing when it does."""
        asked = " ".join((PYTHON, WATCH, "ready", *service))
        said = self.machines[name].run("sh", "-c", f"{asked} 2>&1 && echo yes", check=False)
        return "" if said == "yes\n" else said or "the machine does not answer"

    def consul(self, *words: str) -> str:
        """Return what Consul says on a server to who may do anything."""
        token = f"CONSUL_HTTP_TOKEN_FILE={MANAGEMENT_TOKEN}"
        return self.machines["consul-0"].run("env", token, "consul", *words, check=False)
