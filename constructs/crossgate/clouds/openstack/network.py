"""The network: one of our own behind a router, or one that exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from crossgate.clouds.openstack.bindings.data import (
    DataNetworkingNetworkV2,
    DataNetworkingSubnetV2,
)
from crossgate.clouds.openstack.bindings.networking import (
    NetworkingNetworkV2,
    NetworkingRouterInterfaceV2,
    NetworkingRouterV2,
    NetworkingSubnetV2,
)
from crossgate.clouds.openstack.tags import words
from crossgate.errors import ConfigError
from crossgate.model.net import ipv4_network
from crossgate.model.value import Many, value
from crossgate.terraform.engine import TerraformLocal

if TYPE_CHECKING:
    from crossgate.clouds.openstack.cloud import OpenStackCloud
    from crossgate.terraform.engine import ITerraformDependable

# A gateway's address, DHCP's and a few machines: a smaller subnet is a mistake.
_SMALLEST_PREFIX = 28


@value
class OwnNetwork:
    """A network of one's own: a subnet for machines, and a router to the external network.

    Attributes:
        cidr: the cloud's range, which no other cloud shares; /28 or larger.
        subnet: the subnet's range, a part of it; default: all of it.
        dns: addresses of DNS servers for the machines; default: the cloud's own.
        first: first address that machines are given; default: the subnet's first free one.
        last: last address that machines are given; default: the subnet's last one.

    Raises:
        ConfigError: a range is none, the subnet lies outside, or an address outside the subnet.

    """

    cidr: str = field(kw_only=False)
    subnet: str | None = None
    dns: Many[str] = ()
    first: str | None = None
    last: str | None = None

    def __post_init__(self) -> None:
        """Refuse ranges and addresses that do not fit into each other."""
        whole = ipv4_network(self.cidr, "OwnNetwork: cidr")
        part = self.machines
        if part.prefixlen > _SMALLEST_PREFIX:
            raise ConfigError(
                "is too small for machines",
                path="OwnNetwork",
                got=str(part),
                want=f"/{_SMALLEST_PREFIX} or larger",
            )
        if not part.subnet_of(whole):
            raise ConfigError(
                "a subnet lies outside its network",
                path="OwnNetwork: subnet",
                got=str(part),
                want=f"a part of {whole}",
            )
        for server in self.dns:
            _address(server, "OwnNetwork: dns")
        if (self.first is None) != (self.last is None):
            raise ConfigError(
                "names one end of the addresses only",
                path="OwnNetwork",
                got={"first": self.first, "last": self.last},
                want="both or neither",
            )
        if self.first is not None and self.last is not None:
            ends = [_address(end, "OwnNetwork") for end in (self.first, self.last)]
            if ends[0] > ends[1] or not all(end in part for end in ends):
                raise ConfigError(
                    "the addresses for machines lie outside the subnet, or upside down",
                    path="OwnNetwork",
                    got=f"{self.first} to {self.last}",
                    want=f"first <= last, both in {part}",
                )

    @property
    def machines(self) -> IPv4Network:
        """The subnet's range."""
        return ipv4_network(self.subnet or self.cidr, "OwnNetwork: subnet")


@dataclass(frozen=True, kw_only=True)
class ExistingNetwork:
    """A network that exists and leads out, by ids: literals, or tokens of other constructs.

    Attributes:
        network_id: the network.
        subnet_id: its IPv4 subnet.
        cidr: the subnet's range, when it is known; else it is looked up.

    """

    network_id: str
    subnet_id: str
    cidr: str | None = None


@value
class NetworkByName:
    """A network that exists and leads out, found by name as Terraform runs.

    Attributes:
        name: the network's name.
        subnet: its IPv4 subnet's name; default: the only one it has.

    """

    name: str = field(kw_only=False)
    subnet: str | None = None


