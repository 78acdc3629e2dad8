"""`Gateway`: services, discovery and balancers put together, from a program or from one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crossgate.balancers.haproxy.plan import Plan as HAProxy
from crossgate.discovery.consul.plan import Plan as Consul
from crossgate.errors import ConfigError
from crossgate.group import AutoScalingGroup
from crossgate.model.argument import checked, checked_many, checked_role, checked_tags
from crossgate.model.capacity import Capacity
from crossgate.model.health import Health
from crossgate.model.listener import Listener
from crossgate.model.machine import Machine
from crossgate.model.market import Market, OnDemand
from crossgate.model.rollout import InstanceRefresh, Rollout
from crossgate.model.scaling import Scaling, Steps
from crossgate.model.service import Service
from crossgate.model.termination import Termination
from crossgate.per_cloud import PerCloud, checked_clouds, checked_place
from crossgate.terraform.engine import Construct, path_of

if TYPE_CHECKING:
    from crossgate.contracts import Cloud, Discovery
    from crossgate.plans import Balanced, BalancerPlan, DiscoveryPlan


_USUAL_HEALTH = Health()


@dataclass(frozen=True, kw_only=True)
class GroupPlan:
    """A service of a gateway, and the machines that run it.

    Attributes:
        service: what runs.
        clouds: where; default: in every cloud of the gateway.
        capacity: how many machines; default two to four in each cloud.
        market: on demand (the default) or spot.
        machine: what a machine needs; default two processors and 4 GiB.
        rollout: how a changed group is replaced; default: launch first, then terminate.
        termination: which machine goes first, and which for its age; default: as the cloud has it.
        health: when a machine counts as lost although it runs; default: never.
        scaling: what its size follows; default: nothing, until `groups[...].scale_on_...` says so.

    """

    service: Service
    clouds: Sequence[Cloud] | None = None
    capacity: PerCloud[Capacity] = Capacity(2, 4)
    market: PerCloud[Market] = OnDemand()
    machine: PerCloud[Machine] = Machine(cpu=2, memory=4)
    rollout: PerCloud[Rollout] = InstanceRefresh()
    termination: PerCloud[Termination] = Termination()
    health: PerCloud[Health] = _USUAL_HEALTH
    scaling: PerCloud[Sequence[Scaling | Steps]] = ()


class Gateway(Construct):
    """A highly available gateway: its groups, its discovery and its balancers, in every cloud.

    Attributes:
        discovery: who knows which machines are alive.
        groups: the groups, by the name of their service.
        edge: the balancers; `edge.connections.allow_from(...)` lets clients in.

    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        clouds: Sequence[Cloud],
        services: Sequence[GroupPlan],
        listeners: Sequence[Listener],
        discovery: DiscoveryPlan | None = None,
        balancer: BalancerPlan | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Build the gateway in every cloud.

        Args:
            scope: the construct it belongs to.
            id: its name among the constructs of `scope`.
            clouds: where it runs.
            services: what runs behind it, and on which machines.
            listeners: the ports that clients connect to, and the services these lead to.
            discovery: default `Consul()`, three servers in each cloud.
            balancer: default `HAProxy()`, two machines in each cloud.
            tags: put on everything that the clouds can tag.

        Raises:
            ConfigError: a value is wrong, or a cloud refuses what is asked.

        """
        path = checked_place(scope, id)
        self._refuse_wrong_types(services, listeners, discovery, balancer, path)
        everywhere = checked_clouds(clouds, path, scope)
        names = [plan.service.name for plan in services]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError("two services have one name", path=f"{path}: services", got=twice[0])
        _refuse_unknown(listeners, names, path)
        marks = checked_tags(tags, path)

        super().__init__(scope, id)
        self.discovery: Discovery = (discovery or Consul()).build(
            self, "discovery", clouds=everywhere, tags=marks
        )
        self.groups: dict[str, AutoScalingGroup] = {
            plan.service.name: AutoScalingGroup(
                self,
                plan.service.name,
                clouds=everywhere if plan.clouds is None else plan.clouds,
                service=plan.service,
                discovery=self.discovery,
                capacity=plan.capacity,
                market=plan.market,
                machine=plan.machine,
                rollout=plan.rollout,
                termination=plan.termination,
                health=plan.health,
                tags=marks,
            )
            for plan in services
        }
        for plan in services:
            _scale(self.groups[plan.service.name], plan.scaling)
        self.edge: Balanced = (balancer or HAProxy()).build(
            self,
            "edge",
            clouds=everywhere,
            discovery=self.discovery,
            listeners=listeners,
            tags=marks,
        )

    @staticmethod
    def _refuse_wrong_types(
        services: Sequence[GroupPlan],
        listeners: Sequence[Listener],
        discovery: DiscoveryPlan | None,
        balancer: BalancerPlan | None,
        path: str,
    ) -> None:
        checked_many(
            GroupPlan,
            services,
            argument="services",
            path=path,
            do="write services=[GroupPlan(service=...)]",
        )
        for place, plan in enumerate(services):
            checked(Service, plan.service, argument=f"services[{place}].service", path=path)
        checked_many(Listener, listeners, argument="listeners", path=path)
        if discovery is not None:
            checked_role("build", discovery, argument="discovery", path=path, like="Consul()")
        if balancer is not None:
            checked_role("build", balancer, argument="balancer", path=path, like="HAProxy()")

    @classmethod
    def from_file(cls, scope: Construct, id: str, path: str | Path) -> Gateway:
        """Build a gateway, and its clouds, from one JSON or YAML file.

        The clouds are made beside the gateway, in `scope`, under the names that the file gives
        them. The file's form is docs/gateway.schema.json.

        Raises:
            FileError: the file cannot be read or says something wrong; the place is named.
            SynthesisError: it says several things wrong.

        """
        # YAML and the file's own values are a tenth of the package's import: only files pay it.
        from crossgate import gateway_file  # noqa: PLC0415

        read = gateway_file.read(Path(path) if isinstance(path, str) else path)
        clouds: dict[str, Cloud] = {}
        for name, plan in read.clouds.items():
            with read.place(f"clouds.{name}"):
                clouds[name] = plan.build(scope, name)
        with read.place(""):
            made = cls(
                scope,
                id,
                clouds=list(clouds.values()),
                services=[
                    GroupPlan(
                        service=entry.service,
                        clouds=[clouds[name] for name in entry.clouds] if entry.clouds else None,
                        capacity={clouds[n]: v for n, v in entry.capacity.items()},
                        market={clouds[n]: v for n, v in entry.market.items()},
                        machine={clouds[n]: v for n, v in entry.machine.items()},
                        rollout={clouds[n]: v for n, v in entry.rollout.items()},
                        termination={clouds[n]: v for n, v in entry.termination.items()},
                        health={clouds[n]: v for n, v in entry.health.items()},
                        scaling={clouds[n]: v for n, v in entry.scaling.items()},
                    )
                    for entry in read.services
                ],
                listeners=read.listeners,
                discovery=read.discovery,
                balancer=read.balancer,
                tags=read.tags,
            )
        for number, entry in enumerate(read.names):
            with read.place(f"names[{number}]"):
                zone = clouds[entry.zone.cloud].zone(entry.zone.name, zone_id=entry.zone.id)
                made.edge.dns(
                    entry.name,
                    zone=zone,
                    weights=None
                    if entry.weights is None
                    else {clouds[name]: weight for name, weight in entry.weights.items()},
                    first=None if entry.first is None else clouds[entry.first],
                    port=entry.port,
                    ttl=entry.ttl,
                )
        return made


def _scale(group: AutoScalingGroup, scaling: PerCloud[Sequence[Scaling | Steps]]) -> None:
    for cloud in group.clouds:
        given = scaling.get(cloud, ()) if isinstance(scaling, Mapping) else scaling
        for one in checked_many((Scaling, Steps), given, argument="scaling", path=path_of(group)):
            group.scale(one, clouds=[cloud])


def _refuse_unknown(listeners: Sequence[Listener], names: Sequence[str], path: str) -> None:
    for listener in listeners:
        for service in listener.services:
            if service.name not in names:
                raise ConfigError(
                    f"a listener leads to the service {service.name!r}, which nobody runs",
                    path=f"{path}: listeners",
                    got=f"port {listener.port} to {service.name!r}",
                    want=f"one of {', '.join(names) or 'no service at all'}",
                    do=f"add GroupPlan(service={service.name}) to services=",
                )
