"""Names in Route 53 over the entries of several clouds."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from crossgate import AwsCloud, ConfigError, ConsulServers, HAProxyNodes, Listener
from crossgate.clouds.aws import VpcByName
from crossgate.group import AutoScalingGroup
from crossgate.specs import NameSpec
from tests.clouds.openstack.ids import by_ids

NAME = "api.example.org"
AWS = {
    "region": "us-east-1",
    "zones": ["us-east-1a", "us-east-1b"],
    "image": "ami-0123456789abcdef0",
    "root_device": "/dev/xvda",
}
SPEC = NameSpec(
    name=NAME,
    entries={"aws": ("${aws_eip.entry.public_ip}",)},
    port=9000,
    weights={"aws": 1},
    ttl=30,
)


@pytest.fixture
def aws(stack) -> AwsCloud:
    return AwsCloud(stack, "aws", **AWS)


@pytest.fixture
def nova(stack):
    return by_ids(stack)


@pytest.fixture
def zone(aws):
    return aws.zone("example.org")


@pytest.fixture
def edge(stack, aws, nova, api) -> HAProxyNodes:
    clouds = [aws, nova]
    consul = ConsulServers(stack, "consul", clouds=clouds)
    AutoScalingGroup(stack, "api", clouds=clouds, service=api, discovery=consul)
    return HAProxyNodes(
        stack, "edge", clouds=clouds, discovery=consul, listeners=[Listener(port=9000, to=api)]
    )


def records(made):
    return {one["set_identifier"]: one for one in made["resource"]["aws_route53_record"].values()}


def checks(made):
    return made["resource"]["aws_route53_health_check"]


def test_every_address_has_a_record_and_a_check_of_its_own(edge, zone, synth):
    edge.dns(NAME, zone=zone)
    made = synth()
    found = records(made)
    assert set(found) == {"aws-0", "aws-1", "nova-0"}
    for one in found.values():
        (address,) = one["records"]
        (key,) = [key for key in checks(made) if f".{key}." in one["health_check_id"]]
        assert checks(made)[key]["ip_address"] == address
        assert (one["name"], one["type"], one["ttl"]) == (NAME, "A", 30)


def test_clouds_get_as_many_clients_however_many_addresses_they_have(edge, zone, synth):
    edge.dns(NAME, zone=zone)
    found = {key: one["weighted_routing_policy"]["weight"] for key, one in records(synth()).items()}
    assert found == {"aws-0": 1, "aws-1": 1, "nova-0": 2}


def test_a_weight_is_parted_by_the_addresses_of_its_cloud(edge, zone, aws, synth):
    edge.dns(NAME, zone=zone, weights={aws: 3})
    found = {key: one["weighted_routing_policy"]["weight"] for key, one in records(synth()).items()}
    assert found == {"aws-0": 3, "aws-1": 3, "nova-0": 2}


def test_one_cloud_has_all_clients_while_one_of_its_addresses_is_well(edge, zone, aws, synth):
    """Of those without a weight Route 53 answers when all others are dead."""
    edge.dns(NAME, zone=zone, first=aws)
    found = {key: one["weighted_routing_policy"]["weight"] for key, one in records(synth()).items()}
    assert found == {"aws-0": 1, "aws-1": 1, "nova-0": 0}


def test_it_looks_whether_the_listener_takes_connections(edge, zone, synth):
    edge.dns(NAME, zone=zone)
    for one in checks(synth()).values():
        assert (one["type"], one["port"], len(one["regions"])) == ("TCP", 9000, 3)


def test_who_looks_is_let_in_in_every_cloud(edge, zone, synth):
    edge.dns(NAME, zone=zone)
    made = synth()["resource"]
    ranges = set(map(str, zone.checkers))
    into_aws = {
        one.get("cidr_ipv4")
        for one in made["aws_vpc_security_group_ingress_rule"].values()
        if one.get("from_port") == 9000
    }
    (listener,) = [
        one for one in made["openstack_lb_listener_v2"].values() if one["protocol_port"] == 9000
    ]
    assert ranges <= into_aws
    assert ranges <= set(listener["allowed_cidrs"])


def test_the_zone_is_looked_up_by_its_name(edge, zone, synth):
    edge.dns(NAME, zone=zone)
    (found,) = synth()["data"]["aws_route53_zone"].values()
    assert (found["name"], found["private_zone"]) == ("example.org", False)


def test_a_zone_whose_id_is_said_is_not_looked_up(edge, aws, synth):
    edge.dns(NAME, zone=aws.zone("example.org", zone_id="Z0123456789"))
    made = synth()
    assert "aws_route53_zone" not in made.get("data", {})
    assert {one["zone_id"] for one in records(made).values()} == {"Z0123456789"}


def test_the_ranges_of_checkers_are_narrow(zone):
    assert all(isinstance(one, IPv4Network) and one.prefixlen >= 18 for one in zone.checkers)


def test_an_address_that_the_internet_does_not_reach_is_refused(zone):
    spec = replace(SPEC, entries={"rack": ("10.0.0.100",)}, weights={"rack": 1})
    (refusal,) = zone.refusals(spec)
    assert "nobody looks at an address of rack from the internet" in str(refusal)


def test_a_weight_beyond_what_it_takes_is_refused(zone):
    (refusal,) = zone.refusals(replace(SPEC, weights={"aws": 256}))
    assert "a weight is too large for Route 53" in str(refusal)


def test_what_it_can_do_is_not_refused(zone):
    assert list(zone.refusals(SPEC)) == []


def test_an_entry_with_a_name_and_no_addresses_is_refused(stack, api):
    cloud = AwsCloud(stack, "aws", **{**AWS, "network": VpcByName(name="shared")})
    consul = ConsulServers(stack, "consul", clouds=[cloud])
    AutoScalingGroup(stack, "api", clouds=[cloud], service=api, discovery=consul)
    edge = HAProxyNodes(
        stack, "edge", clouds=[cloud], discovery=consul, listeners=[Listener(port=9000, to=api)]
    )
    with pytest.raises(ConfigError, match="the entry of aws has a name in place of addresses"):
        edge.dns(NAME, zone=cloud.zone("example.org"))


@pytest.mark.parametrize("wrong", ["Example.org", "example.org.", "", "a b", None, "-a.org"])
def test_fails_on_a_zone_that_is_no_name(aws, wrong):
    with pytest.raises(ConfigError, match="is no name of DNS"):
        aws.zone(wrong)


def test_fails_on_an_id_that_is_none(aws):
    with pytest.raises(ConfigError, match="zone_id is of the wrong type"):
        aws.zone("example.org", zone_id=7)