OpenStackNetwork = OwnNetwork | ExistingNetwork | NetworkByName
"""Where machines get their addresses."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What machines and entries need to know of a network, owned or found.

    Attributes:
        network_id: id or token.
        subnet_id: id or token.
        cidr: the subnet's range, literal or token.
        ways_out: tokens of the addresses by which machines reach the world; none: not known.
        ready: what must be there before a machine reaches the world.

    """

    network_id: str
    subnet_id: str
    cidr: str
    ways_out: Sequence[str] = ()
    ready: Sequence[ITerraformDependable] = ()


def build_network(
    cloud: OpenStackCloud, network: OpenStackNetwork, *, name: str, external_network_id: str | None
) -> Placement:
    """Make the network, or find it."""
    if isinstance(network, OwnNetwork):
        return _own(cloud, network, name=name, external_network_id=external_network_id)
    if isinstance(network, NetworkByName):
        return _by_name(cloud, network)
    cidr = network.cidr
    if cidr is None:
        found = DataNetworkingSubnetV2(
            cloud, "subnet", subnet_id=network.subnet_id, provider=cloud.provider
        )
        cidr = found.cidr
    return Placement(network_id=network.network_id, subnet_id=network.subnet_id, cidr=cidr)


def _by_name(cloud: OpenStackCloud, network: NetworkByName) -> Placement:
    found = DataNetworkingNetworkV2(cloud, "network", name=network.name, provider=cloud.provider)
    subnet = DataNetworkingSubnetV2(
        cloud,
        "subnet",
        network_id=found.id,
        name=network.subnet,
        ip_version=4,
        provider=cloud.provider,
    )
    return Placement(network_id=found.id, subnet_id=subnet.id, cidr=subnet.cidr)


def _own(
    cloud: OpenStackCloud, network: OwnNetwork, *, name: str, external_network_id: str | None
) -> Placement:
    tags, provider = words(cloud.tags), cloud.provider
    made = NetworkingNetworkV2(
        cloud, "network", name=name, admin_state_up=True, tags=tags, provider=provider
    )
    subnet = NetworkingSubnetV2(
        cloud,
        "subnet",
        name=name,
        network_id=NetworkingNetworkV2.id.of(made),
        cidr=str(network.machines),
        ip_version=4,
        dns_nameservers=network.dns,
        allocation_pool=(
            [{"start": network.first, "end": network.last}] if network.first else None
        ),
        tags=tags,
        provider=provider,
    )
    router = NetworkingRouterV2(
        cloud,
        "router",
        name=name,
        admin_state_up=True,
        external_network_id=external_network_id or _external(cloud),
        tags=tags,
        provider=provider,
    )
    interface = NetworkingRouterInterfaceV2(
        cloud,
        "router-interface",
        router_id=NetworkingRouterV2.id.of(router),
        subnet_id=NetworkingSubnetV2.id.of(subnet),
        provider=provider,
    )
    return Placement(
        network_id=made.id,
        subnet_id=subnet.id,
        cidr=str(network.machines),
        # Of a machine without an address of its own Neutron writes that of the router.
        ways_out=(_address_outside(cloud, router),),
        ready=(interface,),
    )


def _address_outside(cloud: OpenStackCloud, router: NetworkingRouterV2) -> str:
    """Return the IPv4 address of a router outside; the network there may have IPv6 too."""
    fixed = router.terraform_address("external_fixed_ip")
    found = f'[for one in {fixed} : one.ip_address if length(regexall(":", one.ip_address)) == 0]'
    return TerraformLocal(cloud, "address-outside", f"${{{found}[0]}}").as_string


def _external(cloud: OpenStackCloud) -> str:
    profile = cloud.profile
    same = cloud.external_network == profile.external_network
    if same and profile.external_network_id is not None:
        return profile.external_network_id
    return DataNetworkingNetworkV2(
        cloud,
        "external-network",
        name=cloud.external_network,
        external=True,
        provider=cloud.provider,
    ).id


def _address(text: str, path: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise ConfigError("is no IPv4 address", path=path, got=text) from None
