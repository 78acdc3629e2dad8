"""The VPC: one of our own over several zones, or one that exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from itertools import islice
from typing import TYPE_CHECKING, Literal

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
from crossgate.errors import ConfigError
from crossgate.model.net import ANYWHERE, ipv4_network, is_private
from crossgate.model.value import Many, holds_token, value
from crossgate.terraform.engine import path_of

if TYPE_CHECKING:
    from crossgate.clouds.aws.bindings.provider import AwsProvider
    from crossgate.terraform.engine import Construct, ITerraformDependable

LEAST_ZONES = 2
_SMALLEST_PREFIX = 28  # VPC guide, "Subnet sizing"
_LARGEST_PREFIX = 16
_SHARES = 16


@value
class OwnVpc:
    """A VPC of one's own: in every zone a private subnet for machines, a public one for entries.

    Attributes:
        cidr: the range, /16 to /24, in private space (RFC 1918 or RFC 6598).
        private: ranges of the private subnets, one for each zone; default: equal parts.
        public: ranges of the public subnets, one for each zone; default: equal parts.
        nat: `per-zone` (default: a lost zone takes no other's way out) or `single` (cheaper).

    Raises:
        ConfigError: a range is none or is public, or a subnet lies outside the VPC or on another
            subnet.

    """

    cidr: str = field(kw_only=False)
    private: Many[str] = ()
    public: Many[str] = ()
    nat: Literal["per-zone", "single"] = "per-zone"

    def __post_init__(self) -> None:
        """Refuse ranges that do not fit into each other."""
        whole = self.network
        if not _LARGEST_PREFIX <= whole.prefixlen <= _SMALLEST_PREFIX - 4:
            raise ConfigError(
                "is no size for a VPC", path="OwnVpc: cidr", got=self.cidr, want="/16 to /24"
            )
        if not is_private(whole):
            raise ConfigError(
                "is no private range, and Consul binds a machine's private address only",
                path="OwnVpc: cidr",
                got=self.cidr,
                want="a part of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10",
            )
        taken: list[IPv4Network] = []
        for text in (*self.private, *self.public):
            subnet = ipv4_network(text, "OwnVpc: subnet")
            if not subnet.subnet_of(whole):
                raise ConfigError(
                    "a subnet lies outside its network",
                    path="OwnVpc",
                    got=text,
                    want=f"a part of {whole}",
                )
            for other in taken:
                if subnet.overlaps(other):
                    raise ConfigError(
                        "two subnets overlap", path="OwnVpc", got=f"{other} and {subnet}"
                    )
            taken.append(subnet)

    @property
    def network(self) -> IPv4Network:
        """The range."""
        return ipv4_network(self.cidr, "OwnVpc: cidr")

    def subnets(self, zones: int, path: str) -> tuple[list[str], list[str]]:
        """Return the ranges of the private and the public subnets, one for each zone.

        Raises:
            ConfigError: the lists that were given are not one for each zone.

        """
        parts = list(self.network.subnets(new_prefix=self.network.prefixlen + 4))
        chosen = []
        for name, given, free in (
            ("private", self.private, parts[: _SHARES // 2]),
            ("public", self.public, parts[_SHARES // 2 :]),
        ):
            if given and len(given) != zones:
                raise ConfigError(
                    f"{name} subnets are not one for each zone",
                    path=path,
                    got=len(given),
                    want=str(zones),
                )
            chosen.append(list(given) or [str(part) for part in islice(free, zones)])
        return chosen[0], chosen[1]


@dataclass(frozen=True, kw_only=True)
class ExistingVpc:
    """A VPC that exists, by ids: literals, or tokens of other constructs.

    Attributes:
        vpc_id: the VPC.
        private: ids of subnets with a way out (NAT), for machines; or the token of a list.
        public: ids of subnets with an internet gateway, for entries; or the token of a list,
            and then entries have a fixed name instead of fixed addresses.
        cidr: the VPC's range, when it is known, or a token of it; else it is looked up.

    Raises:
        ConfigError: there are no private or no public subnets.

    """

    vpc_id: str
    private: Sequence[str]
    public: Sequence[str]
    cidr: str | None = None

    def __post_init__(self) -> None:
        """Refuse a network without subnets."""
        for kind, subnets in (("private", self.private), ("public", self.public)):
            if not subnets or isinstance(subnets, str):
                raise ConfigError(
                    "names no subnets",
                    path=f"ExistingVpc: {kind}",
                    got=subnets,
                    want="a list of subnet ids, or the token of one",
                )


@dataclass(frozen=True, kw_only=True)
class VpcByName:
    """A VPC that exists, found by its `Name` tag; its subnets by a tag of theirs.

    How many subnets there are is known as Terraform runs, so entries have a fixed name instead of
    fixed addresses.

    Attributes:
        name: the VPC's `Name`.
        private: `Name` pattern of the private subnets, `*` allowed.
        public: `Name` pattern of the public subnets, `*` allowed.

    """

    name: str
    private: str = "*private*"
    public: str = "*public*"


AwsNetwork = OwnVpc | ExistingVpc | VpcByName
"""Where machines get their addresses."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What machines and entries need to know of a network, owned or found.

    Attributes:
        vpc_id: token or id of the VPC.
        cidr: token or literal of its range.
        private: subnet ids for machines, or the token of a list.
        public: subnet ids for entries, one for each zone, or the token of a list.
        ready: what must be there before the world is reached, in both directions.

    """

    vpc_id: str
    cidr: str
    private: Sequence[str]
    public: Sequence[str]
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
    private, public = [], []
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
        vpc_id=vpc.id, cidr=network.cidr, private=private, public=public, ready=tuple(ready)
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
