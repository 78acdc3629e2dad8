"""What the resources in a stack's JSON need of an OpenStack cloud."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossgate.cli.openstack.needs import HeatStack, Image, Machines, Needs
from crossgate.cli.synthesized import listed, one, texts, whole

if TYPE_CHECKING:
    from crossgate.cli.synthesized import Block, Cloud

_SERVICES = {
    "openstack_blockstorage_": "block-storage",
    "openstack_compute_": "compute",
    "openstack_containerinfra_": "container-infrastructure-management",
    "openstack_db_": "database",
    "openstack_dns_": "dns",
    "openstack_images_": "image",
    "openstack_keymanager_": "key-manager",
    "openstack_lb_": "load-balancer",
    "openstack_networking_": "network",
    "openstack_objectstorage_": "object-store",
    "openstack_orchestration_": "orchestration",
    "openstack_sharedfilesystem_": "shared-file-system",
}
"""Which service makes a resource, by the start of its type; names: OpenStack's service types."""

_COUNTED = {
    "openstack_blockstorage_volume_v3": "volumes",
    "openstack_compute_servergroup_v2": "server groups",
    "openstack_lb_listener_v2": "listeners",
    "openstack_lb_loadbalancer_v2": "load balancers",
    "openstack_lb_monitor_v2": "health monitors",
    "openstack_lb_pool_v2": "pools",
    "openstack_networking_floatingip_v2": "floating addresses",
    "openstack_networking_network_v2": "networks",
    "openstack_networking_port_v2": "ports",
    "openstack_networking_router_v2": "routers",
    "openstack_networking_secgroup_rule_v2": "rules of security groups",
    "openstack_networking_secgroup_v2": "security groups",
    "openstack_networking_subnet_v2": "subnets",
}
_PORTS_BESIDE = (
    "openstack_lb_loadbalancer_v2",  # its own address
    "openstack_networking_network_v2",  # DHCP
    "openstack_networking_router_interface_v2",
)
"""What Neutron makes one port of the project's for, though the JSON has none."""

_DEFAULT_RULES = 2  # that Neutron puts into a new security group: everything out, IPv4 and IPv6


def needs(cloud: Cloud) -> Needs:
    """Return what the stack needs of `cloud`."""
    return _Reading(cloud).read()


