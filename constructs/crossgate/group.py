"""`AutoScalingGroup`: machines that run one service, as many as needed, in every cloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from crossgate.boot.document import Document
from crossgate.boot.service import service_document
from crossgate.connections import Connections
from crossgate.model.capacity import Capacity
from crossgate.model.machine import InstanceRefresh, Machine
from crossgate.model.market import Market, OnDemand
from crossgate.per_cloud import PerCloud, by_cloud, checked_clouds, refuse
from crossgate.specs import GroupSpec
from crossgate.terraform.engine import Construct, claim
from crossgate.terraform.naming import name_of

if TYPE_CHECKING:
    from crossgate.contracts import Cloud, Discovery
    from crossgate.model.service import Service

_DEFAULT_CAPACITY = Capacity(2, 4)
_DEFAULT_MARKET = OnDemand()
_DEFAULT_MACHINE = Machine(cpu=2, memory=4)
_DEFAULT_REFRESH = InstanceRefresh()


class AutoScalingGroup(Construct):
    """Machines that are all alike and run one service; the cloud makes, unmakes and replaces them.

    Every change of what a machine is made from (image, size, service, configuration) rolls the
    group. The size that scaling reached survives a deploy.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        clouds: Sequence[Cloud],
        service: Service,
        discovery: Discovery | None = None,
        capacity: PerCloud[Capacity] = _DEFAULT_CAPACITY,
        market: PerCloud[Market] = _DEFAULT_MARKET,
        machine: PerCloud[Machine] = _DEFAULT_MACHINE,
        refresh: PerCloud[InstanceRefresh] = _DEFAULT_REFRESH,
        boot: Sequence[Document] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Build the group in every cloud.

        Args:
            scope: the construct it belongs to.
            id: its name among the constructs of `scope`.
            clouds: where it runs; one child is made for each.
            service: what its machines run.
            discovery: who is told that the machines are there; without it nobody finds them.
            capacity: how many machines; default two to four in each cloud.
            market: on demand (the default) or spot.
            machine: what a machine needs; default two processors and 4 GiB.
            refresh: how a changed group is replaced; default: launch first, then terminate.
            boot: further parts of the boot document.
            tags: put on everything that the cloud can tag.

        Raises:
            ConfigError: a value is wrong, or a cloud refuses what is asked.

        """
        path = claim(scope, id)
        self.clouds = checked_clouds(clouds, path)
        self.service = service
        self.discovery = discovery
        name = name_of(scope, id)
        sizes = by_cloud(
            capacity, clouds, default=_DEFAULT_CAPACITY, argument="capacity", path=path
        )
        markets: dict[Cloud, Market] = by_cloud(
            market, clouds, default=_DEFAULT_MARKET, argument="market", path=path
        )
        machines = by_cloud(
            machine, clouds, default=_DEFAULT_MACHINE, argument="machine", path=path
        )
        refreshes = by_cloud(
            refresh, clouds, default=_DEFAULT_REFRESH, argument="refresh", path=path
        )
        specs = {
            cloud: GroupSpec(
                name=name,
                machine=machines[cloud],
                document=self._document(cloud, boot),
                firewalls=(),
                joins=discovery.joins(cloud) if discovery else (),
                tags=dict(tags or {}),
                capacity=sizes[cloud],
                market=markets[cloud],
                refresh=refreshes[cloud],
            )
            for cloud in self.clouds
        }
        refuse(path, list(specs.items()))

        super().__init__(scope, id)
        self.connections = Connections(path)
        self.ids: dict[Cloud, str] = {}
        for cloud, spec in specs.items():
            child = Construct(self, cloud.name)
            firewall = cloud.firewall(child, "firewall", name=name)
            self.connections.add(cloud, firewall)
            worn = (firewall, *(discovery.member_firewalls(cloud) if discovery else ()))
            self.ids[cloud] = cloud.group(child, "group", replace(spec, firewalls=worn))
        if discovery:
            discovery.provides(service, self.connections)

    def _document(self, cloud: Cloud, boot: Sequence[Document]) -> Document:
        parts = [service_document(self.service), *boot]
        if self.discovery:
            parts.append(self.discovery.agent(cloud, [self.service]))
        return Document.merge(*parts)
