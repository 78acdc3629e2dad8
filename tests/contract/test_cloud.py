"""What docs/contracts.md asks of every cloud."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Network
from random import Random

import pytest

from crossgate import (
    AutoScalingGroup,
    Capacity,
    ConfigError,
    ConsulServers,
    InHouse,
    Machine,
    NullCloud,
    Ports,
    Reference,
    RefusedError,
    Service,
    ServiceFile,
    Text,
)
from crossgate.boot.document import Document
from crossgate.specs import Addresses, Archive, EntrySpec, GroupSpec, Ingress, MachinesSpec, Tagged
from crossgate.terraform.engine import Construct, TerraformResource

DOCUMENT = Document(label="test", packages=("curl",))
SIZE = Capacity(2)
"""A size that every cloud can have: not every one can make and unmake machines."""


def children(construct):
    return [c for c in construct.node.find_all() if isinstance(c, TerraformResource)]


def machines(cloud, stack, count=3, entry=None, name="test-consul"):
    firewall = cloud.firewall(stack, "firewall", name=name)
    reservation = cloud.reserve(stack, "places", name=name, count=count, firewalls=(firewall,))
    return MachinesSpec(
        name=name,
        machine=Machine(cpu=2, memory=4),
        document=DOCUMENT,
        firewalls=(firewall,),
        count=count,
        reservation=reservation,
    )


def test_its_name_is_its_construct_id(cloud):
    assert cloud.name == "first"


def test_it_says_what_the_balancers_have_to_know(cloud):
    assert {cloud.needs_figures, cloud.spreads_clients, cloud.keeps_disks} <= {True, False}


def test_it_knows_the_range_of_a_network_of_its_own(cloud):
    assert cloud.network == IPv4Network("10.20.0.0/16")


def test_an_id_that_is_taken_is_refused_in_our_words(make_cloud, cloud, stack):
    with pytest.raises(ConfigError, match="the id is taken"):
        make_cloud(stack, "first", "10.40.0.0/16")


def test_a_network_that_is_no_range_is_refused(make_cloud, stack):
    with pytest.raises(ConfigError, match="is no IPv4 range"):
        make_cloud(stack, "bad", "10.20/16")


def test_a_range_with_host_bits_is_refused_with_the_right_one(make_cloud, stack):
    with pytest.raises(ConfigError, match=r'"10\.20\.0\.0/16"'):
        make_cloud(stack, "bad", "10.20.1.0/16")


def test_a_firewall_knows_its_cloud(cloud, stack):
    assert cloud.firewall(stack, "firewall", name="test-a").cloud is cloud


def test_the_same_rule_twice_is_one_rule(cloud, stack):
    firewall = cloud.firewall(stack, "firewall", name="test-a")
    rule = Ingress(
        peer=IPv4Network("198.51.100.0/24"), ports=Ports(first=9000, last=9000), why="clients"
    )
    firewall.allow(rule)
    before = len(children(stack))
    firewall.allow(rule)
    assert len(children(stack)) == before


def test_a_firewall_lets_itself_in(cloud, stack, synth):
    firewall = cloud.firewall(stack, "firewall", name="test-a")
    firewall.allow(
        Ingress(peer=firewall, ports=Ports(first=8301, last=8301, transport="udp"), why="gossip")
    )
    synth()


def test_a_reservation_says_how_its_machines_are_found(cloud, stack):
    join = machines(cloud, stack).reservation.join
    if isinstance(join, Addresses):
        assert len(join.addresses) == 3
    else:
        assert isinstance(join, Tagged)
        assert "test-consul" in join.settings.values()


def test_asking_for_refusals_makes_nothing(cloud, stack):
    spec = machines(cloud, stack)
    before = len(children(stack))
    assert list(cloud.refusals(spec)) == []
    assert len(children(stack)) == before


def archived(cloud, stack, name="test-consul", to=None):
    archive = Archive(
        name=name,
        keep=timedelta(days=14),
        program=(
            "/usr/bin/python3",
            "/usr/local/lib/crossgate/kept.py",
            "/etc/crossgate/kept.json",
        ),
        to=to,
    )
    return replace(machines(cloud, stack, name=name), archive=archive)


def test_it_brings_machines_the_program_that_keeps_their_copies(cloud, stack, synth):
    spec = archived(cloud, stack)
    assert list(cloud.refusals(spec)) == []
    cloud.machines(stack, "servers", spec)
    made = json.dumps(synth()["locals"] if not isinstance(cloud, NullCloud) else None)
    for word in ("kept.py", "kept.json", "put NAME FILE", "get NAME FILE", "drop NAME"):
        assert word in made or isinstance(cloud, NullCloud)


def test_asking_whether_copies_can_be_kept_makes_nothing(cloud, stack):
    spec = archived(cloud, stack)
    before = len(children(stack))
    assert list(cloud.refusals(spec)) == []
    assert len(children(stack)) == before


def test_a_place_that_is_none_is_refused_with_what_one_is(cloud, stack):
    refused = cloud.refusals(archived(cloud, stack, to="a/b C"))
    assert isinstance(cloud, NullCloud) or refused[0].want


def test_it_builds_a_fixed_number_of_machines(cloud, stack, synth):
    cloud.machines(stack, "servers", machines(cloud, stack))
    synth()


def test_it_builds_a_group_and_returns_its_id(cloud, stack, synth):
    firewall = cloud.firewall(stack, "firewall", name="test-api")
    spec = GroupSpec(
        name="test-api",
        machine=Machine(cpu=2, memory=4),
        document=DOCUMENT,
        firewalls=(firewall,),
        capacity=SIZE,
    )
    assert cloud.group(stack, "group", spec)
    synth()


def test_it_builds_an_entry_that_lets_ranges_in(cloud, stack, synth):
    spec = machines(cloud, stack, count=2, name="test-edge")
    entry = cloud.entry(
        stack,
        "entry",
        EntrySpec(
            name="test-edge",
            ports=(9000, 9001),
            health_port=8405,
            health_path="/healthz",
            reservation=spec.reservation,
        ),
    )
    assert entry.addresses
    assert list(entry.ports) == [9000, 9001]
    entry.allow(IPv4Network("198.51.100.0/24"), 9000)
    entry.allow(IPv4Network("198.51.100.0/24"), 9000)
    entry.allow(IPv4Network("203.0.113.0/24"), 9001)
    synth()


def test_its_entry_lets_another_cloud_in_by_its_ways_out(cloud, stack, synth):
    other = NullCloud(stack, "other", ways_out=["203.0.113.77", "203.0.113.80/30"])
    spec = machines(cloud, stack, count=2, name="test-edge")
    entry = cloud.entry(
        stack,
        "entry",
        EntrySpec(
            name="test-edge",
            ports=(9000, 19000),
            health_port=8405,
            health_path="/healthz",
            reservation=spec.reservation,
        ),
    )
    entry.allow_cloud(other, 19000)
    entry.allow_cloud(other, 19000)
    cloud.machines(stack, "nodes", replace(spec, entry=entry))
    made = json.dumps(synth())
    if isinstance(cloud, NullCloud):
        assert entry.allowed_clouds == [(other, 19000)]
    else:
        assert "203.0.113.77" in made
        assert "203.0.113.80/30" in made


def test_it_says_by_which_addresses_its_machines_reach_others_or_that_nobody_knows(cloud):
    assert all(isinstance(way, str) for way in cloud.ways_out)


def test_it_writes_the_header_that_a_port_wants_or_refuses_it(cloud, stack, synth):
    spec = EntrySpec(
        name="test-edge",
        ports=(9000, 9001),
        health_port=8405,
        health_path="/healthz",
        reservation=machines(cloud, stack, count=2, name="test-edge").reservation,
        proxied=(9000,),
        proxied_health_port=8408,
        by_source=(9000,),
    )
    refusals = cloud.refusals(spec)
    if refusals:
        assert "PROXY" in str(refusals[0])
        assert refusals[0].do
        return
    cloud.entry(stack, "entry", spec)
    made = synth()
    if not isinstance(cloud, NullCloud):
        assert str(made).lower().replace("_", "").count("proxy") == 1


def test_a_group_without_discovery_stands_alone(cloud, stack, api, synth):
    group = AutoScalingGroup(stack, "api", clouds=[cloud], service=api, capacity=SIZE)
    assert group.ids[cloud]
    synth()


def test_a_refusal_names_construct_and_cloud_and_nothing_is_built(stack, api):
    cloud = NullCloud(stack, "nope", refuses=["has no machines today"])
    with pytest.raises(RefusedError, match=r"test/api/nope: .*has no machines today"):
        AutoScalingGroup(stack, "api", clouds=[cloud], service=api, capacity=SIZE)
    assert cloud.asked == []
    assert stack.node.try_find_child("api") is None


def test_user_data_over_the_limit_is_refused_with_its_size(cloud, stack):
    if isinstance(cloud, NullCloud | InHouse):
        return  # it has no machines, or no limit: a script goes over SSH whatever its size
    noise = Random(1).randbytes(50_000).hex()  # noqa: S311  # what gzip cannot make small
    service = Service(
        name="api",
        port=80,
        command=["/opt/api/run"],
        files=[ServiceFile("/opt/api/model.txt", noise)],
    )
    with pytest.raises(RefusedError) as caught:
        AutoScalingGroup(stack, "api", clouds=[cloud], service=service, capacity=SIZE)
    assert "bytes" in str(caught.value)
    assert "/opt/api/model.txt" in str(caught.value)


def test_a_reference_reaches_the_machines(cloud, stack, synth):
    service = Service(
        name="api",
        port=80,
        command=["/opt/api/run"],
        environment={"DATABASE": Text.of("db=", Reference("${var.database}"))},
    )
    AutoScalingGroup(stack, "api", clouds=[cloud], service=service, capacity=SIZE)
    made = synth()
    if not isinstance(cloud, NullCloud):
        assert "${var.database}" in str(made)


def test_two_constructs_whose_names_become_one_are_refused(make_cloud, stack, api):
    cloud = make_cloud(stack, "c", "10.20.0.0/16")
    if isinstance(cloud, NullCloud):
        return
    AutoScalingGroup(Construct(stack, "a-b"), "c", clouds=[cloud], service=api, capacity=SIZE)
    with pytest.raises(ConfigError, match="the name of"):
        AutoScalingGroup(Construct(stack, "a"), "b-c", clouds=[cloud], service=api, capacity=SIZE)


def test_it_carries_consul(cloud, stack, synth):
    ConsulServers(stack, "consul", clouds=[cloud])
    synth()


def test_a_zone_has_its_name_or_is_refused(cloud):
    refused: list[RefusedError] = []
    try:
        assert cloud.zone("example.org").name == "example.org"
    except RefusedError as error:
        refused.append(error)
    for error in refused:
        assert "has no zones of DNS" in str(error)
        assert "do:   have the name in a zone of another cloud" in str(error)


def test_a_zone_that_is_no_name_of_dns_is_never_made(cloud):
    with pytest.raises(ConfigError):
        cloud.zone("example.org.")