@dataclass
class _Reading:
    cloud: Cloud
    machines: list[Machines] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    key_pairs: set[str] = field(default_factory=set)
    volume_types: set[str] = field(default_factory=set)
    zones: set[str] = field(default_factory=set)
    alarmed: list[str] = field(default_factory=list)

    def read(self) -> Needs:
        cloud = self.cloud
        for block in cloud.made_of("openstack_compute_instance_v2"):
            self._instance(block)
        for block in cloud.made_of("openstack_orchestration_stack_v1"):
            self._stack(block)
        logins = cloud.made_of("openstack_identity_application_credential_v3")
        return Needs(
            services=self._services(),
            machines=self.machines,
            counted=self._counted(),
            external=self._external(),
            zones=sorted(self.zones),
            key_pairs=sorted(self.key_pairs),
            volume_types=sorted(self.volume_types),
            apart=any(
                "soft-anti-affinity" in (texts(block.arguments.get("policies")) or [])
                for block in cloud.made_of("openstack_compute_servergroup_v2")
            ),
            together=self._together(),
            stacks=[
                HeatStack(
                    name=block.called,
                    tags=texts(block.arguments.get("tags", [])) or [],
                    ids=[str(made.get("id")) for made in block.made],
                )
                for block in cloud.made_of("openstack_orchestration_stack_v1")
            ],
            roles=_roles(logins),
            unread=self.unread,
        )

    def _services(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for block in [*self.cloud.resources, *self.cloud.lookups]:
            for start, service in _SERVICES.items():
                if block.kind.startswith(start):
                    found.setdefault(service, block.called)
        for name in self.alarmed:
            found.setdefault("alarming", name)
            found.setdefault("metric", name)
        for machines in self.machines:
            found.setdefault("image", machines.of)
            found.setdefault("compute", machines.of)
            if machines.volume is not None:
                found.setdefault("block-storage", f"the boot volume of {machines.of}")
        return found

    def _counted(self) -> dict[str, int]:
        counted: Counter[str] = Counter()
        for block in self.cloud.resources:
            if block.kind in _COUNTED:
                counted[_COUNTED[block.kind]] += block.new
            if block.kind in _PORTS_BESIDE:
                counted["ports"] += block.new
            if block.kind == "openstack_networking_secgroup_v2" and not block.arguments.get(
                "delete_default_rules"
            ):
                counted["rules of security groups"] += _DEFAULT_RULES * block.new
            if block.kind == "openstack_lb_members_v2" and block.new:
                counted["members"] += len(listed(block.arguments.get("member")))
            if block.kind == "openstack_blockstorage_volume_v3":
                counted["gigabytes of volumes"] += block.new * (
                    whole(block.arguments.get("size")) or 0
                )
        for machines in self.machines:
            counted["servers"] += machines.more
            if machines.volume is not None:
                counted["volumes"] += machines.more
                counted["gigabytes of volumes"] += machines.more * machines.volume
            counted["ports"] += machines.more * machines.ports
        return dict(counted)

    def _together(self) -> int:
        sizes: Counter[str] = Counter()
        for machines in self.machines:
            if machines.group is not None:
                sizes[machines.group] += machines.most + machines.surge
        return max(sizes.values(), default=0)

    def _external(self) -> list[str]:
        cloud = self.cloud
        found: list[object] = [
            *(block.arguments.get("name") for block in self._networks_outside()),
            *(
                block.arguments.get("external_network_id")
                for block in cloud.made_of("openstack_networking_router_v2")
            ),
            *(
                block.arguments.get("pool")
                for block in cloud.made_of("openstack_networking_floatingip_v2")
            ),
        ]
        return sorted({text for name in found if (text := cloud.literal(name))})

    def _networks_outside(self) -> Iterator[Block]:
        for block in self.cloud.looked_up("openstack_networking_network_v2"):
            if block.arguments.get("external"):
                yield block

    def _instance(self, block: Block) -> None:
        given = block.arguments
        boot = next(
            (
                device
                for device in listed(given.get("block_device"))
                if device.get("destination_type") == "volume"
            ),
            None,
        )
        self._note(given.get("key_pair"), self.key_pairs)
        self._note(given.get("availability_zone"), self.zones)
        image = given.get("image_id")
        volume = None
        if boot is not None:
            image = image or boot.get("uuid")
            volume = whole(boot.get("volume_size")) or 0
            self._note(boot.get("volume_type"), self.volume_types)
        self.machines.append(
            Machines(
                of=block.called,
                flavor=self.cloud.literal(given.get("flavor_name") or given.get("flavor_id")),
                image=self._image(image, given.get("image_name")),
                volume=volume,
                most=block.new + len(block.made),
                now=len(block.made),
                ports=_without_port(given.get("network")),
                group=self._group(given.get("scheduler_hints")),
            )
        )

    def _group(self, hints: object) -> str | None:
        for hint in listed(hints):
            if (found := self.cloud.follow(hint.get("group"))) is not None:
                return found.address
        return None

    def _note(self, name: object, into: set[str]) -> None:
        if text := self.cloud.literal(name):
            into.add(text)

    def _image(self, image: object, name: object = None) -> Image:
        if (literal := self.cloud.literal(image)) is not None:
            return Image(id=literal)
        if (literal := self.cloud.literal(name)) is not None:
            return Image(name=literal)
        found = self.cloud.follow(image)
        if found is not None and found.kind == "openstack_images_image_v2":
            return Image(name=self.cloud.literal(found.arguments.get("name")))
        return Image()

    def _stack(self, block: Block) -> None:
        text = self.cloud.text(one(block.arguments.get("template_opts")).get("Bin"))
        try:
            resources = json.loads(text)["resources"].values()
        except (ValueError, LookupError, TypeError, AttributeError):
            self.unread.append(block.called)
            return
        for resource in resources:
            properties = resource.get("properties", {})
            if resource.get("type") == "OS::Heat::AutoScalingGroup":
                member = properties.get("resource", {})
                # A member may be a group of one, and that one a template of ours.
                while member.get("type") == "OS::Heat::AutoScalingGroup":
                    member = member["properties"]["resource"]
                if "flavor" in member.get("properties", {}):
                    self._members(block, properties, member["properties"])
            elif str(resource.get("type")).startswith("OS::Aodh::"):
                self.alarmed.append(block.called)
            elif resource.get("type") == "OS::Nova::Server":
                self._members(block, {"min_size": 1, "max_size": 1}, properties)

    def _members(self, block: Block, group: Mapping[str, Any], member: Mapping[str, Any]) -> None:
        most = whole(group.get("max_size"))
        if most is None:
            self.unread.append(block.called)
            return
        disks = listed(member.get("block_device_mapping_v2"))
        image = member.get("image") or (disks[0].get("image") if disks else None)
        self._note(member.get("key_name"), self.key_pairs)
        self._note(member.get("availability_zone"), self.zones)
        self.machines.append(
            Machines(
                of=block.called,
                flavor=self.cloud.literal(member.get("flavor")),
                image=self._image(image),
                volume=whole(disks[0].get("volume_size")) or 0 if disks else None,
                most=most,
                surge=whole(one(group.get("rolling_updates")).get("max_batch_size")) or 0,
                now=_size(block, whole(group.get("min_size")) or 0),
                ports=_without_port(member.get("networks")),
                group=self._group(member.get("scheduler_hints")),
            )
        )


def _roles(logins: Sequence[Block]) -> list[str] | None:
    if not logins:
        return None
    roles = (texts(block.arguments.get("roles", [])) or [] for block in logins)
    return sorted({role for given in roles for role in given})


def _without_port(networks: object) -> int:
    return sum("port" not in network for network in listed(networks))


def _size(block: Block, least: int) -> int:
    """Return how many members a group has by the state, which holds the output `size`."""
    if not block.made:
        return 0
    for output in listed(block.made[0].get("outputs")):
        if output.get("output_key") == "size" and str(output.get("output_value")).isdigit():
            return int(output["output_value"])
    return least
