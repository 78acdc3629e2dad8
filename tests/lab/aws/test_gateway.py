"""The AWS half of the gateway, from user data alone: real Terraform, moto, machines that boot."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
import socket
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from lab.aws_machines import template_of
from lab.lifecycle import ANSWERED
from lab.machine import Machine, until
from lab.metadata import NOTICE, TO_GO
from lab.network import entered
from lab.thrift.client import Client
from stacks.lab import AWS

if TYPE_CHECKING:
    from lab.clouds import Clouds

pytestmark = [pytest.mark.lab, pytest.mark.terraform]

SERVERS = ["aws-disc1", "aws-disc2", "aws-disc3"]
APIS = ["aws-api1", "aws-api2"]
EDGES = ["aws-edge1", "aws-edge2"]
PORT = 9000
METADATA = "http://169.254.169.254/latest"
MOST_SECONDS = 300


@pytest.fixture(scope="module")
def served(clouds: Clouds) -> Clouds:
    """Return the clouds as soon as every entrance leads to the service."""
    for address in clouds.places[AWS].addresses:
        until(
            lambda a=address: who_serves(clouds, a) is not None,
            seconds=60,
            what=f"{address} serves",
        )
    return clouds


async def call(address: str, name: str, **arguments: object) -> Any:
    client = await Client.connect(address, PORT)
    try:
        return await asyncio.wait_for(client.call(name, **arguments), 5)
    finally:
        client.abort()


def ask(clouds: Clouds, address: str, name: str, **arguments: object) -> Any:
    with entered(clouds.lab.client_namespace):
        return asyncio.run(call(address, name, **arguments))


def who_serves(clouds: Clouds, address: str) -> str | None:
    """Return who answers; None when nobody does, or a connection breaks."""
    try:
        return ask(clouds, address, "who").name
    except (OSError, EOFError):
        return None


def of_consul(machine: Machine, path: str) -> Any:
    return json.loads(machine.run("curl", "-sS", f"http://127.0.0.1:8500{path}"))


def of_metadata(machine: Machine, path: str) -> str:
    script = (
        f"token=$(curl -sS -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60'"
        f" {METADATA}/api/token); "
        f'curl -sS -w "%{{http_code}}" -H "X-aws-ec2-metadata-token: $token" {METADATA}/{path}'
    )
    return machine.run("sh", "-c", script)


def test_every_machine_of_every_group_is_booted(clouds):
    assert sorted(clouds.machines) == sorted([*SERVERS, *APIS, *EDGES])


def test_a_machine_boots_from_exactly_what_the_api_holds(clouds):
    ec2 = clouds.account.client("ec2")
    for name, instance in clouds.places[AWS].instances.items():
        found = ec2.describe_instances(InstanceIds=[instance.id])["Reservations"][0]["Instances"]
        held = base64.b64decode(template_of(ec2, found[0])["UserData"])
        born = clouds.machines[name].run("base64", "/var/lib/cloud/instance/user-data.txt")
        assert base64.b64decode(born) in {held, gzip.decompress(held)}


def test_it_is_up_in_less_than_five_minutes(clouds):
    assert sum(clouds.phases.values()) < MOST_SECONDS


def test_the_launch_template_and_the_instance_hold_the_same(clouds):
    ec2 = clouds.account.client("ec2")
    for instance in clouds.places[AWS].instances.values():
        asked = {"InstanceId": instance.id, "Attribute": "userData"}
        held = ec2.describe_instance_attribute(**asked)["UserData"]["Value"]
        assert base64.b64decode(held) == instance.user_data


def test_three_consul_servers_elect_one_leader(clouds):
    leaders = {of_consul(clouds.machines[name], "/v1/status/leader") for name in SERVERS}
    (leader,) = leaders
    addresses = {clouds.machines[name].order.address for name in SERVERS}
    assert leader.removesuffix(":8300") in addresses
    assert set(of_consul(clouds.machines[SERVERS[0]], "/v1/status/peers")) == {
        f"{address}:8300" for address in addresses
    }


def test_servers_are_found_by_their_tag_and_nothing_else(clouds):
    servers = [clouds.places[AWS].instances[name] for name in SERVERS]
    for name in (*APIS, *EDGES):
        said = clouds.machines[name].journal("consul")
        for server in servers:
            assert f"Instance {server.id} has private ip {server.address}" in said


def test_all_machines_are_members(clouds):
    def alive() -> set[str]:
        members = of_consul(clouds.machines["aws-api1"], "/v1/agent/members")
        return {member["Addr"] for member in members if member["Status"] == 1}

    booted = {machine.order.address for machine in clouds.machines.values()}
    until(lambda: alive() == booted, seconds=30, what="all machines are members")


def test_the_service_is_registered_with_a_check_that_passes(served):
    # Of a machine that has vanished, as one in tests of faults, the check is there for some time.
    passing = of_consul(served.machines["aws-disc1"], "/v1/health/service/api?passing")
    assert len(passing) == len(APIS)
    checks = [check for one in passing for check in one["Checks"] if check["ServiceName"]]
    assert {(check["Type"], check["Status"]) for check in checks} == {("tcp", "passing")}


def test_thrift_is_served_at_every_address_of_the_entrance(served):
    addresses = served.places[AWS].addresses
    assert len(addresses) == 2
    for address in addresses:
        assert ask(served, address, "echo", text="two clouds").text == "two clouds"


def test_both_machines_of_the_service_answer(served):
    address = served.places[AWS].addresses[0]
    seen = {ask(served, address, "who").name for _ in range(40)}
    assert seen == set(APIS)


def test_the_service_is_what_the_bucket_holds(served):
    machine = served.machines["aws-api1"]
    assert "gateway-service-1.0.pyz" in machine.run("ls", "/opt/api")
    assert ask(served, served.places[AWS].addresses[0], "who").version == "1.0"


def test_the_metadata_service_wants_a_token(clouds):
    machine = clouds.machines["aws-api1"]
    plain = machine.run(
        "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", f"{METADATA}/meta-data/instance-id"
    )
    assert plain == "401"


def test_the_metadata_service_tells_each_machine_of_itself(clouds):
    for name, instance in clouds.places[AWS].instances.items():
        assert of_metadata(clouds.machines[name], "meta-data/instance-id") == f"{instance.id}200"


def test_the_credentials_of_a_machine_are_those_of_its_role(clouds):
    machine = clouds.machines["aws-edge1"]
    role = "gateway-gw-edge-us-east-1-aws"
    below = "meta-data/iam/security-credentials/"
    assert of_metadata(machine, below) == f"{role}200"
    assert of_metadata(machine, f"{below}gateway-gw-api-us-east-1-aws").endswith("404")
    given = json.loads(of_metadata(machine, f"{below}{role}").removesuffix("200"))
    assert given["Code"] == "Success"


def test_the_entrance_leaves_a_balancer_that_says_it_is_unfit(served):
    edge = served.places[AWS].edge
    lost = served.places[AWS].instances["aws-edge1"]
    target = f"gateway-gw-edge:{PORT}/{lost.id}"
    until(lambda: edge.fit()[target], seconds=40, what="both balancers are fit")
    served.machines["aws-edge1"].run("systemctl", "stop", "haproxy")
    until(lambda: not edge.fit()[target], seconds=40, what="one is left")
    for address in served.places[AWS].addresses:
        assert {who_serves(served, address) for _ in range(10)} <= set(APIS)
    served.machines["aws-edge1"].run("systemctl", "start", "haproxy")
    until(lambda: edge.fit()[target], seconds=40, what="it is taken back")


def told(clouds: Clouds) -> int:
    """Return how many connections the balancers tell Consul of."""
    watch = ("/usr/bin/python3", "/usr/local/lib/crossgate/consul_watch.py")
    notes = json.loads(clouds.machines["aws-disc1"].run(*watch, "gather", "figures."))
    return sum(json.loads(one)["services"]["api"]["connections"] for one in notes.values())


def test_cloudwatch_is_told_what_the_balancers_see(served):
    cloudwatch = served.account.client("cloudwatch")
    dimensions = [
        {"Name": "Cluster", "Value": "gateway-gw-discovery"},
        {"Name": "Service", "Value": "api"},
    ]

    def seen() -> float:
        now = datetime.now(UTC)
        points = cloudwatch.get_metric_statistics(
            Namespace="Crossgate",
            MetricName="Connections",
            Dimensions=dimensions,
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=1),
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
        return max((point["Maximum"] for point in points), default=-1)

    until(lambda: seen() >= 0, seconds=60, what="CloudWatch is told")
    address = served.places[AWS].addresses[0]
    with entered(served.lab.client_namespace):
        held = [socket.create_connection((address, PORT), timeout=10) for _ in range(30)]
    until(lambda: seen() >= 30, seconds=60, what="CloudWatch is told of 30 connections")
    # After a reload they are held by processes that listen no more.
    for edge in ("aws-edge1", "aws-edge2"):
        served.machines[edge].run("systemctl", "reload", "haproxy")
    time.sleep(12)
    assert told(served) == 30
    for connection in held:
        connection.close()


def test_a_machine_that_ec2_takes_back_leaves_the_balancers_by_itself(served):
    ec2 = served.account.client("ec2")
    lost = served.places[AWS].instances["aws-api1"].id
    address = served.places[AWS].addresses[0]
    ec2.create_tags(Resources=[lost], Tags=[{"Key": NOTICE, "Value": "2026-01-01T00:02:00Z"}])
    until(
        lambda: {who_serves(served, address) for _ in range(10)} == {"aws-api2"},
        seconds=30,
        what="it is out of the lists",
    )
    machine = served.machines["aws-api1"]
    assert machine.run("systemctl", "is-active", "api").strip() == "active"
    assert re.search(r"leaves: EC2 takes it back: .*2026-01-01T00:02:00Z", lifecycle_log(machine))
    ec2.delete_tags(Resources=[lost], Tags=[{"Key": NOTICE}])
    machine.run("systemctl", "restart", "crossgate-leave", "crossgate-lifecycle")
    until(lambda: who_serves(served, address) == "aws-api1", seconds=30, what="it is back")


def test_a_machine_that_its_group_ends_leaves_before_it_says_so(served):
    lost = served.places[AWS].instances["aws-api2"].id
    machine = served.machines["aws-api2"]
    ec2 = served.account.client("ec2")
    ec2.create_tags(Resources=[lost], Tags=[{"Key": TO_GO, "Value": ""}])
    until(lambda: "left" in answered(served, lost), seconds=60, what="the group is told")
    said = lifecycle_log(machine)
    ec2.delete_tags(Resources=[lost], Tags=[{"Key": TO_GO}])
    machine.run("systemctl", "restart", "crossgate-leave", "crossgate-lifecycle")
    address = served.places[AWS].addresses[0]
    until(lambda: who_serves(served, address) == "aws-api2", seconds=30, what="it is back")
    assert "leaves: its group ends it" in said


def test_a_machine_that_leaves_waits_for_its_connections_as_long_as_it_shall(served):
    machine = served.machines["aws-api2"]

    def leaving() -> float:
        began = time.monotonic()
        machine.run("/usr/local/lib/crossgate/leave")
        return time.monotonic() - began

    with entered(served.machines["aws-edge1"].namespace):
        held = socket.create_connection((machine.order.address, 9190), timeout=10)
    with held:
        assert leaving() >= 3 + 3  # to be out of the lists, and the drain of stacks/lab.py
    assert leaving() < 3 + 3
    machine.run("systemctl", "restart", "crossgate-leave")


def lifecycle_log(machine: Machine) -> str:
    return machine.run("journalctl", "--unit=crossgate-lifecycle", "--output=cat", "--no-pager")


def answered(served: Clouds, instance: str) -> set[str]:
    """Return the hooks that an instance has answered."""
    tags = served.account.client("ec2").describe_tags(
        Filters=[{"Name": "resource-id", "Values": [instance]}]
    )["Tags"]
    return {t["Key"].removeprefix(ANSWERED) for t in tags if t["Key"].startswith(ANSWERED)}


def state_of(served: Clouds, instance: str) -> str:
    client = served.account.client("autoscaling")
    (one,) = client.describe_auto_scaling_instances(InstanceIds=[instance])["AutoScalingInstances"]
    return str(one["LifecycleState"])


@pytest.mark.parametrize("name", [*SERVERS, *APIS])
def test_who_is_ready_has_said_so_to_its_group(served, name):
    instance = served.places[AWS].instances[name].id
    assert (state_of(served, instance), "ready" in answered(served, instance)) == (
        "InService",
        True,
    )


def test_a_balancer_counts_when_the_load_balancer_finds_it_fit(served):
    for name in EDGES:
        assert "crossgate-lifecycle" not in served.machines[name].run("systemctl", "list-units")


def test_a_machine_whose_service_fails_for_long_tells_its_group(served):
    client = served.account.client("autoscaling")
    lost = served.places[AWS].instances["aws-api1"].id

    def health() -> str:
        (one,) = client.describe_auto_scaling_instances(InstanceIds=[lost])["AutoScalingInstances"]
        return str(one["HealthStatus"]).lower()

    assert health() == "healthy"
    machine = served.machines["aws-api1"]
    machine.run("systemctl", "stop", "api")
    until(lambda: health() == "unhealthy", seconds=120, what="the group is told")
    machine.run("systemctl", "start", "api")
    client.set_instance_health(InstanceId=lost, HealthStatus="Healthy")
    address = served.places[AWS].addresses[0]
    until(lambda: who_serves(served, address) == "aws-api1", seconds=30, what="it is back")


def test_a_replaced_machine_serves_from_boot_alone(served):
    address = served.places[AWS].addresses[0]
    began = time.monotonic()
    fresh = served.replace("aws-api2")
    instance = served.places[AWS].instances[fresh.order.name].id
    assert state_of(served, instance) == "Pending:Wait"
    until(
        lambda: who_serves(served, address) == fresh.order.name,
        seconds=60,
        what=f"{fresh.order.name} serves",
    )
    until(lambda: state_of(served, instance) == "InService", seconds=20, what="it counts")
    served.phases["a new machine, from its order to its first call"] = time.monotonic() - began
    assert fresh.order.name == "aws-api3"
