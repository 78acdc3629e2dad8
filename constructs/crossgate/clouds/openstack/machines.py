"""Fixed machines: a port for each is reserved first, and an instance takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from crossgate.boot import cloud_init
from crossgate.boot.document import Document
from crossgate.clouds.openstack import catalogue, limits
from crossgate.clouds.openstack.bindings.compute import (
    ComputeInstanceV2,
    ComputeServergroupV2,
)
from crossgate.clouds.openstack.bindings.networking import NetworkingPortV2
from crossgate.clouds.openstack.tags import words
from crossgate.errors import ConfigError
from crossgate.model.names import shortened
from crossgate.model.text import Reference, Text
from crossgate.specs import Addresses
from crossgate.terraform.engine import path_of
from crossgate.terraform.locals import local_text

if TYPE_CHECKING:
    from crossgate.clouds.openstack.bindings.compute import ComputeInstanceV2BlockDevice
    from crossgate.clouds.openstack.catalogue import Carrier
    from crossgate.clouds.openstack.cloud import OpenStackCloud
    from crossgate.clouds.openstack.firewall import OpenStackFirewall
    from crossgate.model.rollout import Rollout
    from crossgate.specs import MachinesSpec
    from crossgate.terraform.engine import Construct

DOCUMENT_KEY = "crossgate-document"
"""Metadata of a machine: the SHA-1 of the user data that it should have been born with.

Terraform's state holds the SHA-1 of the user data that it was born with: a machine is out of date
where the two differ.
"""

# Every argument of ours that the provider can change only by making another instance.
_REPLACING = (
    "availability_zone",
    "block_device",
    "config_drive",
    "image_id",
    "key_pair",
    "scheduler_hints",
    "user_data",
)


@dataclass(frozen=True, kw_only=True)
class OpenStackReservation:
    """One port for each machine: its address is known before the machine is there.

    Attributes:
        cloud: where it is.
        name: what the machines are called.
        ports: one for each.
        firewalls: what they wear.
        shared: further addresses, which one of the machines has at a time.
        documents: what makes them share these.

    """

    cloud: OpenStackCloud
    name: str
    ports: Sequence[NetworkingPortV2]
    firewalls: Sequence[OpenStackFirewall]
    shared: list[str] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)

    def share(self, address: str, document: Document) -> None:
        """Let the machines have an address by turns, as `document` says."""
        self.shared.append(address)
        self.documents.append(document)

    @property
    def addresses(self) -> Sequence[str]:
        """The ports' IPv4 addresses, for constructs of the same stack."""
        return [NetworkingPortV2.all_fixed_ips.of(port, "[0]") for port in self.ports]

    @property
    def join(self) -> Addresses:
        """Look for the machines at the ports' addresses."""
        return Addresses(addresses=tuple(Text.of(Reference(address)) for address in self.addresses))


def reserve(
    cloud: OpenStackCloud,
    scope: Construct,
    *,
    name: str,
    count: int,
    firewalls: Sequence[OpenStackFirewall],
) -> OpenStackReservation:
    """Make a port in the cloud's subnet for each of `count` machines."""
    placement = cloud.placement
    shared: list[str] = []
    ports = [
        NetworkingPortV2(
            scope,
            f"port-{number}",
            name=_numbered(name, number),
            network_id=placement.network_id,
            fixed_ip=[{"subnet_id": placement.subnet_id}],
            admin_state_up=True,
            security_group_ids=[firewall.id for firewall in firewalls],
            # An entry comes later than those whom it leads to.
            allowed_address_pairs=lambda: [{"ip_address": one} for one in shared] or None,
            tags=words(cloud.tags),
            provider=cloud.provider,
        )
        for number in range(count)
    ]
    return OpenStackReservation(
        cloud=cloud, name=name, ports=ports, firewalls=tuple(firewalls), shared=shared
    )


def own_reservation(cloud: OpenStackCloud, given: object, path: str) -> OpenStackReservation:
    """Return a reservation of this cloud.

    Raises:
        ConfigError: it is another cloud's.

    """
    if isinstance(given, OpenStackReservation) and given.cloud is cloud:
        return given
    raise ConfigError(
        "the places were reserved elsewhere",
        path=path,
        got=given,
        want=f"what {cloud.name}.reserve(...) returned",
    )


