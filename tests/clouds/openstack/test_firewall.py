from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from crossgate.errors import ConfigError, PolicyError
from crossgate.model.net import Ports
from crossgate.specs import Ingress
from tests.clouds.openstack.ids import by_ids, only

GOSSIP = Ports(first=8301, last=8302, transport="udp")


def ingress_rules(made):
    rules = made["resource"]["openstack_networking_secgroup_rule_v2"].values()
    return [rule for rule in rules if rule["direction"] == "ingress"]


def test_it_is_closed_inwards_and_open_outwards(stack, synth):
    by_ids(stack).firewall(stack, "firewall", name="test-a")
    made = synth()
    assert only(made, "openstack_networking_secgroup_v2")["delete_default_rules"] is True
    rules = made["resource"]["openstack_networking_secgroup_rule_v2"].values()
    assert {(rule["direction"], rule["ethertype"]) for rule in rules} == {
        ("egress", "IPv4"),
        ("egress", "IPv6"),
    }


def test_a_range_is_let_in_with_both_ends_and_a_protocol(stack, synth):
    firewall = by_ids(stack).firewall(stack, "firewall", name="test-a")
    firewall.allow(Ingress(peer=IPv4Network("198.51.100.0/24"), ports=GOSSIP, why="é" * 300))
    (rule,) = ingress_rules(synth())
    assert rule["remote_ip_prefix"] == "198.51.100.0/24"
    assert (rule["protocol"], rule["port_range_min"], rule["port_range_max"]) == (
        "udp",
        8301,
        8302,
    )
    assert len(rule["description"]) == 255


def test_another_firewall_is_let_in_by_its_group(stack, synth):
    cloud = by_ids(stack)
    one = cloud.firewall(stack, "one", name="test-one")
    other = cloud.firewall(stack, "other", name="test-other")
    one.allow(Ingress(peer=other, ports=GOSSIP, why="gossip"))
    (rule,) = ingress_rules(synth())
    assert rule["remote_group_id"] == "${openstack_networking_secgroup_v2.other.id}"
    assert "remote_ip_prefix" not in rule


def test_a_firewall_of_another_cloud_is_refused(stack):
    here = by_ids(stack, "here").firewall(stack, "a", name="test-a")
    there = by_ids(stack, "there", network="10.31.0.0/16").firewall(stack, "b", name="test-b")
    with pytest.raises(ConfigError, match="a firewall of another cloud cannot be let in"):
        here.allow(Ingress(peer=there, ports=GOSSIP, why="gossip"))


def test_two_firewalls_of_one_name_are_refused(stack):
    cloud = by_ids(stack)
    cloud.firewall(stack, "a", name="test-a")
    with pytest.raises(PolicyError, match="'test-a', the name of test/a"):
        cloud.firewall(stack, "b", name="test-a")
