"""The entry to the balancers: a network load balancer with fixed addresses."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from crossgate.clouds.aws.bindings.lb import Lb, LbListener, LbTargetGroup
from crossgate.clouds.aws.bindings.network import Eip
from crossgate.clouds.aws.limits import (
    NLB_LISTENERS,
    NLB_NAME,
    NLB_RESERVED,
    unreserved,
)
from crossgate.errors import RefusedError
from crossgate.model.names import shortened
from crossgate.model.net import Ports, as_range, is_token
from crossgate.terraform.engine import path_of

if TYPE_CHECKING:
    from crossgate.clouds.aws.cloud import AwsCloud
    from crossgate.contracts import Cloud
    from crossgate.specs import EntrySpec
    from crossgate.terraform.engine import Construct

_HEALTH_INTERVAL_SECONDS = 10
_HEALTH_COUNT = 2
_DRAIN_SECONDS = 60


def refusals(spec: EntrySpec) -> list[RefusedError]:
    """Return why there can be no entry: more ports than a load balancer has listeners."""
    if len(spec.ports) <= NLB_LISTENERS:
        return []
    return [
        RefusedError(
            "a network load balancer has not that many listeners",
            path=spec.name,
            got=len(spec.ports),
            want=f"at most {NLB_LISTENERS}; where clients are led to other clouds, each of yours "
            "takes two",
            do="give some of them to another HAProxyNodes, or write spill_over=None",
        )
    ]


class AwsEntry:
    """A network load balancer over all zones: one fixed address in each, health-checked.

    Where the public subnets are known only as Terraform runs (`VpcByName`, a token of a list),
    it has a fixed name instead of fixed addresses.

    It passes the client's own address on, so the balancers' security group decides who gets in.
    """

    def __init__(self, cloud: AwsCloud, scope: Construct, spec: EntrySpec) -> None:
        """Make the load balancer, one listener and one target group for each port."""
        self.ports = tuple(spec.ports)
        self._firewall = cloud.own_reservation(spec.reservation).firewalls[0]
        name = cloud.names.take(
            "load balancer",
            shortened(unreserved(spec.name, NLB_RESERVED), NLB_NAME),
            path_of(scope),
        )
        placement = cloud.placement
        addresses = [
            Eip(
                scope,
                f"address-{number}",
                domain="vpc",
                tags={"Name": f"{spec.name}-{number}"},
                depends_on=[*placement.ready],
                provider=cloud.provider,
            )
            for number, _ in enumerate(placement.public if placement.counted else ())
        ]
        balancer = Lb(
            scope,
            "balancer",
            name=name,
            load_balancer_type="network",
            internal=False,
            enable_cross_zone_load_balancing=True,
            subnets=None if placement.counted else placement.public,
            subnet_mapping=[
                {"subnet_id": subnet, "allocation_id": Eip.id.of(address)}
                for subnet, address in zip(placement.public, addresses, strict=True)
            ]
            if placement.counted
            else None,
            tags={"Name": spec.name, **spec.tags},
            # An internet-facing balancer wants the VPC's gateway first, and those who connect to
            # it want the routes.
            depends_on=[*placement.ready],
            provider=cloud.provider,
        )
        self.addresses = [address.public_ip for address in addresses] or [balancer.dns_name]
        self.named = not addresses
        self.target_groups = [
            self._listen(cloud, scope, spec, balancer, port) for port in self.ports
        ]
        for port in sorted({_asked(spec, port) for port in self.ports}):
            self._firewall.allow_range(
                cloud.placement.cidr,
                Ports(first=port, last=port),
                why="health checks of the load balancer",
                label="network",
            )

    def allow(self, source: IPv4Network, port: int) -> None:
        """Let an address range reach one listener."""
        self._firewall.allow_range(
            str(source), Ports(first=port, last=port), why=f"clients of port {port}"
        )

    def allow_cloud(self, other: Cloud, port: int) -> None:
        """Let the machines of another cloud reach one listener."""
        for number, way in enumerate(other.ways_out):
            self._firewall.allow_range(
                as_range(way),
                Ports(first=port, last=port),
                why=f"balancers of {other.name}",
                label=f"{other.name}-{number}" if is_token(way) else None,
            )

    def _listen(
        self, cloud: AwsCloud, scope: Construct, spec: EntrySpec, balancer: Lb, port: int
    ) -> str:
        name = cloud.names.take(
            "target group", shortened(f"{spec.name}-{port}", NLB_NAME), path_of(scope)
        )
        targets = LbTargetGroup(
            scope,
            f"targets-{port}",
            name=name,
            port=port,
            protocol="TCP",
            target_type="instance",
            vpc_id=cloud.placement.vpc_id,
            preserve_client_ip="true",
            proxy_protocol_v2=True if port in spec.proxied else None,
            deregistration_delay=str(_DRAIN_SECONDS),
            health_check={
                "protocol": "HTTP",
                "port": str(_asked(spec, port)),
                "path": spec.health_path,
                "interval": _HEALTH_INTERVAL_SECONDS,
                "healthy_threshold": _HEALTH_COUNT,
                "unhealthy_threshold": _HEALTH_COUNT,
            },
            tags={"Name": spec.name},
            provider=cloud.provider,
        )
        LbListener(
            scope,
            f"listener-{port}",
            load_balancer_arn=Lb.arn.of(balancer),
            port=port,
            protocol="TCP",
            default_action=[{"type": "forward", "target_group_arn": LbTargetGroup.arn.of(targets)}],
            provider=cloud.provider,
        )
        return LbTargetGroup.arn.of(targets)


def _asked(spec: EntrySpec, port: int) -> int:
    """Return where targets of a port are asked: the header comes before the questions too."""
    if port in spec.proxied and spec.proxied_health_port is not None:
        return spec.proxied_health_port
    return spec.health_port
