"""`AutoScalingGroup`: machines that run one service, as many as needed, in every cloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from crossgate.boot.document import Document
from crossgate.boot.service import service_document
from crossgate.connections import Connections
from crossgate.errors import ConfigError
from crossgate.model.argument import checked, checked_many, checked_role, checked_tags
from crossgate.model.capacity import Capacity
from crossgate.model.health import Health
from crossgate.model.machine import Machine
from crossgate.model.market import Market, OnDemand, Spot
from crossgate.model.rollout import ROLLOUTS, InstanceRefresh, Rollout
from crossgate.model.scaling import Scaling, Steps
from crossgate.model.service import Service
from crossgate.model.termination import Termination
from crossgate.per_cloud import PerCloud, by_cloud, checked_clouds, checked_place, refuse
from crossgate.policy import (
    calm_covers_the_drain,
    protected_groups_do_not_shrink,
    somebody_waits,
    steps_settle,
)
from crossgate.specs import GroupSpec, ScalingSpec
from crossgate.terraform.engine import Construct, path_of
from crossgate.terraform.naming import name_of

if TYPE_CHECKING:
    from crossgate.contracts import Cloud, Discovery

_DEFAULT_CAPACITY = Capacity(2, 4)
_DEFAULT_MARKET = OnDemand()
_DEFAULT_MACHINE = Machine(cpu=2, memory=4)
_DEFAULT_ROLLOUT = InstanceRefresh()
_DEFAULT_TERMINATION = Termination()
_DEFAULT_HEALTH = Health()


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
        rollout: PerCloud[Rollout] = _DEFAULT_ROLLOUT,
        termination: PerCloud[Termination] = _DEFAULT_TERMINATION,
        health: PerCloud[Health] = _DEFAULT_HEALTH,
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
            rollout: how a changed group is replaced; default: launch first, then terminate.
            termination: which machine goes first, and which for its age; default: as the cloud
                has it.
            health: when a machine counts as lost although it runs; default: never.
            boot: further parts of the boot document.
            tags: put on everything that the cloud can tag.

        Raises:
            ConfigError: a value is wrong, or a cloud refuses what is asked.

        """
        path = checked_place(scope, id)
        self.clouds = checked_clouds(clouds, path, scope)
        checked(Service, service, argument="service", path=path)
        boot = checked_many(Document, boot, argument="boot", path=path)
        marks = checked_tags(tags, path)
        if discovery is not None:
            checked_role(
                "joins",
                discovery,
                argument="discovery",
                path=path,
                like='a discovery such as ConsulServers(stack, "consul", clouds=[...])',
            )
        _refuse_taken(service, discovery, path)
        self.service = service
        self.discovery = discovery
        name = name_of(scope, id)
        sizes = by_cloud(
            capacity,
            self.clouds,
            kind=Capacity,
            default=_DEFAULT_CAPACITY,
            argument="capacity",
            path=path,
        )
        markets: dict[Cloud, Market] = by_cloud(
            market,
            self.clouds,
            kind=(OnDemand, Spot),
            default=_DEFAULT_MARKET,
            argument="market",
            path=path,
        )
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
        terminations = by_cloud(
            termination,
            self.clouds,
            kind=Termination,
            default=_DEFAULT_TERMINATION,
            argument="termination",
            path=path,
        )
        healths = by_cloud(
            health,
            self.clouds,
            kind=Health,
            default=_DEFAULT_HEALTH,
            argument="health",
            path=path,
        )
        specs = {
            cloud: GroupSpec(
                name=name,
                machine=machines[cloud],
                document=self._document(cloud, boot),
                firewalls=(),
                joins=discovery.joins(cloud) if discovery else (),
                tags=marks,
                capacity=sizes[cloud],
                watch=discovery.watch if discovery else None,
                health=healths[cloud],
                service=service.name,
                drain=service.drain,
                max_connections=service.max_connections,
                market=markets[cloud],
                rollout=rollouts[cloud],
                termination=terminations[cloud],
            )
            for cloud in self.clouds
        }
        refuse(path, list(specs.items()))

        super().__init__(scope, id)
        self.connections = Connections(path)
        self.ids: dict[Cloud, str] = {}
        self._specs = specs
        self._scalings: dict[Cloud, list[Scaling | Steps]] = {cloud: [] for cloud in self.clouds}
        self._children: dict[Cloud, Construct] = {}
        for cloud, spec in specs.items():
            child = self._children[cloud] = Construct(self, cloud.name)
            firewall = cloud.firewall(child, "firewall", name=name)
            self.connections.add(cloud, firewall)
            worn = (firewall, *(discovery.member_firewalls(cloud) if discovery else ()))
            self.ids[cloud] = cloud.group(child, "group", replace(spec, firewalls=worn))
        if discovery:
            discovery.provides(service, self.connections)

    def scale_on_cpu(
        self,
        *,
        target: float = 0.6,
        cooldown: timedelta = timedelta(minutes=1),
        calm: timedelta = timedelta(minutes=5),
        shrink: bool = True,
        clouds: Sequence[Cloud] | None = None,
    ) -> None:
        """Let the group grow and shrink so that its machines' processors are busy to `target`.

        Args:
            target: a share; default 0.6.
            cooldown: see `Scaling`, as for what follows.
            calm: default five minutes.
            shrink: default True.
            clouds: where; default all of the group's.

        Raises:
            ConfigError: a value is wrong, the size is fixed or follows that already, or a cloud
                cannot do it.

        """
        self.scale(
            Scaling(on="cpu", target=target, cooldown=cooldown, calm=calm, shrink=shrink),
            clouds=clouds,
        )

    def scale_on_connections(
        self,
        *,
        target: float,
        cooldown: timedelta = timedelta(minutes=1),
        calm: timedelta = timedelta(minutes=5),
        shrink: bool = True,
        clouds: Sequence[Cloud] | None = None,
    ) -> None:
        """Let the group grow and shrink so that each machine has `target` connections.

        They are those that the balancers hold open to the service. Arguments and errors are those
        of `scale_on_cpu`.
        """
        self.scale(
            Scaling(on="connections", target=target, cooldown=cooldown, calm=calm, shrink=shrink),
            clouds=clouds,
        )

    def scale_on_queue(
        self,
        *,
        target: float,
        cooldown: timedelta = timedelta(minutes=1),
        calm: timedelta = timedelta(minutes=5),
        shrink: bool = True,
        clouds: Sequence[Cloud] | None = None,
    ) -> None:
        """Let the group grow when more than `target` connections for each machine wait.

        They wait in the balancers while every machine has its `Service(max_connections=...)`. The
        group shrinks when all connections, with a tenth to spare, fit in fewer machines. Arguments
        and errors are those of `scale_on_cpu`; the service must have a limit.
        """
        self.scale(
            Scaling(on="queue", target=target, cooldown=cooldown, calm=calm, shrink=shrink),
            clouds=clouds,
        )

    def scale(self, scaling: Scaling | Steps, *, clouds: Sequence[Cloud] | None = None) -> None:
        """Let the group grow and shrink by a figure; with several, the one that asks for most wins.

        Args:
            scaling: the figure, and its target or the steps at its bounds.
            clouds: where; default all of the group's.

        Raises:
            ConfigError: the size is fixed or follows that figure already, steps would make it swing
                without end, nobody can wait for the service, or a cloud cannot do it.
            PolicyError: it shrinks a group whose machines are protected, or need longer to leave.

        """
        path = path_of(self)
        checked((Scaling, Steps), scaling, argument="scaling", path=path)
        somebody_waits.check(scaling, self.service, path)
        calm_covers_the_drain.check(scaling, self.service, path)
        asked: list[tuple[Cloud, ScalingSpec]] = []
        for cloud in self.clouds if clouds is None else clouds:
            if cloud not in self._specs:
                raise ConfigError(
                    "the group is not in this cloud",
                    path=f"{path}: clouds",
                    got=cloud,
                    want=f"some of {', '.join(one.name for one in self.clouds)}",
                )
            spec = self._specs[cloud]
            if spec.capacity.minimum == spec.capacity.most:
                raise ConfigError(
                    "the size is fixed",
                    path=f"{path}/{cloud.name}",
                    got=f"Capacity({spec.capacity.minimum})",
                    want=f"a range, such as Capacity({spec.capacity.minimum}, "
                    f"{2 * spec.capacity.minimum})",
                )
            protected_groups_do_not_shrink.check(spec.termination, scaling, f"{path}/{cloud.name}")
            if isinstance(scaling, Steps):
                steps_settle.check(scaling, spec.capacity.minimum, f"{path}/{cloud.name}")
            others = tuple(self._scalings[cloud])
            if any(other.on == scaling.on for other in others):
                raise ConfigError(
                    f"the size follows {scaling.on} already",
                    path=f"{path}/{cloud.name}",
                    got=scaling,
                    want="one target, or one list of steps, for each figure",
                )
            one = ScalingSpec(group=spec, id=self.ids[cloud], scaling=scaling, others=others)
            asked.append((cloud, one))
        refuse(path, asked)
        for cloud, one in asked:
            cloud.scale(self._children[cloud], f"scale-on-{scaling.on}", one)
            self._scalings[cloud].append(scaling)

    def _document(self, cloud: Cloud, boot: Sequence[Document]) -> Document:
        parts = [service_document(self.service), *boot]
        if self.discovery:
            parts.append(self.discovery.agent(cloud, [self.service]))
        return Document.merge(*parts)


def _refuse_taken(service: Service, discovery: Discovery | None, path: str) -> None:
    taken = {_SSH_PORT, *(discovery.taken_ports if discovery else ())}
    for port, what in ((service.port, "service's port"), (service.agent_port, "agent's port")):
        if port in taken:
            raise ConfigError(
                f"the {what} is taken on the machine",
                path=f"{path}: service",
                got=port,
                want=f"a port other than {', '.join(map(str, sorted(taken)))}",
            )


_SSH_PORT = 22
