"""Where in AWS machines and entries are put: the VPC, made over several zones or found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossgate.clouds.aws.bindings.data import DataAvailabilityZones, DataSubnets, DataVpc
from crossgate.clouds.aws.bindings.network import (
    Eip,
    InternetGateway,
    NatGateway,
    Route,
    RouteTable,
    RouteTableAssociation,
    Subnet,
    Vpc,
)
from crossgate.clouds.aws.network import LEAST_ZONES, AwsNetwork, OwnVpc, VpcByName
from crossgate.model.net import ANYWHERE
from crossgate.model.value import holds_token
from crossgate.terraform.engine import path_of

if TYPE_CHECKING:
    from crossgate.clouds.aws.bindings.provider import AwsProvider
    from crossgate.terraform.engine import Construct, ITerraformDependable


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What machines and entries need to know of a network, owned or found.

    Attributes:
        vpc_id: token or id of the VPC.
        cidr: token or literal of its range.
        private: subnet ids for machines, or the token of a list.
        public: subnet ids for entries, one for each zone, or the token of a list.
        ways_out: tokens of the addresses by which machines reach the world; none: not known.
        ready: what must be there before the world is reached, in both directions.

    """

    vpc_id: str
    cidr: str
    private: Sequence[str]
    public: Sequence[str]
    ways_out: Sequence[str] = ()
    ready: Sequence[ITerraformDependable] = ()

    @property
    def counted(self) -> bool:
        """Whether it is known now how many public subnets there are."""
        return not _is_list_token(self.public)


def _is_list_token(given: Sequence[str]) -> bool:
    """Return whether a list is one that Terraform knows later: its length is unknown too."""
    return len(given) == 1 and str(given[0]).startswith("#{") and holds_token(given)


def build_network(
    scope: Construct,
    network: AwsNetwork,
    *,
    name: str,
    zones: Sequence[str] | None,
    provider: AwsProvider,
) -> Placement:
    """Make the network, or find it."""
    if isinstance(network, OwnVpc):
        chosen = zones or _zone_names(scope, provider)
        return _own(scope, network, name=name, zones=chosen, provider=provider)
    if isinstance(network, VpcByName):
        return _by_name(scope, network, provider=provider)
    cidr = network.cidr or DataVpc(scope, "vpc", id=network.vpc_id, provider=provider).cidr_block
    return Placement(
        vpc_id=network.vpc_id, cidr=cidr, private=network.private, public=network.public
    )


def _zone_names(scope: Construct, provider: AwsProvider) -> list[str]:
    """Return tokens of the first zones that the account has in the region."""
    found = DataAvailabilityZones(
        scope,
        "zones",
        state="available",
        # Once the account has opted in to Local Zones, they are among the available ones, and not
        # all of them carry NAT gateways and network load balancers.
        filter=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}],
        provider=provider,
    )
    return [found.attribute_path(f"names[{number}]") for number in range(LEAST_ZONES)]


def _by_name(scope: Construct, network: VpcByName, *, provider: AwsProvider) -> Placement:
    vpc = DataVpc(scope, "vpc", tags={"Name": network.name}, provider=provider)
    found = {
        kind: DataSubnets(
            scope,
            kind,
            filter=[
                {"name": "vpc-id", "values": [vpc.id]},
                {"name": "tag:Name", "values": [pattern]},
            ],
            provider=provider,
        ).ids
        for kind, pattern in (("private", network.private), ("public", network.public))
    }
    return Placement(
        vpc_id=vpc.id, cidr=vpc.cidr_block, private=found["private"], public=found["public"]
    )


def _own(
    scope: Construct, network: OwnVpc, *, name: str, zones: Sequence[str], provider: AwsProvider
) -> Placement:
    vpc = Vpc(
        scope,
        "vpc",
        cidr_block=network.cidr,
        enable_dns_support=True,
        enable_dns_hostnames=True,
        tags={"Name": name},
        provider=provider,
    )
    gateway = InternetGateway(
        scope, "internet", vpc_id=Vpc.id.of(vpc), tags={"Name": name}, provider=provider
    )
    to_world = _route_table(scope, "public", vpc, name=f"{name}-public", provider=provider)
    to_internet = Route(
        scope,
        "public-default",
        route_table_id=RouteTable.id.of(to_world),
        destination_cidr_block=ANYWHERE,
        gateway_id=InternetGateway.id.of(gateway),
        provider=provider,
    )
    private_ranges, public_ranges = network.subnets(len(zones), path_of(scope))
    private, public, ways_out = [], [], []
    ready: list[ITerraformDependable] = [gateway, to_internet]
    nat: NatGateway | None = None
    for number, zone in enumerate(zones):
        public_subnet = _subnet(
            scope, f"public-{number}", vpc, public_ranges[number], zone, name, provider
        )
        public_routes = RouteTableAssociation(
            scope,
            f"public-{number}-routes",
            subnet_id=Subnet.id.of(public_subnet),
            route_table_id=RouteTable.id.of(to_world),
            provider=provider,
        )
        if nat is None or network.nat == "per-zone":
            address = Eip(
                scope,
                f"nat-{number}-address",
                domain="vpc",
                tags={"Name": f"{name}-nat-{number}"},
                provider=provider,
            )
            ways_out.append(address.public_ip)
            nat = NatGateway(
                scope,
                f"nat-{number}",
                allocation_id=Eip.id.of(address),
                subnet_id=Subnet.id.of(public_subnet),
                tags={"Name": f"{name}-{number}"},
                depends_on=[gateway],
                provider=provider,
            )
        private_subnet = _subnet(
            scope, f"private-{number}", vpc, private_ranges[number], zone, name, provider
        )
        routes = _route_table(
            scope, f"private-{number}", vpc, name=f"{name}-private-{number}", provider=provider
        )
        to_nat = Route(
            scope,
            f"private-{number}-default",
            route_table_id=RouteTable.id.of(routes),
            destination_cidr_block=ANYWHERE,
            nat_gateway_id=NatGateway.id.of(nat),
            provider=provider,
        )
        private_routes = RouteTableAssociation(
            scope,
            f"private-{number}-routes",
            subnet_id=Subnet.id.of(private_subnet),
            route_table_id=RouteTable.id.of(routes),
            provider=provider,
        )
        ready += [public_routes, to_nat, private_routes]
        private.append(private_subnet.id)
        public.append(public_subnet.id)
    return Placement(
        vpc_id=vpc.id,
        cidr=network.cidr,
        private=private,
        public=public,
        ways_out=ways_out,
        ready=tuple(ready),
    )


def _subnet(
    scope: Construct,
    id: str,
    vpc: Vpc,
    cidr: str,
    zone: str,
    name: str,
    provider: AwsProvider,
) -> Subnet:
    return Subnet(
        scope,
        id,
        vpc_id=Vpc.id.of(vpc),
        cidr_block=cidr,
        availability_zone=zone,
        tags={"Name": f"{name}-{id}"},
        provider=provider,
    )


def _route_table(
    scope: Construct, id: str, vpc: Vpc, *, name: str, provider: AwsProvider
) -> RouteTable:
    return RouteTable(
        scope, f"{id}-table", vpc_id=Vpc.id.of(vpc), tags={"Name": name}, provider=provider
    )
