"""`HAProxyNodes`: two or more HAProxy machines behind one entry in every cloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from crossgate.balancers.haproxy.config import configuration
from crossgate.balancers.haproxy.document import haproxy_document
from crossgate.balancers.haproxy.settings import HEALTH_PATH, HEALTH_PORT, STATS_PORT
from crossgate.boot.document import Document
from crossgate.connections import Connections
from crossgate.errors import ConfigError
from crossgate.model.machine import Machine
from crossgate.per_cloud import PerCloud, by_cloud, checked_clouds, refuse
from crossgate.specs import EntrySpec, MachinesSpec
from crossgate.terraform.engine import Construct, TerraformOutput, claim
from crossgate.terraform.naming import name_of
from crossgate.terraform.secrets import random_password

if TYPE_CHECKING:
    from crossgate.contracts import Cloud, Discovery, Entry
    from crossgate.model.listener import Listener

_DEFAULT_MACHINE = Machine(cpu=2, memory=4)
_RESERVED_PORTS = frozenset({22, HEALTH_PORT, STATS_PORT})


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
            boot: further parts of the boot document.
            tags: put on everything that the cloud can tag.

        Raises:
            ConfigError: a value is wrong, a port is taken twice, or a cloud refuses.

        """
        path = claim(scope, id)
        self.clouds = checked_clouds(clouds, path)
        self.listeners = _checked_listeners(listeners, path)
        counts = by_cloud(count, clouds, default=2, argument="count", path=path)
        machines = by_cloud(
            machine, clouds, default=_DEFAULT_MACHINE, argument="machine", path=path
        )
        for cloud, number in counts.items():
            _check_count(number, f"{path}/{cloud.name}")
        for cloud in self.clouds:
            discovery.joins(cloud)
        name = name_of(scope, id)

        super().__init__(scope, id)
        self.connections = Connections(path, admin_ports=(STATS_PORT, HEALTH_PORT))
        self.entries: dict[Cloud, Entry] = {}
        for cloud in self.clouds:
            child = Construct(self, cloud.name)
            firewall = cloud.firewall(child, "firewall", name=name)
            worn = (firewall, *discovery.member_firewalls(cloud))
            reservation = cloud.reserve(
                child, "places", name=name, count=counts[cloud], firewalls=worn
            )
            entry_spec = EntrySpec(
                name=name,
                ports=tuple(listener.port for listener in self.listeners),
                health_port=HEALTH_PORT,
                health_path=HEALTH_PATH,
                reservation=reservation,
                tags=dict(tags or {}),
            )
            # Every address, so that an operator's range can be let in: the firewall is closed to
            # all, and the page asks for a login.
            file = configuration(self.listeners, stats_address="*")
            document = Document.merge(
                haproxy_document(stats_password=random_password(child, "stats")),
                discovery.agent(cloud, ()),
                discovery.keep(cloud, file),
                *boot,
            )
            spec = MachinesSpec(
                name=name,
                machine=machines[cloud],
                document=document,
                firewalls=worn,
                joins=discovery.joins(cloud),
                tags=dict(tags or {}),
                count=counts[cloud],
                reservation=reservation,
            )
            refuse(path, [(cloud, entry_spec), (cloud, spec)])
            entry = cloud.entry(child, "entry", entry_spec)
            self.entries[cloud] = entry
            self.connections.add(cloud, firewall, entry)
            cloud.machines(child, "nodes", replace(spec, entry=entry))
            TerraformOutput(
                child,
                "addresses",
                value=list(entry.addresses),
                description=f"Where clients of {path} connect in {cloud.name}",
            )
        for listener in self.listeners:
            discovery.balances(listener.to, self.connections)
            for source in listener.allow_from:
                self.connections.allow_from(source, port=listener.port)


def _checked_listeners(listeners: Sequence[Listener], path: str) -> tuple[Listener, ...]:
    if not listeners:
        raise ConfigError(
            "leads nowhere", path=path, got=[], want="listeners=[Listener(port=9000, to=api)]"
        )
    ports = [listener.port for listener in listeners]
    for port in ports:
        if ports.count(port) > 1:
            raise ConfigError("one port is taken twice", path=f"{path}: listeners", got=port)
        if port in _RESERVED_PORTS:
            raise ConfigError(
                "the port is taken by the balancer itself",
                path=f"{path}: listeners",
                got=port,
                want=f"a port other than {', '.join(map(str, sorted(_RESERVED_PORTS)))}",
            )
    return tuple(listeners)


def _check_count(number: int, path: str) -> None:
    if number < _LEAST:
        raise ConfigError(
            "one balancer is a single point of failure",
            path=f"{path}: count",
            got=number,
            want="at least 2",
        )


_LEAST = 2
