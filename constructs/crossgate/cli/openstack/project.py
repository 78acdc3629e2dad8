"""The questions to an OpenStack project, each answered in plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from crossgate.cli.openstack.facts import GIBI, Flavor, FoundImage

if TYPE_CHECKING:
    from crossgate.cli.openstack.login import Login
    from crossgate.cli.openstack.needs import Image

_APART_SINCE = (2, 15)  # compute API version in which soft-anti-affinity came


@dataclass(frozen=True, kw_only=True)
class Quota:
    """A quota: its limit, below 0 when there is none, and what is used of it."""

    limit: float
    used: float


class Project:
    """What can be asked of a project; every method may raise what openstacksdk raises."""

    def __init__(self, login: Login) -> None:
        self._cloud: Any = login.connection
        self._id = self._cloud.current_project_id

    @property
    def heat(self) -> Any:  # noqa: ANN401  (openstacksdk's)
        """Heat, as openstacksdk has it."""
        return self._cloud.orchestration

    def flavors(self) -> dict[str, Flavor]:
        """Return the flavors that the project may use, by name."""
        return {
            one.name: Flavor(
                id=one.id, name=one.name, cpu=one.vcpus, memory=one.ram, disk=one.disk or 0
            )
            for one in self._cloud.compute.flavors()
        }

    def zones(self) -> list[str]:
        """Return the availability zones that can be used."""
        return sorted(
            zone.name
            for zone in self._cloud.compute.availability_zones()
            if (zone.state or {}).get("available", True)
        )

    def apart(self) -> bool:
        """Return whether Nova knows soft-anti-affinity."""
        newest = self._cloud.compute.get_endpoint_data().max_microversion
        return newest is not None and tuple(newest) >= _APART_SINCE

    def external(self) -> dict[str, str]:
        """Return the ids of the networks that lead out, by name."""
        return {one.name: one.id for one in self._cloud.network.networks(is_router_external=True)}

    def images(self, image: Image) -> list[FoundImage]:
        """Return the images of an id or of a name, the newest first."""
        service = self._cloud.image
        if image.id is not None:
            found = [one for one in [service.find_image(image.id, ignore_missing=True)] if one]
        else:
            found = list(service.images(name=image.name, sort="created_at:desc"))
        return [
            FoundImage(
                id=one.id,
                name=one.name or one.id,
                status=one.status,
                disk=max(one.min_disk or 0, ceil((one.virtual_size or one.size or 0) / GIBI)),
                memory=one.min_ram or 0,
            )
            for one in found
        ]

    def key_pairs(self) -> set[str]:
        """Return the names of the user's key pairs."""
        return {one.name for one in self._cloud.compute.keypairs()}

    def volume_types(self) -> set[str]:
        """Return the names of the volume types."""
        return {one.name for one in self._cloud.block_storage.types()}

    def compute(self) -> tuple[Mapping[str, Quota], int | None]:
        """Return Nova's quotas, memory in MiB, and how many a server group may have."""
        found = self._cloud.compute.get_limits().absolute
        quotas = {
            "servers": Quota(limit=found.instances, used=found.instances_used),
            "cores": Quota(limit=found.total_cores, used=found.total_cores_used),
            "memory": Quota(limit=found.total_ram, used=found.total_ram_used),
            "server groups": Quota(limit=found.server_groups, used=found.server_groups_used),
        }
        return quotas, found.server_group_members

    def network(self) -> Mapping[str, Quota]:
        """Return Neutron's quotas."""
        found = self._cloud.network.get_quota(self._id, details=True)
        return {
            name: Quota(limit=given["limit"], used=given["used"] + given.get("reserved", 0))
            for name, given in (
                ("networks", found.networks),
                ("subnets", found.subnets),
                ("ports", found.ports),
                ("routers", found.routers),
                ("floating addresses", found.floating_ips),
                ("security groups", found.security_groups),
                ("rules of security groups", found.security_group_rules),
            )
            if given
        }

    def volumes(self) -> Mapping[str, Quota]:
        """Return Cinder's quotas."""
        found = self._cloud.block_storage.get_limits().absolute
        return {
            "volumes": Quota(limit=found.max_total_volumes, used=found.total_volumes_used),
            "gigabytes of volumes": Quota(
                limit=found.max_total_volume_gigabytes, used=found.total_gigabytes_used
            ),
        }

    def balancers(self, names: Sequence[str]) -> Iterator[tuple[str, Quota]]:
        """Yield Octavia's quotas of these things; it does not say itself what is used."""
        service = self._cloud.load_balancer
        limits = service.get_quota(self._id)
        lists = {
            "load balancers": (limits.load_balancers, service.load_balancers),
            "listeners": (limits.listeners, service.listeners),
            "pools": (limits.pools, service.pools),
            "members": (limits.members, service.pools),
            "health monitors": (limits.health_monitors, service.health_monitors),
        }
        for name in names:
            limit, every = lists[name]
            found = list(every(project_id=self._id))
            used = len(found)
            if name == "members":
                used = sum(len(pool.members or ()) for pool in found)
            yield name, Quota(limit=-1 if limit is None else limit, used=used)