def sharing(spec: MachinesSpec) -> MachinesSpec:
    """Return the spec of machines that share what their reservation says."""
    if not isinstance(spec.reservation, OpenStackReservation):
        return spec
    return replace(spec, document=Document.merge(spec.document, *spec.reservation.documents))


def fixed(cloud: OpenStackCloud, scope: Construct, spec: MachinesSpec) -> None:
    """Make an instance for each reserved port.

    Terraform replaces all instances of a change at once, and a port is in one instance only, so
    that no new one can come before the old one goes. Machines that must go on serving
    (`InstanceRefresh.min_healthy` above 0, the default, and `Leave`) are therefore never replaced
    by an apply of its own accord: a change shows in their metadata, and one replaces them one by
    one with `terraform apply -replace=ADDRESS`. With `min_healthy=0` an apply replaces them all.
    """
    reservation = own_reservation(cloud, spec.reservation, path_of(scope))
    # The provider encodes what is no base64 yet; cloud-init unpacks it.
    document = f"base64gzip({local_text(scope, 'document', cloud_init.render(spec.document))})"
    carrier = catalogue.carrier(cloud.profile, spec.machine)
    image = cloud.image_id()
    spread = keep_apart(cloud, scope, spec.name, spec.count)
    zones = cloud.profile.zones
    made = [
        ComputeInstanceV2(
            scope,
            f"server-{number}",
            name=cloud.names.take("server", _numbered(spec.name, number), path_of(scope)),
            flavor_name=carrier.flavor,
            image_id=None if carrier.volume else image,
            block_device=_boot_volume(cloud, carrier, image),
            key_pair=cloud.key_pair,
            network=[{"port": NetworkingPortV2.id.of(port)}],
            availability_zone=zones[number % len(zones)] if len(zones) > 1 else None,
            scheduler_hints=[{"group": ComputeServergroupV2.id.of(spread)}] if spread else None,
            config_drive=True,
            user_data=f"${{{document}}}",
            metadata=metadata(cloud, spec.tags, {DOCUMENT_KEY: f"${{sha1({document})}}"}),
            # A stopped machine has left its cluster; a deleted one is missing in it.
            stop_before_destroy=True,
            # The port must be free when the next instance takes it.
            vendor_options={"detach_ports_before_destroy": True},
            depends_on=cloud.placement.ready,
            lifecycle={"ignore_changes": _REPLACING} if _go_on(spec.rollout) else None,
            provider=cloud.provider,
        )
        for number, port in enumerate(reservation.ports)
    ]
    if spec.watch is not None:
        cloud.hearts[spec.watch.cluster] = made


def _go_on(rollout: Rollout) -> bool:
    return rollout.refresh is None or rollout.refresh.min_healthy > 0


def keep_apart(
    cloud: OpenStackCloud, scope: Construct, name: str, most: int
) -> ComputeServergroupV2 | None:
    """Make a server group that keeps up to `most` machines on different hosts where it can.

    None where the cloud has no such policy, or where Nova's quota for one group is smaller.
    """
    profile = cloud.profile
    if not profile.soft_anti_affinity or most > profile.server_group_members:
        return None
    return ComputeServergroupV2(
        scope,
        "spread",
        name=cloud.names.take("server group", shortened(name, limits.NAME), path_of(scope)),
        policies=["soft-anti-affinity"],
        provider=cloud.provider,
    )


def metadata(cloud: OpenStackCloud, *more: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata of a machine: the cloud's tags, then `more`."""
    merged = dict(cloud.tags)
    for part in more:
        merged.update(part)
    return merged


def _boot_volume(
    cloud: OpenStackCloud, carrier: Carrier, image: str
) -> list[ComputeInstanceV2BlockDevice] | None:
    if carrier.volume is None:
        return None
    return [
        {
            "source_type": "image",
            "uuid": image,
            "destination_type": "volume",
            "boot_index": 0,
            "volume_size": carrier.volume,
            "volume_type": cloud.profile.volume_type,
            "delete_on_termination": True,
        }
    ]


def _numbered(name: str, number: int) -> str:
    ending = f"-{number}"
    return shortened(name, limits.HOST_NAME - len(ending)) + ending
