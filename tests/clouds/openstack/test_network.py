from __future__ import annotations

import pytest

from crossgate.clouds.openstack import ExistingNetwork, NetworkByName, OwnNetwork
from crossgate.errors import ConfigError
from crossgate.terraform.engine import TerraformVariable
from tests.clouds.openstack.ids import EXTERNAL, by_ids, machines_spec, only


def test_a_network_of_its_own_has_a_subnet_and_a_way_out(stack, synth):
    by_ids(stack)
    made = synth()
    assert only(made, "openstack_networking_subnet_v2")["cidr"] == "10.30.0.0/16"
    assert only(made, "openstack_networking_router_v2")["external_network_id"] == EXTERNAL
    assert len(made["resource"]["openstack_networking_router_interface_v2"]) == 1
    assert "data" not in made


def test_the_external_network_is_looked_up_by_the_profiles_name(stack, synth):
    by_ids(stack, external_network_id=None)
    (found,) = synth()["data"]["openstack_networking_network_v2"].values()
    assert (found["name"], found["external"]) == ("public", True)


def test_the_subnet_may_be_a_part_with_its_own_servers_and_addresses(stack, synth):
    network = OwnNetwork(
        "10.30.0.0/16",
        subnet="10.30.1.0/24",
        dns=["9.9.9.9"],
        first="10.30.1.10",
        last="10.30.1.200",
    )
    cloud = by_ids(stack, network=network)
    subnet = only(synth(), "openstack_networking_subnet_v2")
    assert subnet["cidr"] == "10.30.1.0/24"
    assert subnet["dns_nameservers"] == ["9.9.9.9"]
    assert subnet["allocation_pool"] == [{"start": "10.30.1.10", "end": "10.30.1.200"}]
    assert str(cloud.network) == "10.30.0.0/16"
    assert cloud.placement.cidr == "10.30.1.0/24"


REFUSED = [
    ({"cidr": "10.30.0.0/16", "subnet": "10.31.0.0/24"}, "a subnet lies outside its network"),
    ({"cidr": "10.30.0.0/16", "subnet": "10.31.0.0/24"}, "want: a part of 10.30.0.0/16"),
    ({"cidr": "10.30.0.0/29"}, "is too small for machines"),
    ({"cidr": "10.30.0.1/16"}, 'want: "10.30.0.0/16"'),
    ({"cidr": "10.30.0.0/16", "dns": ["dns.example.org"]}, "OwnNetwork: dns: is no IPv4 address"),
    ({"cidr": "10.30.0.0/16", "first": "10.30.0.5"}, "names one end of the addresses only"),
    (
        {"cidr": "10.30.0.0/16", "first": "10.30.0.9", "last": "10.30.0.5"},
        "outside the subnet, or upside down",
    ),
    (
        {"cidr": "10.30.0.0/16", "first": "10.30.0.9", "last": "10.31.0.5"},
        "both in 10.30.0.0/16",
    ),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_fails_where_ranges_do_not_fit(given, message):
    with pytest.raises(ConfigError) as caught:
        OwnNetwork(**given)
    assert message in str(caught.value)


def test_an_existing_network_is_used_by_ids_and_nothing_is_made(stack, synth):
    cloud = by_ids(
        stack,
        network=ExistingNetwork(network_id="net-1", subnet_id="sub-1", cidr="10.9.0.0/24"),
    )
    machines_spec(cloud, stack, count=1)
    made = synth()
    port = only(made, "openstack_networking_port_v2")
    assert (port["network_id"], port["fixed_ip"]) == ("net-1", [{"subnet_id": "sub-1"}])
    assert "openstack_networking_network_v2" not in made["resource"]
    assert str(cloud.network) == "10.9.0.0/24"


def test_ids_of_an_existing_network_may_be_tokens(stack, synth):
    variable = TerraformVariable(stack, "subnet", type="string")
    cloud = by_ids(
        stack,
        network=ExistingNetwork(network_id="net-1", subnet_id=variable.string_value),
    )
    made = synth()
    (found,) = made["data"]["openstack_networking_subnet_v2"].values()
    assert found["subnet_id"] == "${var.subnet}"
    assert cloud.network is None


def test_a_network_is_found_by_name(stack, synth):
    cloud = by_ids(stack, network=NetworkByName("corp", subnet="machines"))
    data = synth()["data"]
    (network,) = data["openstack_networking_network_v2"].values()
    (subnet,) = data["openstack_networking_subnet_v2"].values()
    assert (network["name"], subnet["name"], subnet["ip_version"]) == ("corp", "machines", 4)
    assert cloud.network is None
