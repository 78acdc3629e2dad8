"""`HAProxyNodes`: two or more HAProxy machines behind one entry in every cloud."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from crossgate.balancers.haproxy import tls
from crossgate.balancers.haproxy.between import Between
from crossgate.balancers.haproxy.config import configuration
from crossgate.balancers.haproxy.document import (
    figures_document,
    haproxy_document,
    pages_document,
    peers_document,
    seen_document,
)
from crossgate.balancers.haproxy.settings import (
    HEALTH_PATH,
    HEALTH_PORT,
    PEERS_PORT,
    PROXIED_HEALTH_PORT,
    STATS_PORT,
    Seen,
    SpillOver,
)
from crossgate.boot.document import Document
from crossgate.boot.metrics import LOOPBACK_METRICS_PORT, METRICS_USER, metrics_document
from crossgate.connections import Connections
from crossgate.errors import ConfigError
from crossgate.model.argument import (
    checked,
    checked_many,
    checked_role,
    checked_rotation,
    checked_tags,
)
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
from crossgate.terraform.secrets import random_login, random_password

if TYPE_CHECKING:
    from datetime import timedelta

    from crossgate.contracts import Cloud, Discovery, Entry, Firewall, Zone
    from crossgate.model.text import Reference

_DEFAULT_MACHINE = Machine(cpu=2, memory=4)
_DEFAULT_ROLLOUT = InstanceRefresh()
_DEFAULT_SEEN = Seen()
_DEFAULT_SPILL_OVER = SpillOver()
_RESERVED_PORTS = frozenset({22, HEALTH_PORT, STATS_PORT, LOOPBACK_METRICS_PORT})


class HAProxyNodes(Construct):
    """HAProxy machines, an entry that leads clients to them, and listeners that lead to services.

    Nothing reaches a listener until `connections.allow_from` lets it in.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        clouds: Sequence[Cloud],
        discovery: Discovery,
        listeners: Sequence[Listener],
        count: PerCloud[int] = 2,
        machine: PerCloud[Machine] = _DEFAULT_MACHINE,
        rollout: PerCloud[Rollout] = _DEFAULT_ROLLOUT,
        seen: Seen = _DEFAULT_SEEN,
        spill_over: SpillOver | None = _DEFAULT_SPILL_OVER,
        rotation: int = 1,
        boot: Sequence[Document] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Build the balancers in every cloud.

        Args:
            scope: the construct they belong to.
            id: the name among the constructs of `scope`.
            clouds: where they run.
            discovery: who knows the machines that run the services.
            listeners: the ports, and the services they lead to.
            count: machines in each cloud, at least 2 (default).
            machine: what one needs; default two processors and 4 GiB.
            rollout: how changed machines are replaced; default: launch first, then terminate.
            seen: what can be seen of them; default: figures, a page of statistics and logs.
            spill_over: whether clients are led to the other clouds while no machine of a service
                works in one; default: they are, where there are others. None: they are not.
            rotation: of the certificates by which balancers know each other, and of their
                authority; default 1. A number more exchanges them, in one deploy and without an
                outage: docs/spill-over.md.
            boot: further parts of the boot document.
            tags: put on everything that the cloud can tag.

        Raises:
            ConfigError: a value is wrong, a port is taken twice, or a cloud refuses.
            PolicyError: a rollout that may leave no balancer.

        """
        path = checked_place(scope, id)
        self.clouds = checked_clouds(clouds, path, scope)
        checked_role(
            "keep",
            discovery,
            argument="discovery",
            path=path,
            like='a discovery such as ConsulServers(stack, "consul", clouds=[...])',
        )
        checked(Seen, seen, argument="seen", path=path)
        listeners = checked_many(Listener, listeners, argument="listeners", path=path)
        proxied = [listener.port for listener in listeners if listener.accept_proxy]
        health_ports = [HEALTH_PORT, *([PROXIED_HEALTH_PORT] if proxied else [])]
        remember = any(listener.remembers_sources for listener in listeners)
        own = (*_RESERVED_PORTS, *health_ports, *([PEERS_PORT] if remember else []))
        taken = {*own, *discovery.taken_ports}
        self.listeners = _checked_listeners(listeners, taken, path)
        self._between = Between(
            spill_over,
            checked_rotation(rotation, path),
            self.clouds,
            self.listeners,
            taken,
            path,
        )
        boot = checked_many(Document, boot, argument="boot", path=path)
        marks = checked_tags(tags, path)
        counts = by_cloud(count, self.clouds, kind=int, default=2, argument="count", path=path)
        machines = by_cloud(
            machine,
            self.clouds,
            kind=Machine,
            default=_DEFAULT_MACHINE,
            argument="machine",
            path=path,
        )
        rollouts: dict[Cloud, Rollout] = by_cloud(
            rollout,
            self.clouds,
            kind=ROLLOUTS,
            default=_DEFAULT_ROLLOUT,
            argument="rollout",
            path=path,
        )
        for cloud, number in counts.items():
            _check_count(number, f"{path}/{cloud.name}")
            rollouts_leave_enough.check(rollouts[cloud], number, 1, f"{path}/{cloud.name}")
        for cloud in self.clouds:
            discovery.joins(cloud)
        name = name_of(scope, id)

        super().__init__(scope, id)
        self._name = name
        # What further parts of the boot document listen on is not known here.
        shown = seen.metrics or seen.page
        deaf = {LOOPBACK_METRICS_PORT, *([] if shown else [STATS_PORT])}
        ports = (*(listener.port for listener in self.listeners), *self._between.ports)
        answers = None if boot else taken - deaf | set(ports)
        self.connections = Connections(
            path,
            admin_ports=(STATS_PORT, PEERS_PORT, *health_ports, *self._between.ports),
            answers=answers,
        )
        children = {cloud: Construct(self, cloud.name) for cloud in self.clouds}
        worn: dict[Cloud, Sequence[Firewall]] = {}
        entries: dict[Cloud, EntrySpec] = {}
        for cloud, child in children.items():
            firewall = cloud.firewall(child, "firewall", name=name)
            worn[cloud] = (firewall, *discovery.member_firewalls(cloud))
            reservation = cloud.reserve(
                child, "places", name=name, count=counts[cloud], firewalls=worn[cloud]
            )
            entries[cloud] = EntrySpec(
                name=name,
                ports=ports,
                health_port=HEALTH_PORT,
                health_path=HEALTH_PATH,
                proxied=proxied,
                by_source=[one.port for one in self.listeners if one.parts_sources],
                proxied_health_port=PROXIED_HEALTH_PORT if proxied else None,
                reservation=reservation,
                tags=marks,
            )
        # Before the machines: those of one cloud are told where the entries of the others are.
        refuse(path, [*entries.items()])
        self.entries: dict[Cloud, Entry] = {
            cloud: cloud.entry(child, "entry", entries[cloud]) for cloud, child in children.items()
        }
        self._between.certify(self, children, name)
        cookie_key = self._cookie_key()
        specs: dict[Cloud, MachinesSpec] = {}
        for cloud, child in children.items():
            at_once = counts[cloud] if cloud.spreads_clients else 1
            specs[cloud] = MachinesSpec(
                name=name,
                machine=machines[cloud],
                document=Document.merge(
                    *self._documents(cloud, child, discovery, seen, cookie_key, at_once), *boot
                ),
                firewalls=worn[cloud],
                joins=discovery.joins(cloud),
                tags=marks,
                count=counts[cloud],
                rollout=rollouts[cloud],
                reservation=entries[cloud].reservation,
            )
        refuse(path, [*specs.items()])
        self._between.meet(self.entries)
        for cloud, child in children.items():
            entry = self.entries[cloud]
            self.connections.add(cloud, worn[cloud][0], entry)
            cloud.machines(child, "nodes", replace(specs[cloud], entry=entry))
            TerraformOutput(
                child,
                "addresses",
                value=list(entry.addresses),
                description=f"Where clients of {path} connect in {cloud.name}",
            )
        self._let_in(discovery)

    def _let_in(self, discovery: Discovery) -> None:
        if self._between.remember:
            why = "balancers tell each other where clients were led"
            self.connections.allow_from(self, port=PEERS_PORT, why=why)
        for listener in self.listeners:
            for service in listener.services:
                discovery.balances(service, self.connections)
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

    def _documents(
        self,
        cloud: Cloud,
        scope: Construct,
        discovery: Discovery,
        seen: Seen,
        cookie_key: Reference | None,
        balancers: int,
    ) -> Iterator[Document]:
        """Yield what makes a machine of a cloud a balancer."""
        login = f"{METRICS_USER} for figures of {self.connections.path} in {cloud.name}"
        shown = seen.metrics or seen.page
        yield haproxy_document(
            stats_password=random_login(scope, "stats", of=login) if shown else None
        )
        fellows = self._between.peers(cloud, self._name)
        yield discovery.agent(cloud, (), balancer=self._name if fellows else None)
        if fellows:
            yield peers_document()
        secrets = [*tls.files(scope, self.listeners), *self._between.files(cloud)]
        file = configuration(
            self.listeners,
            # Every address, so that an operator's range can be let in: the firewall is closed to
            # all, and the page asks for a login.
            stats_address="*",
            balancers=balancers,
            seen=seen,
            cookie_key=cookie_key,
            elsewhere=self._between.elsewhere(cloud, self.entries),
            fellows=fellows,
        )
        yield discovery.keep(cloud, tls.marked(scope, file, secrets))
        yield from self._figures(cloud, discovery, balancers)
        if seen.metrics:
            yield from self._metrics(discovery)
        yield from self._pages()
        if secrets:
            yield tls.tls_document(secrets)

    def _cookie_key(self) -> Reference | None:
        """Return what cookies are worked out with; None where no listener sets one.

        One for all: a client may come by another cloud the next time.
        """
        sticky = any(one.sticky and not one.remembers_sources for one in self.listeners)
        return random_password(self, "sticky") if sticky else None

    def _figures(self, cloud: Cloud, discovery: Discovery, balancers: int) -> list[Document]:
        limited = any(s.max_connections for one in self.listeners for s in one.services)
        if not (limited or cloud.needs_figures):
            return []
        watch = discovery.watch if cloud.needs_figures else None
        return [figures_document(self.listeners, watch, balancers=balancers)]

    def _metrics(self, discovery: Discovery) -> Sequence[Document]:
        # HAProxy asks for the login, and leads who knows it there.
        return (
            seen_document(self.listeners, discovery.watch),
            metrics_document(pages=discovery.metrics),
        )

    def _pages(self) -> list[Document]:
        shown = any(listener.maintenance is not None for listener in self.listeners)
        return [pages_document(self.listeners)] if shown else []


def _checked_listeners(
    listeners: tuple[Listener, ...], taken: Collection[int], path: str
) -> tuple[Listener, ...]:
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
            want="at least 2",
        )


_LEAST = 2
