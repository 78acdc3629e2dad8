from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crossgate.clouds.openstack import OpenStackCloud
from crossgate.clouds.openstack.entry import OpenStackEntry
from crossgate.clouds.openstack.firewall import OpenStackFirewall
from crossgate.clouds.openstack.machines import OpenStackReservation
from crossgate.errors import ConfigError, PolicyError
from tests.clouds.openstack.ids import by_ids, group_spec

if TYPE_CHECKING:
    from crossgate.contracts import Cloud, Entry, Firewall, Reservation

# mypy reads that the contracts are kept.
_CLOUD: type[Cloud] = OpenStackCloud
_FIREWALL: type[Firewall] = OpenStackFirewall
_RESERVATION: type[Reservation] = OpenStackReservation
_ENTRY: type[Entry] = OpenStackEntry


def provider(made):
    (block,) = made["provider"]["openstack"]
    return block


def test_the_provider_has_the_clouds_name_and_no_credential(stack, synth):
    by_ids(stack)
    assert provider(synth()) == {
        "alias": "nova",
        "auth_url": "https://js2.jetstream-cloud.org:5000/v3/",
        "region": "IU",
    }


def test_an_entry_of_clouds_yaml_says_where_the_cloud_is(stack, synth):
    by_ids(stack, cloud="js2", region="TACC")
    assert provider(synth()) == {"alias": "nova", "cloud": "js2", "region": "TACC"}


def test_two_clouds_are_two_providers_and_each_resource_names_its_own(stack, synth):
    by_ids(stack, "one").firewall(stack, "a", name="test-a")
    by_ids(stack, "two", network="10.31.0.0/16").firewall(stack, "b", name="test-a")
    groups = synth()["resource"]["openstack_networking_secgroup_v2"]
    assert {name: block["provider"] for name, block in groups.items()} == {
        "a": "openstack.one",
        "b": "openstack.two",
    }


def test_tags_are_on_everything_that_has_tags(stack, synth):
    cloud = by_ids(stack, tags={"team": "edge"})
    cloud.group(stack, "group", group_spec(cloud, stack))
    resources = synth()["resource"]
    for kind in ("networking_network", "networking_subnet", "networking_router"):
        (block,) = resources[f"openstack_{kind}_v2"].values()
        assert block["tags"] == ["team=edge"]
    (heat,) = resources["openstack_orchestration_stack_v1"].values()
    assert heat["tags"] == ["team=edge"]


REFUSED = [
    ({"network": "10.30.0.0"}, "is too small for machines"),
    ({"network": "10.30/16"}, "is no IPv4 range"),
    ({"image": "debian-12"}, "test/nova: image: Jetstream2 has no image of this name"),
    ({"tags": {"a": "b/c"}}, "test/nova: tags: cannot be a tag of OpenStack"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_fails_with_its_place_and_makes_nothing(stack, given, message):
    with pytest.raises(ConfigError) as caught:
        by_ids(stack, **given)
    assert message in str(caught.value)
    assert stack.node.try_find_child("nova") is None


def test_an_id_that_is_no_datacenter_is_refused(stack):
    with pytest.raises(ConfigError, match=r"test/Nova: is not a DNS label(.|\n)*nova"):
        by_ids(stack, "Nova")


def test_two_stacks_of_one_name_are_refused(stack):
    cloud = by_ids(stack)
    cloud.group(stack, "one", group_spec())
    with pytest.raises(PolicyError, match="the Heat stack would have the name of another one"):
        cloud.group(stack, "two", group_spec())
