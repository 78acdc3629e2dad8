from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from crossgate.clouds.openstack import ExistingNetwork
from crossgate.errors import ConfigError
from crossgate.terraform.engine import TerraformOutput
from tests.clouds.openstack.ids import by_ids, entry_spec, named, only

RANGE = IPv4Network("198.51.100.0/24")


def test_one_floating_address_leads_to_it(stack, synth):
    cloud = by_ids(stack)
    entry = cloud.entry(stack, "entry", entry_spec(cloud, stack))
    TerraformOutput(stack, "addresses", value=list(entry.addresses))
    made = synth()
    (name,) = made["resource"]["openstack_networking_floatingip_v2"]
    assert made["output"]["addresses"]["value"] == [
        f"${{openstack_networking_floatingip_v2.{name}.address}}"
    ]
    found = only(made, "openstack_networking_floatingip_v2")
    assert found["pool"] == "public"
    assert found["port_id"].endswith(".vip_port_id}")
    assert found["depends_on"]


def test_the_floating_address_comes_from_the_named_external_network(stack, synth):
    cloud = by_ids(stack, external_network="campus")
    cloud.entry(stack, "entry", entry_spec(cloud, stack))
    assert only(synth(), "openstack_networking_floatingip_v2")["pool"] == "campus"


def test_the_named_external_network_is_looked_up_without_its_id(stack, synth):
    by_ids(stack, external_network="campus", external_network_id=None)
    (found,) = synth()["data"]["openstack_networking_network_v2"].values()
    assert found["name"] == "campus"


def test_a_listener_lets_in_its_own_subnet_only_until_told_otherwise(stack, synth):
    cloud = by_ids(stack)
    cloud.entry(stack, "entry", entry_spec(cloud, stack))
    made = synth()
    for port in (9000, 9001):
        listener = named(made, "openstack_lb_listener_v2", f"test-edge-{port}")
        assert listener["allowed_cidrs"] == ["10.30.0.0/16"]


def test_a_range_is_let_in_on_its_port_only_and_once(stack, synth):
    cloud = by_ids(stack)
    entry = cloud.entry(stack, "entry", entry_spec(cloud, stack))
    entry.allow(RANGE, 9000)
    entry.allow(RANGE, 9000)
    made = synth()
    allowed = [
        named(made, "openstack_lb_listener_v2", f"test-edge-{port}")["allowed_cidrs"]
        for port in (9000, 9001)
    ]
    assert allowed == [["10.30.0.0/16", "198.51.100.0/24"], ["10.30.0.0/16"]]


def test_a_port_without_a_listener_is_refused(stack):
    cloud = by_ids(stack)
    entry = cloud.entry(stack, "entry", entry_spec(cloud, stack))
    with pytest.raises(ConfigError, match=r"the entry has no such port(.|\n)*9000 or 9001"):
        entry.allow(RANGE, 443)


def test_members_are_the_reserved_addresses_checked_on_the_health_port(stack, synth):
    cloud = by_ids(stack)
    cloud.entry(stack, "entry", entry_spec(cloud, stack))
    made = synth()
    pools = made["resource"]["openstack_lb_members_v2"].values()
    assert sorted(pool["member"][0]["protocol_port"] for pool in pools) == [9000, 9001]
    for pool in pools:
        assert len({member["address"] for member in pool["member"]}) == 2
        assert {member["monitor_port"] for member in pool["member"]} == {8405}
    monitor = named(made, "openstack_lb_monitor_v2", "test-edge-9000")
    assert (monitor["type"], monitor["url_path"], monitor["expected_codes"]) == (
        "HTTP",
        "/healthz",
        "200",
    )


def test_retries_are_in_the_range_of_both_providers(stack, synth):
    cloud = by_ids(stack)
    cloud.entry(stack, "entry", entry_spec(cloud, stack))
    monitor = named(synth(), "openstack_lb_monitor_v2", "test-edge-9000")
    assert 1 <= monitor["max_retries"] <= 10
    assert 1 <= monitor["max_retries_down"] <= 10
    assert monitor["timeout"] < monitor["delay"]


def test_a_silent_connection_is_left_to_the_balancers(stack, synth):
    cloud = by_ids(stack)
    cloud.entry(stack, "entry", entry_spec(cloud, stack))
    listener = named(synth(), "openstack_lb_listener_v2", "test-edge-9000")
    assert listener["timeout_client_data"] == listener["timeout_member_data"] == 86_400_000


def test_the_load_balancer_reaches_the_balancers_from_its_subnet(stack, synth):
    cloud = by_ids(stack)
    cloud.entry(stack, "entry", entry_spec(cloud, stack))
    rules = synth()["resource"]["openstack_networking_secgroup_rule_v2"].values()
    opened = {
        (rule["port_range_min"], rule["remote_ip_prefix"])
        for rule in rules
        if rule["direction"] == "ingress"
    }
    assert opened == {(port, "10.30.0.0/16") for port in (8405, 9000, 9001)}


def test_the_subnets_range_may_be_a_token(stack, synth):
    cloud = by_ids(stack, network=ExistingNetwork(network_id="net-1", subnet_id="sub-1"))
    cloud.entry(stack, "entry", entry_spec(cloud, stack)).allow(RANGE, 9000)
    made = synth()
    listener = named(made, "openstack_lb_listener_v2", "test-edge-9000")
    (name,) = made["data"]["openstack_networking_subnet_v2"]
    assert listener["allowed_cidrs"] == (
        f'${{sort([data.openstack_networking_subnet_v2.{name}.cidr, "198.51.100.0/24"])}}'
    )


def test_ranges_are_in_octavias_own_order(stack, synth):
    cloud = by_ids(stack)
    entry = cloud.entry(stack, "entry", entry_spec(cloud, stack))
    for text in ("9.0.0.0/24", "198.51.100.0/24", "1.0.0.0/24"):
        entry.allow(IPv4Network(text), 9000)
    listener = named(synth(), "openstack_lb_listener_v2", "test-edge-9000")
    assert listener["allowed_cidrs"] == [
        "1.0.0.0/24",
        "10.30.0.0/16",
        "198.51.100.0/24",
        "9.0.0.0/24",
    ]


def test_the_header_of_the_proxy_protocol_is_written_for_the_port_that_wants_it(stack, synth):
    cloud = by_ids(stack)
    spec = entry_spec(cloud, stack, proxied=(9001,), proxied_health_port=8408)
    cloud.entry(stack, "entry", spec)
    made = synth()
    protocols = {
        port: named(made, "openstack_lb_pool_v2", f"test-edge-{port}")["protocol"]
        for port in (9000, 9001)
    }
    assert protocols == {9000: "TCP", 9001: "PROXYV2"}
    # Octavia asks without it.
    members = str(made["resource"]["openstack_lb_members_v2"])
    assert "8405" in members
    assert "8408" not in members
