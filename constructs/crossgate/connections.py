"""Who may reach a construct: recorded once, applied in every cloud where both sides are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Protocol

from crossgate.errors import ConfigError
from crossgate.model.argument import checked
from crossgate.model.net import Ports, ipv4_network
from crossgate.policy import no_world_open_admin_port
from crossgate.specs import Ingress

if TYPE_CHECKING:
    from crossgate.contracts import Cloud, Entry, Firewall


class Connectable(Protocol):
    """Anything that says who may reach it."""

    @property
    def connections(self) -> Connections:
        """Who may reach it."""


@dataclass(frozen=True, kw_only=True)
class _Rule:
    peer: Connections | IPv4Network
    ports: Ports
    why: str


class Connections:
    """Who may reach the machines of one construct, in every cloud where it runs.

    Everything is closed until it is opened here. Rules are kept and applied to whatever is added
    later, on either side, so the order of calls does not matter.
    """

    def __init__(
        self,
        path: str,
        *,
        admin_ports: Collection[int] = (),
        answers: Collection[int] | None = None,
    ) -> None:
        """Start with nothing open.

        Args:
            path: the construct's path, for messages.
            admin_ports: ports that may never be open to the world, besides the known ones.
            answers: the only TCP ports on which anything answers; default: not known.

        """
        self.path = path
        self._admin_ports = frozenset(admin_ports)
        self._answers = answers
        self._firewalls: dict[Cloud, Firewall] = {}
        self._entries: dict[Cloud, Entry] = {}
        self._rules: list[_Rule] = []
        self._watchers: list[Connections] = []

    @property
    def firewalls(self) -> dict[Cloud, Firewall]:
        """The firewall in each cloud (a copy)."""
        return dict(self._firewalls)

    def add(self, cloud: Cloud, firewall: Firewall, entry: Entry | None = None) -> None:
        """Add the machines of one cloud, and the entry that leads to them when there is one."""
        self._firewalls[cloud] = firewall
        if entry is not None:
            self._entries[cloud] = entry
        for connections in (self, *self._watchers):
            connections._apply_all()

    def allow_from(
        self,
        peer: Connectable | Connections | IPv4Network | str,
        *,
        port: int | Ports,
        why: str = "",
    ) -> None:
        """Let a peer in.

        Args:
            peer: another construct (its machines in the same cloud), or an IPv4 range such as
                "198.51.100.0/24", as text or `IPv4Network`; the world is "0.0.0.0/0", written out.
            port: a TCP port, or `Ports` for a range or UDP.
            why: a few words that stand in the rule's description.

        Raises:
            ConfigError: the peer or the port is none, or the two constructs share no cloud.
            PolicyError: the world would reach an administrative port.

        """
        where = f"{self.path}: connections.allow_from"
        checked((int, Ports), port, argument="port", path=where)
        checked(str, why, argument="why", path=where)
        ports = Ports(first=port, last=port) if isinstance(port, int) else port
        self._refuse_deaf(ports, where)
        if isinstance(peer, str | IPv4Network):
            source = ipv4_network(peer, where) if isinstance(peer, str) else peer
            no_world_open_admin_port.check(source, ports, self._admin_ports, self.path)
            rule = _Rule(peer=source, ports=ports, why=why or f"{ports} from {source}")
        else:
            other = _connections_of(peer, where)
            self._refuse_strangers(other)
            rule = _Rule(peer=other, ports=ports, why=why or f"{ports} from {other.path}")
            other._watch(self)
        self._rules.append(rule)
        self._apply(rule)

    def allow_to(
        self, peer: Connectable | Connections, *, port: int | Ports, why: str = ""
    ) -> None:
        """Let the machines of this construct reach another construct."""
        other = _connections_of(peer, f"{self.path}: connections.allow_to")
        other.allow_from(self, port=port, why=why)

    def _watch(self, watcher: Connections) -> None:
        if watcher is not self and watcher not in self._watchers:
            self._watchers.append(watcher)

    def _refuse_deaf(self, ports: Ports, path: str) -> None:
        if self._answers is None or ports.transport != "tcp":
            return
        if not any(ports.holds(port) for port in self._answers):
            raise ConfigError(
                "nothing listens on the port",
                path=path,
                got=str(ports),
                want=f"one of {', '.join(map(str, sorted(self._answers)))}",
                do="add a Listener with this port, or open another one",
            )

    def _refuse_strangers(self, other: Connections) -> None:
        mine, theirs = self._firewalls, other._firewalls
        if mine and theirs and not set(mine) & set(theirs):
            raise ConfigError(
                f"shares no cloud with {other.path}",
                path=self.path,
                got=f"{[c.name for c in mine]} and {[c.name for c in theirs]}",
                want="at least one cloud where both run; between clouds, allow an address range",
            )

    def _apply_all(self) -> None:
        for rule in self._rules:
            self._apply(rule)

    def _apply(self, rule: _Rule) -> None:
        for cloud, firewall in self._firewalls.items():
            entry = self._entries.get(cloud)
            if not isinstance(rule.peer, Connections):
                led = self._allow_through(entry, rule.peer, rule.ports) if entry else 0
                if led < len(rule.ports):
                    firewall.allow(Ingress(peer=rule.peer, ports=rule.ports, why=rule.why))
            elif cloud in rule.peer.firewalls:
                peer = rule.peer.firewalls[cloud]
                firewall.allow(Ingress(peer=peer, ports=rule.ports, why=rule.why))

    @staticmethod
    def _allow_through(entry: Entry, source: IPv4Network, ports: Ports) -> int:
        """Open the listeners among `ports`; returns how many there are."""
        listeners = [port for port in entry.ports if ports.holds(port)]
        for port in listeners:
            entry.allow(source, port)
        return len(listeners)


def _connections_of(peer: Connectable | Connections, path: str) -> Connections:
    found = peer if isinstance(peer, Connections) else getattr(peer, "connections", None)
    if isinstance(found, Connections):
        return found
    raise ConfigError(
        "the peer is neither a construct nor an address range",
        path=path,
        got=peer,
        want='one construct with connections, or one IPv4 range such as "198.51.100.0/24"',
    )
