"""What an in-house cloud refuses, each with the way out."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from crossgate import (
    AutoScalingGroup,
    Capacity,
    ConfigError,
    ConsulServers,
    Grant,
    InstanceRefresh,
    Leave,
    Machine,
    NullCloud,
    OnDemand,
    Reference,
    RefusedError,
    ReplaceGroup,
    Scheduled,
    Spot,
    Termination,
    WarmPool,
)
from crossgate.clouds.inhouse import Host
from crossgate.specs import Ingress
from tests.clouds.inhouse.hosts import (
    KEY,
    entry_spec,
    group_spec,
    host,
    machines_spec,
    rack,
)


def refused(cloud, spec) -> str:
    return "\n".join(str(refusal) for refusal in cloud.refusals(spec))


def test_a_size_that_changes(stack):
    message = refused(rack(stack), group_spec(capacity=Capacity(2, 4)))
    assert "a group has one size" in message
    assert "Capacity(4) for this cloud" in message


def test_machines_at_rest(stack):
    message = refused(rack(stack), group_spec(capacity=Capacity(2, warm=WarmPool())))
    assert "so none rests" in message
    assert "capacity={cloud: Capacity(2)}" in message


def test_a_size_that_changes_by_the_clock(stack):
    morning = Scheduled("morning", at="07:00", time_zone="UTC", minimum=2)
    message = refused(rack(stack), group_spec(capacity=Capacity(2, scheduled=[morning])))
    assert "Capacity(2, 2), scheduled" in message


@pytest.mark.parametrize(
    "termination", [Termination(max_lifetime=timedelta(days=30)), Termination(protect=True)]
)
def test_machines_that_go_by_themselves(stack, termination):
    message = refused(rack(stack), group_spec(termination=termination))
    assert "none goes by itself" in message


@pytest.mark.parametrize(
    "rollout", [InstanceRefresh(checkpoints=[0.5]), ReplaceGroup(), Leave()], ids=str
)
def test_a_change_that_is_not_made_on_one_host_after_the_other(stack, rollout):
    message = refused(rack(stack), group_spec(rollout=rollout))
    assert "with no pause and no alarm" in message


def test_spot(stack):
    message = refused(rack(stack), group_spec(market=Spot(max_price=Decimal("0.1"))))
    assert "no spot market" in message
    assert "otherwise=OnDemand()" in message


def test_spot_with_another_way_is_fine(stack):
    assert list(rack(stack).refusals(group_spec(market=Spot(otherwise=OnDemand())))) == []


def test_a_named_size(stack):
    assert "Machine(cpu=2, memory=4)" in refused(
        rack(stack), group_spec(machine=Machine(size=["m3.small"]))
    )


def test_rights_in_a_cloud(stack):
    grant = Grant(actions=["s3:GetObject"], resources=["arn:aws:s3:::releases/*"])
    message = refused(rack(stack), group_spec(machine=Machine(cpu=2, memory=4, grants=[grant])))
    assert "have no identity" in message
    assert "machine={aws: Machine(..., grants=[...])}" in message


def test_two_architectures(stack):
    both = Machine(cpu=2, memory=4, architecture=["x86_64", "arm64"])
    message = refused(rack(stack), group_spec(machine=both))
    assert "is of one architecture" in message
    assert 'Machine(..., architecture="x86_64")' in message


def test_more_machines_than_hosts(stack):
    message = refused(rack(stack), group_spec(capacity=Capacity(8)))
    assert "fewer free hosts than machines" in message
    assert "8 machines of cpu=2, memory=4 GiB, x86_64 each" in message
    assert "10.0.0.17 (cpu=4, memory=8 GiB, x86_64)" in message
    assert "list more hosts" in message


@pytest.mark.parametrize(
    "machine",
    [
        Machine(cpu=8, memory=4),
        Machine(cpu=2, memory=16),
        Machine(cpu=2, memory=4, architecture="arm64"),
    ],
)
def test_a_machine_that_no_host_carries(stack, machine):
    assert "large enough" in refused(rack(stack), group_spec(machine=machine))


def test_hosts_that_carry_something_are_not_free(stack):
    cloud = rack(stack)
    cloud.machines(stack, "servers", machines_spec(cloud, stack, count=6))
    message = refused(cloud, group_spec())
    assert "that are free: 10.0.0.17 (" in message
    assert "10.0.0.11" not in message


def test_a_refusal_names_the_construct(stack, api):
    cloud = rack(stack)
    with pytest.raises(RefusedError, match=r"test/api/rack: test-api: capacity"):
        AutoScalingGroup(stack, "api", clouds=[cloud], service=api)


def test_too_few_hosts_for_consul_makes_no_machine(stack):
    cloud = rack(stack, hosts=[host(11), host(12)])
    with pytest.raises(RefusedError, match="fewer free hosts"):
        ConsulServers(stack, "consul", clouds=[cloud])
    assert len(cloud.free) == 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hosts": []}, "has no hosts"),
        ({"hosts": [host(11), host(11)]}, "one host is listed twice"),
        ({"hosts": ["10.0.0.11"]}, "hosts"),
        ({"network": "10.1.0.0/16"}, "lies outside the network"),
        ({"user": "Deploy Bot"}, "is no user name"),
        ({"key": "-----BEGIN OPENSSH PRIVATE KEY-----\nabc"}, "never write a key itself"),
        ({"key": "id_ed25519"}, "is neither the path of a private key"),
        ({"vip": "10.0.0.100"}, "is no address with its prefix"),
        ({"vip": "10.0.0.100/32"}, "is no address with its prefix"),
        ({"vip": "10.0.0.11/24"}, "is a host's own"),
        ({"firewall": "yes"}, "firewall"),
    ],
)
def test_a_cloud_that_cannot_be(stack, changes, says):
    with pytest.raises(ConfigError, match=says):
        rack(stack, **changes)


def test_a_private_key_is_not_repeated_in_the_message(stack):
    with pytest.raises(ConfigError) as caught:
        rack(stack, key="-----BEGIN OPENSSH PRIVATE KEY-----\n" + "c2VjcmV0" * 20)
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"host_key": "AAAA"}, "is no public SSH host key"),
        ({"host_key": f"{KEY} root@host"}, "is no public SSH host key"),
        ({"host_key": f"{KEY}\n10.0.0.12 {KEY}"}, "is no public SSH host key"),
        ({"host_key": ""}, "ssh-keyscan -t ecdsa 10.0.0.11"),
        ({"cpu": 0}, "cpu"),
        ({"port": 0}, "port"),
    ],
)
def test_a_host_that_cannot_be(changes, says):
    with pytest.raises(ConfigError, match=says):
        host(11, **changes)


def test_a_host_by_name_is_refused():
    with pytest.raises(ConfigError, match="is no IPv4 address"):
        Host("web1.example.org", cpu=1, memory=1, host_key=KEY)


def test_a_host_without_a_key_is_refused():
    with pytest.raises(ConfigError, match="host_key"):
        Host("10.0.0.11", cpu=1, memory=1)  # type: ignore[call-arg]


def test_a_second_entry_at_the_shared_address(stack):
    cloud = rack(stack, vip="10.0.0.100/24")
    first = machines_spec(cloud, stack, count=2, name="test-edge")
    cloud.entry(stack, "entry", entry_spec(first))
    second = machines_spec(cloud, stack, count=2, name="test-other")
    assert "leads to other balancers" in refused(cloud, entry_spec(second))


def test_a_header_that_nobody_would_write(stack):
    cloud = rack(stack)
    machines = machines_spec(cloud, stack, count=2)
    said = refused(cloud, entry_spec(machines, proxied=(9000,), proxied_health_port=8408))
    assert "nothing writes a header of the PROXY protocol before port 9000" in said
    assert "the balancers see the clients' own addresses" in said


def test_an_entry_has_the_ports_of_its_listeners_only(stack):
    cloud = rack(stack)
    entry = cloud.entry(stack, "entry", entry_spec(machines_spec(cloud, stack, count=2)))
    with pytest.raises(ConfigError, match="the entry has no such port"):
        entry.allow("198.51.100.0/24", 22)


def test_a_firewall_of_another_cloud(stack):
    mine = rack(stack).firewall(stack, "mine", name="mine")
    theirs = NullCloud(stack, "null").firewall(stack, "theirs", name="theirs")
    with pytest.raises(ConfigError, match="a firewall of another cloud"):
        mine.allow(Ingress(peer=theirs, ports=range(1), why=""))  # type: ignore[arg-type]


def test_places_of_another_cloud(stack):
    here, there = rack(stack, "here"), rack(stack, "there")
    with pytest.raises(ConfigError, match=r"were reserved elsewhere(.|\n)*here\.reserve"):
        here.machines(stack, "servers", machines_spec(there, stack))


def test_a_reference_to_a_key_is_taken(stack):
    assert rack(stack, key=Reference("${var.rack_key}")).login.key
