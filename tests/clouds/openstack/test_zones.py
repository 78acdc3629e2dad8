"""A group in a cloud of several zones is a Heat stack in each."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgate import (
    JETSTREAM2,
    AutoScalingGroup,
    Capacity,
    ConsulServers,
    RefusedError,
    Scaling,
    Service,
    Step,
    Steps,
)
from crossgate.clouds.openstack.zones import parts
from tests.clouds.openstack.ids import by_ids, group_spec
from tests.clouds.openstack.test_group import STACK, text_of

API = Service(name="api", port=9190, command=["/usr/bin/api"])
ZONED = replace(JETSTREAM2, zones=("north", "south", "zone 3"), aodh=True)


def group(stack, capacity, **changes):
    cloud = by_ids(stack, profile=ZONED)
    consul = ConsulServers(stack, "consul", clouds=[cloud])
    given = {"clouds": [cloud], "service": API, "discovery": consul, "capacity": capacity}
    return AutoScalingGroup(stack, "api", **(given | changes))


def stacks(made):
    """Return the template of each stack by its name."""
    found = made["resource"][STACK].values()
    return {one["name"]: json.loads(text_of(made, one)) for one in found}


def bounds(template):
    properties = template["resources"]["group"]["properties"]
    return properties["min_size"], properties["max_size"]


def zone_of(template):
    member = template["resources"]["group"]["properties"]["resource"]
    return member["properties"]["resource"]["properties"].get("availability_zone")


def test_there_is_a_stack_in_each_zone(stack, synth):
    group(stack, Capacity(3, 9))
    made = stacks(synth())
    assert {name: zone_of(template) for name, template in made.items()} == {
        "test-api": "north",
        "test-api-south": "south",
        "test-api-zone-3": "zone 3",
    }


def test_they_share_the_bounds(stack, synth):
    group(stack, Capacity(4, 8))
    assert sorted(map(bounds, stacks(synth()).values())) == [(1, 2), (1, 3), (2, 3)]


def test_no_stack_may_be_without_a_machine(stack, synth):
    group(stack, Capacity(2, 9))
    assert sorted(map(bounds, stacks(synth()).values())) == [(1, 4), (1, 5)]


@pytest.mark.parametrize("least", [0, 1])
def test_a_group_of_one_is_one_stack_and_nova_chooses(stack, synth, least):
    group(stack, Capacity(least, 9))
    ((name, template),) = stacks(synth()).items()
    assert (name, zone_of(template), bounds(template)) == ("test-api", None, (least, 9))


@pytest.mark.parametrize("least", [1, 2, 3])
def test_the_first_stack_stays_when_a_group_gets_large_enough_for_more(stack, synth, least):
    group(stack, Capacity(least, 9))
    paths = {one["//"]["metadata"]["path"]: one for one in synth()["resource"][STACK].values()}
    assert paths["test/api/nova/group/stack"]["name"] == "test-api"


def test_a_cloud_of_one_zone_has_one_stack(stack, synth):
    cloud = by_ids(stack)
    AutoScalingGroup(stack, "api", clouds=[cloud], service=API, capacity=Capacity(3))
    assert list(stacks(synth())) == ["test-api"]


def test_each_follows_the_same_figures(stack, synth):
    made = group(stack, Capacity(3, 9))
    made.scale_on_connections(target=200, shrink=False)
    made.scale_on_cpu(target=0.6)
    for template in stacks(synth()).values():
        rules = json.loads(template["outputs"]["crossgate"]["value"])
        assert [rule["on"] for rule in rules["scale"]] == ["connections"]
        assert {"busy", "calm"} < set(template["resources"])


def test_each_keeps_its_machines_apart(stack, synth):
    group(stack, Capacity(3, 9))
    groups = synth()["resource"]["openstack_compute_servergroup_v2"].values()
    assert {one["name"] for one in groups} >= {
        "test-api",
        "test-api-south",
        "test-api-zone-3",
    }


def test_steps_are_refused_for_each_zone_would_take_them(stack):
    made = group(stack, Capacity(3, 9))
    with pytest.raises(RefusedError, match=r"each of the 3 zones(.|\n)*Scaling\(\.\.\.\)"):
        made.scale(Steps(on="connections", steps=[Step(at_least=200, add=1)]))
    made.scale(Scaling(on="connections", target=200))


def test_a_group_that_one_stack_could_not_hold_fits_into_several(stack):
    large = group_spec(capacity=Capacity(100, 1000))
    assert [*by_ids(stack, "one").refusals(large)] != []
    assert [*by_ids(stack, "several", profile=ZONED).refusals(large)] == []


@given(least=st.integers(0, 40), more=st.integers(0, 40), zones=st.integers(0, 6))
def test_parts_are_together_what_was_asked_for(least, more, zones):
    capacity = Capacity(least, max(1, least + more))
    profile = replace(JETSTREAM2, zones=tuple(f"z{number}" for number in range(zones)))
    found = [part.spec.capacity for part in parts(profile, group_spec(capacity=capacity))]
    assert sum(one.minimum for one in found) == capacity.minimum
    assert sum(one.most for one in found) == capacity.most
    assert max(one.most for one in found) == found[0].most
    assert max(one.minimum for one in found) - min(one.minimum for one in found) <= 1
