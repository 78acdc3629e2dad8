"""What a gateway file says of OpenStack."""

from __future__ import annotations

from dataclasses import field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from crossgate.clouds.openstack.cloud import OpenStackCloud
from crossgate.clouds.openstack.keeper import Healing
from crossgate.clouds.openstack.network import ExistingNetwork, NetworkByName, OwnNetwork
from crossgate.clouds.openstack.profile import PROFILES, OpenStackProfile
from crossgate.errors import ConfigError
from crossgate.model.machine import Image
from crossgate.model.value import Many, Table, value

if TYPE_CHECKING:
    from crossgate.terraform.engine import Construct


@value
class ExistingNetworkPlan:
    """A network that exists, by ids or by names.

    Attributes:
        id: the network's id; then `subnet` is its subnet's id.
        name: the network's name; then `subnet` is its subnet's name, when it has several.
        subnet: the IPv4 subnet.
        cidr: the subnet's range, when it is known.

    """

    id: str | None = None
    name: str | None = None
    subnet: str | None = None
    cidr: str | None = None

    def __post_init__(self) -> None:
        """Refuse a network that is named twice, not at all or without its subnet."""
        if (self.id is None) == (self.name is None):
            raise ConfigError("is found by its id or by its name", got=[self.id, self.name])
        if self.id is not None and self.subnet is None:
            raise ConfigError("names no subnet", want="subnet, the subnet's id")

    def network(self) -> ExistingNetwork | NetworkByName:
        """Return what the cloud takes."""
        if self.name is not None:
            return NetworkByName(self.name, subnet=self.subnet)
        return ExistingNetwork(network_id=str(self.id), subnet_id=str(self.subnet), cidr=self.cidr)


@value
class Plan:
    """One region of an OpenStack cloud.

    Attributes:
        profile: what the cloud offers: "jetstream2", "devstack", or an `OpenStackProfile` written
            out.
        image: a name of the profile ("ubuntu-24.04"), or an id.
        image_lookup: a look-up by name, instead of `image`.
        network: the range of a network of its own.
        own: more to say of a network of its own, instead of `network`.
        existing: a network that exists, instead of `network`.
        cloud: the entry of clouds.yaml that has the credentials; default: the environment.
        region: default: the profile's.
        external_network: name of the network that leads out; default: the profile's.
        external_network_id: its id; default: looked up by name.
        key_pair: name of a key pair.
        healing: when dead machines of its groups are replaced; null: never.
        ways_out: addresses by which machines of a network that exists reach others.
        tags: put on everything in this cloud.

    """

    type: Literal["openstack"] = "openstack"
    profile: str | OpenStackProfile
    image: str | None = None
    image_lookup: Image | None = None
    network: str | None = None
    own: OwnNetwork | None = None
    existing: ExistingNetworkPlan | None = None
    cloud: str | None = None
    region: str | None = None
    external_network: str | None = None
    external_network_id: str | None = None
    key_pair: str | None = None
    healing: Healing | None = Healing()
    ways_out: Many[str] = ()
    tags: Table[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse two networks, two images or none, and a profile that is not there."""
        given = [n for n in ("network", "own", "existing") if getattr(self, n) is not None]
        if len(given) > 1:
            raise ConfigError("names two networks", got=given, want="one of them")
        if (self.image is None) == (self.image_lookup is None):
            raise ConfigError("names two images, or none", want="image or image_lookup")
        if isinstance(self.profile, str) and self.profile not in PROFILES:
            near = get_close_matches(self.profile, PROFILES, n=1)
            raise ConfigError(
                "no profile has this name",
                path="profile",
                got=self.profile,
                want=f"{', '.join(PROFILES)}, or a profile written out",
                do=f'write "{near[0]}"' if near else None,
            )

    def build(self, scope: Construct, id: str) -> OpenStackCloud:
        """Make the cloud."""
        profile = PROFILES[self.profile] if isinstance(self.profile, str) else self.profile
        existing = self.existing.network() if self.existing else None
        return OpenStackCloud(
            scope,
            id,
            profile=profile,
            image=self.image_lookup or self.image or "",
            network=existing or self.own or self.network or "10.0.0.0/16",
            cloud=self.cloud,
            region=self.region,
            external_network=self.external_network,
            external_network_id=self.external_network_id,
            key_pair=self.key_pair,
            ways_out=self.ways_out,
            healing=self.healing,
            tags=self.tags,
        )
