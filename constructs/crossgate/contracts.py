"""The three contracts: where machines run, who knows who is alive, what spreads the traffic.

Read this page first. A driver is a folder below `clouds/`, `discovery/` or `balancers/`; it
satisfies one of these structurally, imports no other driver, and passes `tests/contract`. The rules
in words are in docs/contracts.md; what is not stated there is private to the driver.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from constructs import Construct

    from crossgate.boot.document import Document
    from crossgate.connections import Connections
    from crossgate.errors import RefusedError
    from crossgate.model.service import Service
    from crossgate.specs import (
        EntrySpec,
        GroupSpec,
        Ingress,
        Join,
        MachinesSpec,
        NameSpec,
        ScalingSpec,
        Spec,
        Watch,
        WatchedFile,
    )


class Firewall(Protocol):
    """Who may reach a set of machines in one cloud (a security group). Closed until opened."""

    @property
    def cloud(self) -> Cloud:
        """The cloud it belongs to."""

    def allow(self, ingress: Ingress) -> None:
        """Let a peer in; the same rule twice is one rule."""


class Reservation(Protocol):
    """Places for a fixed number of machines, reserved before anything names them."""

    @property
    def join(self) -> Join:
        """How others find the machines that will take these places."""


class Entry(Protocol):
    """One address that outlives every machine behind it."""

    @property
    def addresses(self) -> Sequence[str]:
        """Tokens of what clients connect to: addresses, or one name that leads to them."""

    @property
    def named(self) -> bool:
        """Whether `addresses` is one name."""

    @property
    def ports(self) -> Sequence[int]:
        """The ports of its listeners."""

    def allow(self, source: IPv4Network, port: int) -> None:
        """Let an address range reach one port of the entry."""

    def allow_cloud(self, other: Cloud, port: int) -> None:
        """Let the machines of another cloud reach one port of the entry, by its `ways_out`."""


class Zone(Protocol):
    """A zone of DNS, with names that lead clients to entries."""

    @property
    def scope(self) -> Construct:
        """What it belongs to, in the same stack as the entries."""

    @property
    def name(self) -> str:
        """What all its names end in, without a dot at the end."""

    @property
    def checkers(self) -> Sequence[IPv4Network]:
        """From where it looks whether entries are well; they let these in. Empty: it does not."""

    def refusals(self, spec: NameSpec) -> Sequence[RefusedError]:
        """Return why it cannot lead anybody so; empty when it can. Makes nothing."""

    def lead(self, scope: Construct, id: str, spec: NameSpec) -> None:
        """Make the name."""


class Cloud(Protocol):
    """A place where machines run: one region of one provider, or a rack."""

    @property
    def name(self) -> str:
        """The construct id: also the Consul datacenter, and the key in per-cloud mappings."""

    @property
    def network(self) -> IPv4Network | None:
        """The address range of its machines; None when only Terraform learns it."""

    @property
    def ways_out(self) -> Sequence[str]:
        """By which addresses its machines reach others: ranges, or tokens; none: not known."""

    @property
    def needs_figures(self) -> bool:
        """Whether its balancers must tell the discovery how many connections each service has."""

    @property
    def spreads_clients(self) -> bool:
        """Whether its entry leads clients to all balancers at once, or to one while it is well."""

    @property
    def keeps_disks(self) -> bool:
        """Whether the disks of its machines outlive what the machines are given to do."""

    def refusals(self, spec: Spec) -> Sequence[RefusedError]:
        """Return why this cloud cannot build `spec`, with the way out; empty when it can.

        Asked before any resource is made; makes none itself.
        """

    def firewall(self, scope: Construct, id: str, *, name: str) -> Firewall:
        """Make a firewall that lets everything out and nothing in."""

    def reserve(
        self, scope: Construct, id: str, *, name: str, count: int, firewalls: Sequence[Firewall]
    ) -> Reservation:
        """Reserve places for `count` machines; `name` is what the cluster is called."""

    def group(self, scope: Construct, id: str, spec: GroupSpec) -> str:
        """Build machines that the cloud makes, unmakes and replaces by itself.

        Returns a token of the cloud's own id of the group (an ASG's name, a Heat stack's id).
        """

    def scale(self, scope: Construct, id: str, spec: ScalingSpec) -> None:
        """Let a group of this cloud grow and shrink by a figure; several may be kept at once."""

    def zone(self, name: str, *, zone_id: str | None = None) -> Zone:
        """Return a zone of DNS that this cloud has.

        RefusedError where it has none.
        """

    def machines(self, scope: Construct, id: str, spec: MachinesSpec) -> None:
        """Build the machines that take the reserved places."""

    def entry(self, scope: Construct, id: str, spec: EntrySpec) -> Entry:
        """Build the address that leads to the machines of a reservation; closed until opened."""


class Discovery(Protocol):
    """Who knows which machines run a service and are alive."""

    @property
    def watch(self) -> Watch:
        """How programs on the machines of its members ask it."""

    @property
    def clouds(self) -> Sequence[Cloud]:
        """Where it is present; constructs that use it must be there too, and nowhere else."""

    @property
    def taken_ports(self) -> Collection[int]:
        """The ports that it uses on its members: no service and no listener may have them."""

    @property
    def connections(self) -> Connections:
        """Who may reach its own machines."""

    @property
    def metrics(self) -> Mapping[str, str]:
        """Pages with figures for Prometheus on its members' loopback address, by their names."""

    def joins(self, cloud: Cloud) -> Sequence[Join]:
        """How a machine of `cloud` finds it."""

    def agent(
        self, cloud: Cloud, services: Sequence[Service], *, balancer: str | None = None
    ) -> Document:
        """Return what makes a machine a member that announces `services` with their checks.

        `balancer` is what the balancers are called of which it is one.
        """

    def keep(self, cloud: Cloud, file: WatchedFile) -> Document:
        """Return what keeps a balancer's file true on a machine that already has the agent."""

    def member_firewalls(self, cloud: Cloud) -> Sequence[Firewall]:
        """Return the firewalls that every member's machines wear: they let the members talk."""

    def provides(self, service: Service, member: Connections) -> None:
        """Record that machines run `service`; whoever balances it may reach its port."""

    def balances(self, service: Service, member: Connections) -> None:
        """Record that machines send traffic to `service`; refused late if nobody runs it."""


class Catalogue(Discovery, Protocol):
    """A discovery that is Consul, for balancers that read their routes from it themselves."""

    @property
    def http(self) -> str:
        """Where its members ask its HTTP API, on their loopback address: host and port."""

    def tag(self, service: Service, tag: str) -> None:
        """Have all machines that run a service say one thing more of it; whenever it is called."""


class Balancer(Protocol):
    """What spreads clients over the machines that run a service."""

    @property
    def connections(self) -> Connections:
        """Who may reach its listeners."""
