from __future__ import annotations

from dataclasses import replace

import pytest

from crossgate.clouds.openstack import JETSTREAM2
from crossgate.errors import ConfigError
from crossgate.model.machine import Machine
from crossgate.model.rollout import InstanceRefresh
from crossgate.specs import Addresses
from crossgate.terraform.engine import TerraformOutput
from tests.clouds.openstack.ids import IMAGE, by_ids, machines_spec, named, only

INSTANCE = "openstack_compute_instance_v2"


def built(stack, synth, cloud=None, **changes):
    cloud = cloud or by_ids(stack)
    cloud.machines(stack, "servers", machines_spec(cloud, stack, **changes))
    return synth()


def test_a_place_is_a_port_with_its_firewalls(stack, synth):
    machines_spec(by_ids(stack), stack, count=2)
    made = synth()
    port = named(made, "openstack_networking_port_v2", "test-consul-1")
    assert port["security_group_ids"] == [
        "${openstack_networking_secgroup_v2.machines-firewall.id}"
    ]
    assert len(made["resource"]["openstack_networking_port_v2"]) == 2


def test_places_are_found_by_the_addresses_of_their_ports(stack, synth):
    join = machines_spec(by_ids(stack), stack).reservation.join
    assert isinstance(join, Addresses)
    tokens = [reference.token for text in join.addresses for reference in text.references()]
    TerraformOutput(stack, "addresses", value=tokens)
    made = synth()
    ports = made["resource"]["openstack_networking_port_v2"]
    assert sorted(made["output"]["addresses"]["value"]) == sorted(
        f"${{openstack_networking_port_v2.{name}.all_fixed_ips[0]}}" for name in ports
    )


def test_every_place_is_taken_by_one_machine(stack, synth):
    made = built(stack, synth)
    taken = {block["network"][0]["port"] for block in made["resource"][INSTANCE].values()}
    ports = made["resource"]["openstack_networking_port_v2"]
    assert taken == {f"${{openstack_networking_port_v2.{name}.id}}" for name in ports}


def test_a_machine_starts_from_the_image_on_the_flavors_disk(stack, synth):
    machine = named(built(stack, synth), INSTANCE, "test-consul-0")
    assert (machine["flavor_name"], machine["image_id"]) == ("m3.small", IMAGE)
    assert machine["config_drive"] is True
    assert "block_device" not in machine


def test_a_larger_disk_is_a_volume_that_goes_with_the_machine(stack, synth):
    made = built(stack, synth, machine=Machine(cpu=2, memory=4, disk=100))
    machine = named(made, INSTANCE, "test-consul-0")
    (device,) = machine["block_device"]
    assert (device["volume_size"], device["uuid"]) == (100, IMAGE)
    assert device["delete_on_termination"] is True
    assert "image_id" not in machine


def test_the_volume_type_is_the_profiles(stack, synth):
    cloud = by_ids(stack, profile=replace(JETSTREAM2, volume_type="luks"))
    made = built(stack, synth, cloud, machine=Machine(cpu=2, memory=4, disk=100))
    machine = named(made, INSTANCE, "test-consul-0")
    assert machine["block_device"][0]["volume_type"] == "luks"


def test_the_user_data_is_written_once(stack, synth):
    made = built(stack, synth)
    (used,) = {block["user_data"] for block in made["resource"][INSTANCE].values()}
    document = made["locals"][used.removeprefix("${base64gzip(local.").removesuffix(")}")]
    assert document.startswith("#cloud-config\n")


def test_no_apply_replaces_machines_that_serve_and_their_metadata_show_a_change(stack, synth):
    machine = named(built(stack, synth), INSTANCE, "test-consul-0")
    assert {"user_data", "image_id"} <= set(machine["lifecycle"]["ignore_changes"])
    document = machine["user_data"].removeprefix("${").removesuffix("}")
    assert machine["metadata"]["crossgate-document"] == f"${{sha1({document})}}"


def test_an_apply_replaces_machines_of_which_none_must_serve(stack, synth):
    made = built(stack, synth, rollout=InstanceRefresh(min_healthy=0.0, max_healthy=1.0))
    assert "lifecycle" not in named(made, INSTANCE, "test-consul-0")


def test_machines_keep_apart_where_there_are_enough_hosts(stack, synth):
    made = built(stack, synth)
    assert only(made, "openstack_compute_servergroup_v2")["policies"] == ["soft-anti-affinity"]
    (group,) = made["resource"]["openstack_compute_servergroup_v2"]
    hints = named(made, INSTANCE, "test-consul-2")["scheduler_hints"]
    assert hints == [{"group": f"${{openstack_compute_servergroup_v2.{group}.id}}"}]


@pytest.mark.parametrize("lack", [{"soft_anti_affinity": False}, {"server_group_members": 2}])
def test_there_is_no_server_group_where_nova_has_none_that_fits(stack, synth, lack):
    made = built(stack, synth, by_ids(stack, profile=replace(JETSTREAM2, **lack)))
    assert "openstack_compute_servergroup_v2" not in made["resource"]
    assert "scheduler_hints" not in named(made, INSTANCE, "test-consul-0")


def test_machines_are_spread_over_the_zones(stack, synth):
    made = built(stack, synth, by_ids(stack, profile=replace(JETSTREAM2, zones=["a", "b"])))
    zones = [named(made, INSTANCE, f"test-consul-{n}")["availability_zone"] for n in range(3)]
    assert zones == ["a", "b", "a"]


def test_nova_chooses_where_there_is_one_zone(stack, synth):
    assert "availability_zone" not in named(built(stack, synth), INSTANCE, "test-consul-0")


def test_key_pair_and_tags_reach_the_machine(stack, synth):
    cloud = by_ids(stack, key_pair="ops", tags={"team": "edge"})
    machine = named(built(stack, synth, cloud, tags={"role": "consul"}), INSTANCE, "test-consul-0")
    assert machine["key_pair"] == "ops"
    assert (machine["metadata"]["team"], machine["metadata"]["role"]) == ("edge", "consul")


def test_host_names_stay_within_a_dns_label_and_apart(stack, synth):
    made = built(stack, synth, name="x" * 80)
    names = {block["name"] for block in made["resource"][INSTANCE].values()}
    assert len(names) == 3
    assert all(len(name) <= 63 for name in names)


def test_machines_wait_for_the_way_out(stack, synth):
    (wait,) = named(built(stack, synth), INSTANCE, "test-consul-0")["depends_on"]
    assert wait.startswith("openstack_networking_router_interface_v2.")


def test_places_of_another_cloud_are_refused(stack):
    here = by_ids(stack, "here")
    spec = machines_spec(by_ids(stack, "there", network="10.31.0.0/16"), stack)
    with pytest.raises(ConfigError, match=r"were reserved elsewhere(.|\n)*here\.reserve"):
        here.machines(stack, "servers", spec)
