"""Machines behind one entry in every cloud: what balancers of every kind are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crossgate.boot.document import Document
from crossgate.connections import Connections
from crossgate.errors import ConfigError
from crossgate.model.argument import checked_many, checked_role, checked_tags
from crossgate.model.listener import Listener
from crossgate.model.machine import Machine
from crossgate.model.names import TTL
from crossgate.model.rollout import ROLLOUTS, InstanceRefresh, Rollout
from crossgate.names import lead
from crossgate.per_cloud import PerCloud, by_cloud, checked_clouds, checked_place, refuse
from crossgate.policy import rollouts_leave_enough
from crossgate.specs import EntrySpec, MachinesSpec
from crossgate.terraform.engine import Construct, TerraformOutput
from crossgate.terraform.naming import name_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from crossgate.contracts import Cloud, Discovery, Entry, Firewall, Zone

MACHINE = Machine(cpu=2, memory=4)
"""What a balancer needs, where nothing is said."""

ROLLOUT = InstanceRefresh()
"""How changed balancers are replaced, where nothing is said: launch first, then terminate."""

_LEAST = 2


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was asked for, checked.

    Attributes:
        path: of the construct, for messages.
        clouds: where the machines run.
        discovery: who knows the machines of the services.
        counts: machines in each cloud.
        machines: what one needs.
        rollouts: how changed ones are replaced.
        boot: further parts of the boot document.
        tags: put on everything that can be tagged.

    """

    path: str
    clouds: Sequence[Cloud]
    discovery: Discovery
    counts: Mapping[Cloud, int]
    machines: Mapping[Cloud, Machine]
    rollouts: Mapping[Cloud, Rollout]
    boot: Sequence[Document]
    tags: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What the machines listen on.

    Attributes:
        ports: where clients come, and whoever else comes by the entry.
        health_port: where the entry asks whether a machine works.
        health_path: what it asks there, in HTTP.
        proxied: ports that want a header of the PROXY protocol from the entry.
        proxied_health_port: where it asks with such a header; None where no port wants one.
        by_source: ports for which it matters from which address a client comes.
        admin: ports that the world may never reach.
        answers: the only TCP ports on which anything answers; None: not known.

    """

    ports: Sequence[int]
    health_port: int
    health_path: str
    proxied: Sequence[int] = ()
    proxied_health_port: int | None = None
    by_source: Sequence[int] = ()
    admin: Collection[int] = ()
    answers: Collection[int] | None = None


def checked_front(
    scope: Construct,
    id: str,
    *,
    clouds: Sequence[Cloud],
    discovery: Discovery,
    count: PerCloud[int],
    machine: PerCloud[Machine],
    rollout: PerCloud[Rollout],
    boot: Sequence[Document],
    tags: Mapping[str, str] | None,
) -> Wanted:
    """Return what was asked for.

    Raises:
        ConfigError: a value is wrong.
        PolicyError: a rollout that may leave no balancer.

    """
    path = checked_place(scope, id)
    there = checked_clouds(clouds, path, scope)
    checked_role(
        "keep",
        discovery,
        argument="discovery",
        path=path,
        like='a discovery such as ConsulServers(stack, "consul", clouds=[...])',
    )
    parts = checked_many(Document, boot, argument="boot", path=path)
    marks = checked_tags(tags, path)
    counts = by_cloud(count, there, kind=int, default=_LEAST, argument="count", path=path)
    machines = by_cloud(
        machine, there, kind=Machine, default=MACHINE, argument="machine", path=path
    )
    rollouts: dict[Cloud, Rollout] = by_cloud(
        rollout, there, kind=ROLLOUTS, default=ROLLOUT, argument="rollout", path=path
    )
    for cloud, number in counts.items():
        _check_count(number, f"{path}/{cloud.name}")
        rollouts_leave_enough.check(rollouts[cloud], number, 1, f"{path}/{cloud.name}")
    for cloud in there:
        discovery.joins(cloud)
    return Wanted(
        path=path,
        clouds=there,
        discovery=discovery,
        counts=counts,
        machines=machines,
        rollouts=rollouts,
        boot=parts,
        tags=marks,
    )


def checked_listeners(
    given: Sequence[Listener], taken: Collection[int], path: str
) -> tuple[Listener, ...]:
    """Return listeners that can stand beside each other.

    Args:
        given: the listeners.
        taken: ports that the machines themselves have.
        path: of the construct.

    Raises:
        ConfigError: there is none, a port is taken, or one sends requests where nobody is.

    """
    listeners = checked_many(Listener, given, argument="listeners", path=path)
    if not listeners:
        raise ConfigError(
            "leads nowhere", path=path, got=[], want="listeners=[Listener(port=9000, to=api)]"
        )
    ports = [listener.port for listener in listeners]
    for port in ports:
        if ports.count(port) > 1:
            raise ConfigError("one port is taken twice", path=f"{path}: listeners", got=port)
        if port in taken:
            raise ConfigError(
                "the port is taken by the balancer itself",
                path=f"{path}: listeners",
                got=port,
                want=f"a port other than {', '.join(map(str, sorted(taken)))}",
            )
    secured = [one.port for one in listeners if one.tls is not None and one.mode == "http"]
    for listener in listeners:
        if listener.redirect_to not in (None, *secured):
            raise ConfigError(
                f"port {listener.port} sends requests where no listener speaks HTTP with TLS",
                path=f"{path}: listeners",
                got=listener.redirect_to,
                want=f"one of {', '.join(map(str, secured))}" if secured else "such a listener",
                do='Listener(port=443, mode="http", to=..., tls=Tls(...))',
            )
    return listeners


def _check_count(number: int, path: str) -> None:
    if number < _LEAST:
        raise ConfigError(
            "one balancer is a single point of failure",
            path=f"{path}: count",
            got=number,
            want=f"at least {_LEAST}",
        )


class Front(Construct):
    """Machines behind one entry in every cloud. What they run says the class that inherits.

    Nothing reaches a listener until `connections.allow_from` lets it in.

    Attributes:
        clouds: where they run.
        listeners: the ports, and the services they lead to.
        connections: who may reach them.
        entries: the address in each cloud that leads to them.

    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        wanted: Wanted,
        listeners: Sequence[Listener],
        opened: Opened,
    ) -> None:
        """Reserve places and make the entries; `_serve` makes the machines.

        Raises:
            RefusedError: a cloud can make no such entry.

        """
        super().__init__(scope, id)
        self.clouds = wanted.clouds
        self.listeners = listeners
        self._wanted = wanted
        self._name = name_of(scope, id)
        self.connections = Connections(
            wanted.path, admin_ports=opened.admin, answers=opened.answers
        )
        self._children = {cloud: Construct(self, cloud.name) for cloud in self.clouds}
        self._worn: dict[Cloud, Sequence[Firewall]] = {}
        self._places: dict[Cloud, EntrySpec] = {}
        for cloud, child in self._children.items():
            firewall = cloud.firewall(child, "firewall", name=self._name)
            worn = (firewall, *wanted.discovery.member_firewalls(cloud))
            self._worn[cloud] = worn
            self._places[cloud] = EntrySpec(
                name=self._name,
                ports=opened.ports,
                health_port=opened.health_port,
                health_path=opened.health_path,
                proxied=opened.proxied,
                by_source=opened.by_source,
                proxied_health_port=opened.proxied_health_port,
                reservation=cloud.reserve(
                    child,
                    "places",
                    name=self._name,
                    count=wanted.counts[cloud],
                    firewalls=worn,
                ),
                tags=wanted.tags,
            )
        # Before the machines: those of one cloud may be told where the entries of the others are.
        refuse(wanted.path, [*self._places.items()])
        self.entries: dict[Cloud, Entry] = {
            cloud: cloud.entry(child, "entry", self._places[cloud])
            for cloud, child in self._children.items()
        }

    def _serve(self, documents: Callable[[Cloud, Construct, int], Iterable[Document]]) -> None:
        """Make the machines, and let them and their clients in where these belong.

        Args:
            documents: returns what makes a machine of a cloud a balancer; it is told how many of
                them the clients of a cloud are spread over.

        Raises:
            RefusedError: a cloud can make no such machine.

        """
        wanted = self._wanted
        specs: dict[Cloud, MachinesSpec] = {}
        for cloud, child in self._children.items():
            at_once = wanted.counts[cloud] if cloud.spreads_clients else 1
            specs[cloud] = MachinesSpec(
                name=self._name,
                machine=wanted.machines[cloud],
                document=Document.merge(*documents(cloud, child, at_once), *wanted.boot),
                firewalls=self._worn[cloud],
                joins=wanted.discovery.joins(cloud),
                tags=wanted.tags,
                count=wanted.counts[cloud],
                rollout=wanted.rollouts[cloud],
                reservation=self._places[cloud].reservation,
            )
        refuse(wanted.path, [*specs.items()])
        for cloud, child in self._children.items():
            entry = self.entries[cloud]
            self.connections.add(cloud, self._worn[cloud][0], entry)
            cloud.machines(child, "nodes", replace(specs[cloud], entry=entry))
            TerraformOutput(
                child,
                "addresses",
                value=list(entry.addresses),
                description=f"Where clients of {wanted.path} connect in {cloud.name}",
            )
        for listener in self.listeners:
            for service in listener.services:
                wanted.discovery.balances(service, self.connections)
            for source in listener.allow_from:
                self.connections.allow_from(source, port=listener.port)

    def dns(
        self,
        name: str,
        *,
        zone: Zone,
        weights: Mapping[Cloud, int] | None = None,
        first: Cloud | None = None,
        port: int | None = None,
        ttl: timedelta = TTL,
    ) -> None:
        """Have a name lead clients to the entries of all clouds; see docs/names.md.

        Args:
            name: such as "api.example.org".
            zone: where the name is: `aws.zone("example.org")`, which looks whether entries are
                well, or `nova.zone("example.org")`.
            weights: how many of the clients each cloud gets, compared with the others; default: all
                as many. 0: none while the entry of another is well.
            first: the cloud that gets all clients while its entry is well; default: none does.
            port: the listener whose port tells whether an entry is well; default the first.
            ttl: for how long an answer may be kept, in whole seconds; default 30.

        Raises:
            ConfigError: a value is wrong, or the zone cannot lead anybody so.

        """
        lead(
            self,
            name,
            zone=zone,
            entries=self.entries,
            connections=self.connections,
            ports=[listener.port for listener in self.listeners],
            weights=weights,
            first=first,
            port=port,
            ttl=ttl,
        )
