"""`NullCloud`: the smallest cloud that keeps the contract; tests and new drivers start from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from crossgate.errors import ConfigError, RefusedError
from crossgate.model import net
from crossgate.model.net import ipv4_network
from crossgate.model.text import Text
from crossgate.names import no_zones
from crossgate.specs import (
    Addresses,
    EntrySpec,
    GroupSpec,
    Ingress,
    MachinesSpec,
    ScalingSpec,
    Spec,
)
from crossgate.terraform.engine import Construct, claim, id_of

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from crossgate.contracts import Cloud, Firewall
    from crossgate.specs import Join


@dataclass(eq=False)
class NullFirewall:
    """Remembers whom it was told to let in."""

    cloud: Cloud
    name: str
    ingress: list[Ingress] = field(default_factory=list)

    def allow(self, ingress: Ingress) -> None:
        """Remember a rule, once."""
        if ingress not in self.ingress:
            self.ingress.append(ingress)


@dataclass(frozen=True, eq=False)
class NullReservation:
    """Addresses out of the documentation range."""

    name: str
    join: Join


@dataclass(eq=False)
class NullEntry:
    """Remembers which ranges it was told to let in."""

    addresses: Sequence[str]
    ports: Sequence[int]
    named: bool = False
    allowed: list[tuple[IPv4Network, int]] = field(default_factory=list)
    allowed_clouds: list[tuple[Cloud, int]] = field(default_factory=list)

    def allow(self, source: IPv4Network, port: int) -> None:
        """Remember a rule, once."""
        if (source, port) not in self.allowed:
            self.allowed.append((source, port))

    def allow_cloud(self, other: Cloud, port: int) -> None:
        """Remember a cloud, once."""
        if (other, port) not in self.allowed_clouds:
            self.allowed_clouds.append((other, port))


class NullCloud(Construct):
    """A cloud without resources.

    Attributes:
        asked: every spec it was asked to build, in order.
        firewalls: every firewall it made.
        entries: every entry it made.

    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        network: str | None = None,
        ways_out: Sequence[str] = ("203.0.113.9",),
        refuses: Sequence[str] = (),
    ) -> None:
        """Start with nothing asked.

        Args:
            scope: the construct it belongs to.
            id: its name.
            network: the address range it claims to have.
            ways_out: by which addresses its machines claim to reach others.
            refuses: reasons for which it refuses every spec.

        """
        path = claim(scope, id)
        self.network = ipv4_network(network, path) if network else None
        self.ways_out = net.ways_out(ways_out, f"{path}: ways_out")
        super().__init__(scope, id)
        self.asked: list[Spec] = []
        self.firewalls: list[NullFirewall] = []
        self.entries: list[NullEntry] = []
        self._refuses = tuple(refuses)

    @property
    def name(self) -> str:
        """The construct id."""
        return id_of(self)

    @property
    def needs_figures(self) -> bool:
        """It never scales, but shows what it were told."""
        return True

    @property
    def spreads_clients(self) -> bool:
        """As most clouds do."""
        return True

    @property
    def keeps_disks(self) -> bool:
        """There are none."""
        return False

    def refusals(self, spec: Spec) -> Sequence[RefusedError]:
        """Return the reasons it was told to have."""
        name = spec.group.name if isinstance(spec, ScalingSpec) else spec.name
        return [RefusedError(reason, path=name) for reason in self._refuses]

    def firewall(self, scope: Construct, id: str, *, name: str) -> NullFirewall:
        """Return a firewall that remembers."""
        claim(scope, id)
        self.firewalls.append(NullFirewall(cloud=self, name=name))
        return self.firewalls[-1]

    def reserve(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        count: int,
        firewalls: Sequence[Firewall],
    ) -> NullReservation:
        """Return one documentation address (RFC 5737) for each machine."""
        claim(scope, id)
        if any(firewall.cloud is not self for firewall in firewalls):
            raise ConfigError("a firewall of another cloud", path=name)
        addresses = tuple(Text.of(f"192.0.2.{number}") for number in range(1, count + 1))
        return NullReservation(name=name, join=Addresses(addresses=addresses))

    def group(self, scope: Construct, id: str, spec: GroupSpec) -> str:
        """Remember the spec."""
        claim(scope, id)
        self.asked.append(spec)
        return f"null-{spec.name}"

    def machines(self, scope: Construct, id: str, spec: MachinesSpec) -> None:
        """Remember the spec."""
        claim(scope, id)
        self.asked.append(spec)

    def scale(self, scope: Construct, id: str, spec: ScalingSpec) -> None:
        """Remember the spec."""
        claim(scope, id)
        self.asked.append(spec)

    def zone(self, name: str, *, zone_id: str | None = None) -> NoReturn:
        """Refuse: there is no DNS here.

        Raises:
            RefusedError: always.

        """
        raise no_zones(self, zone_id or name)

    def entry(self, scope: Construct, id: str, spec: EntrySpec) -> NullEntry:
        """Remember the spec; return an entry at a documentation address."""
        claim(scope, id)
        self.asked.append(spec)
        self.entries.append(NullEntry(addresses=("203.0.113.1",), ports=tuple(spec.ports)))
        return self.entries[-1]
