"""What an OpenStack cloud holds after a deploy: its machines and load balancers, read back.

User data is what Nova keeps for each machine, whether Terraform or Heat has asked for it; Nova
shows it to administrators, from compute API 2.3 on. Where the control plane is comes from `OS_...`
in the environment, as for every client of OpenStack.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from ipaddress import ip_address
from typing import Any

from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session
from openstack.connection import Connection

from lab.control_plane.places import ADDRESS, PORTS, PUBLIC
from lab.received import Entrance, Health, Instance, Listening, Target
from tools.toolbox import environment

_DOMAINS = {"OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default"}


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project of a control plane, and the operator who may see everything.

    Attributes:
        url: the Keystone, such as "http://127.0.0.1:5000/v3".
        user: who deploys.
        password: theirs.
        name: the project's.
        operator: an administrator.
        operator_password: theirs.
        operator_project: the administrators' project.
        region: default RegionOne.

    """

    url: str
    user: str
    password: str = field(repr=False)
    name: str
    operator: str
    operator_password: str = field(repr=False)
    operator_project: str
    region: str = "RegionOne"

    @property
    def environment(self) -> Mapping[str, str]:
        """The toolbox's environment, with the OpenStack provider led to the control plane."""
        return environment() | {
            "OS_AUTH_URL": self.url,
            "OS_USERNAME": self.user,
            "OS_PASSWORD": self.password,
            "OS_PROJECT_NAME": self.name,
            "OS_REGION_NAME": self.region,
            "OS_ENDPOINT_TYPE": "internal",
            **_DOMAINS,
        }

    def deploy(self) -> Any:  # noqa: ANN401  (as below)
        """Return a connection of who deploys."""
        return self._connect(self.user, self.password, self.name)

    def operate(self) -> Any:  # noqa: ANN401  (openstacksdk ships no types)
        """Return a connection of the operator."""
        return self._connect(self.operator, self.operator_password, self.operator_project)

    def _connect(self, user: str, password: str, project: str) -> Any:  # noqa: ANN401  (as above)
        """Log in by a session: `openstack.connect` would look for a clouds.yaml of the user's."""
        login = Password(
            auth_url=self.url,
            username=user,
            password=password,
            project_name=project,
            user_domain_name="Default",
            project_domain_name="Default",
        )
        return Connection(
            session=Session(auth=login), region_name=self.region, interface="internal"
        )


def instances(project: Project) -> list[Instance]:
    """Return the machines of all server groups of the project, by group and name.

    What belongs to no server group, an amphora of Octavia, is none of ours; what Nova still builds
    is none yet, and what it deletes none any more.
    """
    cloud = project.operate()
    owner = _owner(project)
    group_of = {
        machine: group.name
        for group in cloud.compute.server_groups(all_projects=True)
        for machine in group.member_ids
    }
    found = [
        Instance(
            id=server.id,
            group=group_of[server.id],
            address=_fixed_address(server),
            user_data=base64.b64decode(server.user_data, validate=True),
            tags=dict(server.metadata),
            firewalls=[group["name"] for group in server.security_groups],
        )
        for server in cloud.compute.servers(all_projects=True, project_id=owner)
        if server.id in group_of and _runs(server)
    ]
    return sorted(found, key=lambda machine: (machine.group, ip_address(machine.address)))


def entrances(project: Project) -> list[Entrance]:
    """Return Octavia's load balancers with their floating addresses, listeners and members."""
    cloud = project.operate()
    owner = _owner(project)
    return [
        Entrance(
            name=balancer.name,
            addresses=[
                address.floating_ip_address
                for address in cloud.network.ips(port_id=balancer.vip_port_id)
            ],
            listening=list(_listening(cloud.load_balancer, balancer.listeners)),
        )
        for balancer in cloud.load_balancer.load_balancers(project_id=owner)
    ]


@cache
def _owner(project: Project) -> str:
    """Return the id of the project, asked for once: it stays."""
    (found,) = project.operate().identity.projects(name=project.name)
    return str(found.id)


def _runs(server: Any) -> bool:  # noqa: ANN401  (openstacksdk's)
    # One that is being deleted is ACTIVE to the end, and loses its ports before.
    return bool(server.status == "ACTIVE" and not server.task_state and server.security_groups)


def _fixed_address(server: Any) -> str:  # noqa: ANN401  (openstacksdk's)
    (address,) = (
        entry["addr"]
        for network in server.addresses.values()
        for entry in network
        if entry["OS-EXT-IPS:type"] == "fixed" and entry["version"] == 4  # noqa: PLR2004
    )
    return str(address)


def _listening(service: Any, listeners: Sequence[Mapping[str, str]]) -> Iterator[Listening]:  # noqa: ANN401  (openstacksdk's)
    for entry in listeners:
        listener = service.get_listener(entry["id"])
        pool = service.get_pool(listener.default_pool_id)
        monitor = service.get_health_monitor(pool.health_monitor_id)
        members = list(service.members(pool.id))
        (asked,) = {member.monitor_port for member in members}
        yield Listening(
            port=listener.protocol_port,
            targets=[Target(name=m.name, address=m.address, port=m.protocol_port) for m in members],
            health=Health(
                port=asked,
                path=monitor.url_path,
                codes=monitor.expected_codes,
                every=timedelta(seconds=monitor.delay),
                timeout=timedelta(seconds=monitor.timeout),
                rise=monitor.max_retries,
                fall=monitor.max_retries_down,
            ),
            proxied=pool.protocol == "PROXYV2",
        )


def given(project: Project) -> dict[str, str]:
    """Return what the lab's stack must be told of the control plane: ids of what is there."""
    cloud = project.operate()
    (outside, *_) = cloud.network.networks(is_router_external=True)
    (image, *_) = (image for image in cloud.image.images() if image.visibility == "public")
    return {
        "image": image.id,
        "external_network_id": outside.id,
        "keystone": f"http://{PUBLIC}:{PORTS['keystone']}/v3",
    }


def apis(namespace: str) -> str:
    """Return what leads machines from the catalogue's public address to the APIs, for HAProxy.

    Args:
        namespace: name of the router's network namespace, below /run/netns.

    """
    return "\n".join(
        f"listen {name}\n    bind {PUBLIC}:{port} namespace {namespace}\n"
        f"    server {name} {ADDRESS}:{port}\n"
        for name, port in PORTS.items()
    )
