from __future__ import annotations

import pytest

from crossgate import Machine
from crossgate.clouds.openstack import (
    DEVSTACK,
    JETSTREAM2,
    ExistingNetwork,
    NetworkByName,
    OpenStackProfile,
    catalogue,
)
from crossgate.clouds.openstack.plan import ExistingNetworkPlan, Plan
from crossgate.errors import ConfigError
from tests.clouds.openstack.ids import IMAGE


def test_a_ready_profile_is_named(stack):
    cloud = Plan(profile="jetstream2", image=IMAGE, network="10.30.0.0/16").build(stack, "nova")
    assert cloud.profile == JETSTREAM2
    assert (cloud.image, str(cloud.network)) == (IMAGE, "10.30.0.0/16")


def test_a_plain_devstack_has_neither_groups_nor_entries(stack):
    cloud = Plan(profile="devstack", image=IMAGE).build(stack, "nova")
    assert cloud.profile == DEVSTACK
    assert (cloud.region, cloud.external_network) == ("RegionOne", "public")
    assert (cloud.profile.heat, cloud.profile.octavia) == (False, False)
    assert catalogue.carrier(cloud.profile, Machine(cpu=2, memory=4)).flavor == "m1.medium"


def test_a_profile_may_be_written_out(stack):
    profile = OpenStackProfile(name="mine", heat=True)
    assert Plan(profile=profile, image="debian-12").build(stack, "nova").profile == profile


def test_an_existing_network_is_by_ids_or_names():
    by_id = ExistingNetworkPlan(id="net-1", subnet="sub-1", cidr="10.9.0.0/24").network()
    assert by_id == ExistingNetwork(network_id="net-1", subnet_id="sub-1", cidr="10.9.0.0/24")
    assert ExistingNetworkPlan(name="corp").network() == NetworkByName("corp")


REFUSED = [
    (lambda: Plan(profile="jetstream", image=IMAGE), 'do:   write "jetstream2"'),
    (lambda: Plan(profile="jetstream2"), "names two images, or none"),
    (
        lambda: Plan(
            profile="jetstream2",
            image=IMAGE,
            network="10.0.0.0/16",
            existing=ExistingNetworkPlan(name="corp"),
        ),
        "names two networks",
    ),
    (ExistingNetworkPlan, "is found by its id or by its name"),
    (lambda: ExistingNetworkPlan(id="net-1"), "names no subnet"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_fails_with_the_way_out(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)
