"""An entry without Octavia: an address that the balancers share."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from crossgate.boot.shared_address import shared_address_document
from crossgate.clouds.openstack import JETSTREAM2
from crossgate.errors import ConfigError
from crossgate.model.text import Text
from crossgate.specs import EntrySpec
from tests.clouds.openstack.ids import by_ids, entry_spec, machines_spec, only
from tools import toolbox

if TYPE_CHECKING:
    from crossgate.clouds.openstack import OpenStackCloud

RANGE = IPv4Network("198.51.100.0/24")


@pytest.fixture
def cloud(stack) -> OpenStackCloud:
    return by_ids(stack, profile=replace(JETSTREAM2, octavia=False))


@pytest.fixture
def entry(cloud, stack):
    return cloud.entry(stack, "entry", entry_spec(cloud, stack))


def rules(made):
    found = made["resource"]["openstack_networking_secgroup_rule_v2"].values()
    return [
        (one["protocol"], one.get("port_range_min"), one.get("remote_ip_prefix"))
        for one in found
        if one["direction"] == "ingress"
    ]


def clients(made):
    return [one for one in rules(made) if one[0] != "vrrp"]


def test_the_floating_address_leads_to_a_port_that_no_machine_has(entry, synth):
    made = synth()
    assert "openstack_lb_loadbalancer_v2" not in made["resource"]
    ports = made["resource"]["openstack_networking_port_v2"]
    (name,) = [key for key, one in ports.items() if one["name"] == "test-edge-entry"]
    found = only(made, "openstack_networking_floatingip_v2")
    assert found["port_id"] == f"${{openstack_networking_port_v2.{name}.id}}"
    assert ports[name]["no_security_groups"] is True


def test_each_balancer_may_speak_for_its_address_and_no_other_machine(entry, cloud, stack, synth):
    cloud.reserve(stack, "others", name="consul", count=1, firewalls=())
    ports = synth()["resource"]["openstack_networking_port_v2"].values()
    speaking = {one["name"] for one in ports if "allowed_address_pairs" in one}
    assert speaking == {"test-consul-0", "test-consul-1"}


def test_nobody_is_let_in_but_those_who_share_it(entry, synth):
    assert rules(synth()) == [("vrrp", None, None)]


def test_a_range_is_let_in_on_its_port_only_and_once(entry, synth):
    entry.allow(RANGE, 9000)
    entry.allow(RANGE, 9000)
    assert clients(synth()) == [("tcp", 9000, str(RANGE))]


def test_another_cloud_is_let_in_by_its_ways_out(entry, stack, synth):
    other = by_ids(stack, "other")
    entry.allow_cloud(other, 9001)
    (found,) = clients(synth())
    assert found[:2] == ("tcp", 9001)
    assert found[2].startswith("${")


def test_a_port_that_no_listener_has_is_refused(entry):
    with pytest.raises(ConfigError, match="no such port"):
        entry.allow(RANGE, 9100)


def test_one_balancer_has_all_clients_at_a_time(cloud):
    assert not cloud.spreads_clients


def test_limits_for_each_client_need_no_header(cloud, stack):
    spec = entry_spec(cloud, stack, by_source=[9000])
    assert list(cloud.refusals(spec)) == []


def test_a_header_that_nothing_would_write_is_refused(cloud, stack):
    spec = entry_spec(cloud, stack, proxied=[9000], proxied_health_port=8408)
    (refusal,) = cloud.refusals(spec)
    assert "has no Octavia, and nothing else writes a header of the PROXY protocol" in str(refusal)


def test_machines_are_told_of_it(cloud, stack, synth):
    machines = machines_spec(cloud, stack, count=2)
    spec = EntrySpec(
        name="edge",
        ports=(9000,),
        health_port=8405,
        health_path="/healthz",
        reservation=machines.reservation,
    )
    cloud.entry(stack, "entry", spec)
    cloud.machines(stack, "nodes", machines)
    text = str(synth()["locals"])
    assert "advert_int 0.1" in text
    assert "http://127.0.0.1:8405/healthz" in text


def program(*machines):
    document = shared_address_document(
        "10.0.0.100/24", machines, health="http://127.0.0.1:8405/healthz", router=51
    )
    (file,) = (file for _, file in document.written() if file.path.endswith("/vip"))
    return str(Text.of(file.text))


def test_the_program_is_clean():
    done = subprocess.run(
        [toolbox.program("shellcheck"), "--enable=all", "--exclude=SC2250", "-"],
        input=program("10.0.0.11", "10.0.0.12"), check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
