"""What is in the control plane at first: users, a catalogue, sizes, images, networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crossgate import JETSTREAM2
from lab.control_plane.places import ADDRESS, PORTS, PUBLIC, REGION

PROJECT = "gateway"
USER = "deployer"
"""Who deploys, and where; the password is that of all."""

OUTSIDE = "203.0.113.0/24"
"""Floating addresses (RFC 5737: for documentation)."""

_SERVICES = {
    "glance": ("image", ""),
    "placement": ("placement", ""),
    "nova": ("compute", "/v2.1"),
    "neutron": ("network", ""),
    "heat": ("orchestration", "/v1/%(tenant_id)s"),
    "octavia": ("load-balancer", ""),
    "gnocchi": ("metric", ""),
    "aodh": ("alarming", ""),
}
_ROLES = ("heat_stack_owner", "heat_stack_user", "load-balancer_member", "service")
_MEBI = 1024


def make_identity(cloud: Any, password: str) -> None:  # noqa: ANN401  (openstacksdk ships no types)
    """Make roles, projects, users and the catalogue."""
    identity = cloud.identity
    there = {role.name for role in identity.roles()}
    for name in _ROLES:
        if name not in there:
            identity.create_role(name=name)
    role = {role.name: role for role in identity.roles()}
    service = identity.create_project(name="service", domain_id="default")
    project = identity.create_project(name=PROJECT, domain_id="default")
    for name in _SERVICES:
        user = identity.create_user(name=name, password=password, domain_id="default")
        for given in ("admin", "service"):
            identity.assign_project_role_to_user(service, user, role[given])
    user = identity.create_user(name=USER, password=password, domain_id="default")
    for given in ("member", "reader", "heat_stack_owner", "load-balancer_member"):
        identity.assign_project_role_to_user(project, user, role[given])
    domain = identity.create_domain(name="heat")
    # The administrator of the domain in which Heat makes users for its own signals.
    keeper = identity.create_user(name="heat_domain_admin", password=password, domain_id=domain.id)
    identity.assign_domain_role_to_user(domain, keeper, role["admin"])
    for name, (kind, path) in _SERVICES.items():
        entry = identity.create_service(name=name, type=kind)
        for interface, host in (("public", PUBLIC), ("internal", ADDRESS), ("admin", ADDRESS)):
            url = f"http://{host}:{PORTS[name]}{path}"
            identity.create_endpoint(
                service_id=entry.id, interface=interface, region_id=REGION, url=url
            )


def make_resources(cloud: Any, octavia: Any) -> str:  # noqa: ANN401  (openstacksdk ships no types)
    """Make sizes, images and networks; return the id of the amphorae's network.

    Args:
        cloud: a connection of the administrator.
        octavia: a connection of Octavia's user.

    """
    sizes = {
        name: (flavor.cpu, round(flavor.memory * _MEBI), flavor.disk)
        for name, flavor in JETSTREAM2.flavors.items()
    }
    for name, (processors, memory, disk) in sizes.items():
        cloud.compute.create_flavor(name=name, vcpus=processors, ram=memory, disk=disk)
    size: Mapping[str, object] = {"vcpus": 1, "ram": _MEBI, "disk": 2}
    cloud.compute.create_flavor(name="amphora", id="amphora", **size)
    _image(cloud.image, "debian-12", "public", [])
    _image(cloud.image, "amphora", "shared", ["amphora"])
    outside = cloud.network.create_network(
        name="public",
        is_router_external=True,
        is_shared=True,
        provider_network_type="flat",
        provider_physical_network="public",
    )
    about: dict[str, object] = {"ip_version": 4, "is_dhcp_enabled": False}
    cloud.network.create_subnet(name="public", network_id=outside.id, cidr=OUTSIDE, **about)
    inside = octavia.network.create_network(name="amphorae")
    octavia.network.create_subnet(
        name="amphorae",
        network_id=inside.id,
        cidr="192.0.2.0/24",
        ip_version=4,
    )
    return str(inside.id)


def make_measures(cloud: Any) -> None:  # noqa: ANN401  (as above)
    """Make what Ceilometer makes in Gnocchi as it is set up: how an instance is described."""
    text = {"type": "string", "min_length": 0, "max_length": 255, "required": False}
    names = ("display_name", "flavor_name", "host", "image_ref", "server_group")
    kind = {"name": "instance", "attributes": dict.fromkeys(names, text)}
    url = f"http://{ADDRESS}:{PORTS['gnocchi']}/v1/resource_type"
    cloud.session.post(url, json=kind)


def _image(service: Any, name: str, visibility: str, tags: Sequence[str]) -> None:  # noqa: ANN401  (as above)
    service.create_image(
        name=name,
        disk_format="raw",
        container_format="bare",
        visibility=visibility,
        min_disk=1,
        min_ram=256,
        tags=list(tags),
        allow_duplicates=True,
        data=b"\0" * _MEBI,
    )
