"""An entry without Octavia, as a real Neutron and a real Nova have it."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.deploy import Deployed, deploy
from lab.openstack import given

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.control_plane.plane import ControlPlane

pytestmark = [
    pytest.mark.openstack,
    # openstacksdk warns of how it calls itself.
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"),
]


NODES = ("edge-0", "edge-1")


@pytest.fixture(scope="module")
def deployed(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    project = plane.project
    made = deploy(
        Path(__file__).with_name("vip.py"),
        "vip",
        tmp_path_factory.mktemp("vip"),
        project.environment,
        {"vip": given(project)},
    )
    yield made
    made.destroy()


@pytest.fixture(scope="module")
def cloud(plane: ControlPlane, deployed: Deployed):
    return plane.project.deploy()


@pytest.fixture(scope="module")
def entry(cloud, deployed):
    """Return the port that no machine has, which the floating address leads to."""
    (outside,) = deployed.outputs["addresses"]
    (found,) = cloud.network.ips(floating_ip_address=outside)
    port = cloud.network.get_port(found.port_id)
    assert found.fixed_ip_address == port.fixed_ips[0]["ip_address"]
    return port


def nodes(cloud):
    return [one for one in cloud.network.ports() if one.name in NODES]


def test_the_floating_address_leads_to_a_port_of_nobody(entry):
    assert entry.device_id == ""
    assert entry.security_group_ids == []


def test_each_balancer_may_speak_for_it(cloud, entry):
    inside = entry.fixed_ips[0]["ip_address"]
    assert [
        [pair["ip_address"] for pair in port.allowed_address_pairs] for port in nodes(cloud)
    ] == [[inside], [inside]]


def test_clients_and_the_balancers_themselves_are_let_in(cloud, entry):
    (group,) = nodes(cloud)[0].security_group_ids
    rules = {
        (rule.protocol, rule.port_range_min, rule.remote_ip_prefix or rule.remote_group_id)
        for rule in cloud.network.security_group_rules(security_group_id=group)
        if rule.direction == "ingress"
    }
    assert rules == {("tcp", 9000, "198.51.100.0/24"), ("vrrp", None, group)}


def test_each_machine_knows_the_address_and_all_who_share_it(plane, cloud, entry):
    inside = entry.fixed_ips[0]["ip_address"]
    own = " ".join(port.fixed_ips[0]["ip_address"] for port in sorted(nodes(cloud), key=name_of))
    operator = plane.project.operate().compute
    # Other stacks of the project have servers too.
    servers = [
        operator.get_server(server.id) for server in cloud.compute.servers() if server.name in NODES
    ]
    assert len(servers) == 2
    for server in servers:
        text = gzip.decompress(base64.b64decode(server.user_data)).decode()
        assert f"for machine in {own}; do" in text
        assert f"{inside}/32" in text


def name_of(port):
    return port.name


def test_a_second_plan_is_empty(deployed):
    done = deployed.terraform("plan", "-detailed-exitcode", "-no-color")
    assert done.returncode == 0, done.stdout
