"""Machines at rest beside a group: what AWS is told, and what it cannot keep."""

from __future__ import annotations

from datetime import time

import pytest

from crossgate import (
    AutoScalingGroup,
    AwsCloud,
    Capacity,
    ConfigError,
    ConsulServers,
    Machine,
    RefusedError,
    Scheduled,
    Spot,
    WarmPool,
)

GIVEN = {
    "region": "us-east-1",
    "zones": ["us-east-1a", "us-east-1b"],
    "image": "ami-0123456789abcdef0",
    "root_device": "/dev/xvda",
    "network": "10.20.0.0/16",
}
FROZEN = WarmPool(state="hibernated")


@pytest.fixture
def made(stack, api, synth):
    def make(warm, *, cloud=None, discovery=True, **changed):
        aws = AwsCloud(stack, "aws", **GIVEN | (cloud or {}))
        consul = ConsulServers(stack, "consul", clouds=[aws]) if discovery else None
        AutoScalingGroup(
            stack,
            "api",
            clouds=[aws],
            service=api,
            discovery=consul,
            capacity=Capacity(2, 6, warm=warm),
            **changed,
        )
        return synth()

    return make


def group(made, name="test-api"):
    groups = made["resource"]["aws_autoscaling_group"].values()
    return next(one for one in groups if one["name"] == name)


def template(made):
    templates = made["resource"]["aws_launch_template"].values()
    return next(one for one in templates if one["name"] == "test-api")


def test_no_machine_rests_unless_it_is_asked_for(made):
    found = made(None)
    assert "warm_pool" not in group(found)
    assert "hibernation_options" not in template(found)


def test_a_pool_keeps_one_stopped_machine_at_least(made):
    assert group(made(WarmPool()))["warm_pool"] == {"min_size": 1, "pool_state": "Stopped"}


def test_a_pool_is_as_asked(made):
    pool = WarmPool(minimum=2, prepared=5, state="hibernated", reuse=True)
    assert group(made(pool))["warm_pool"] == {
        "min_size": 2,
        "max_group_prepared_capacity": 5,
        "pool_state": "Hibernated",
        "instance_reuse_policy": {"reuse_on_scale_in": True},
    }


def test_machines_that_hibernate_are_launched_so(made):
    assert template(made(FROZEN))["hibernation_options"] == {"configured": True}


def test_machines_that_stop_are_not(made):
    assert "hibernation_options" not in template(made(WarmPool()))


def test_aws_waits_until_a_machine_has_booted_before_it_lets_it_rest(made):
    hooks = group(made(WarmPool()))["initial_lifecycle_hook"]
    assert "autoscaling:EC2_INSTANCE_LAUNCHING" in {h["lifecycle_transition"] for h in hooks}


def test_a_machine_knows_how_it_comes_back(made):
    texts = [text for text in made(WarmPool())["locals"].values() if "lifecycle-rejoin" in text]
    (text,) = texts
    assert "consul maint -disable" in text


@pytest.mark.parametrize(
    ("warm", "given", "says", "way"),
    [
        (WarmPool(), {"market": Spot()}, "no warm pool of spot machines", "market=OnDemand()"),
        (
            WarmPool(),
            {"machine": Machine(size=["m7i.large", "m6i.large"])},
            "where it has a choice of machine types",
            'Machine(size=["m7i.large"])',
        ),
        (
            WarmPool(),
            {"machine": Machine(size={"m7i.large": 1})},
            "where it has a choice of machine types",
            'Machine(size=["m7i.large"])',
        ),
        (WarmPool(), {"discovery": False}, "nobody says when a machine has booted", "discovery="),
        (
            FROZEN,
            {"cloud": {"image": "debian-12"}},
            "cannot hibernate Debian's images",
            'AwsCloud(image="ubuntu-22.04")',
        ),
        (
            FROZEN,
            {"machine": Machine(size=["m7i.metal-24xl"])},
            "cannot hibernate bare metal",
            'WarmPool(state="stopped")',
        ),
        (
            FROZEN,
            {"machine": Machine(cpu=2, memory=150, disk=500)},
            "machines of less than 150 GiB",
            "a smaller machine",
        ),
        (
            FROZEN,
            {"machine": Machine(cpu=8, memory=32)},
            "does not fit on its disk",
            "Machine(disk=52)",
        ),
    ],
)
def test_what_aws_cannot_keep_is_refused_with_the_way_out(made, warm, given, says, way):
    with pytest.raises(RefusedError, match=r"test/api/aws: test-api: capacity\.warm") as caught:
        made(warm, **given)
    assert says in str(caught.value)
    assert way in str(caught.value)


def test_ubuntus_images_hibernate(made):
    assert "warm_pool" in group(made(FROZEN, cloud={"image": "ubuntu-22.04"}))


def test_a_pool_of_machines_that_run_is_refused_in_words():
    with pytest.raises(ConfigError, match=r"WarmPool: state: .*gets traffic") as caught:
        WarmPool(state="running")
    assert '"stopped" or "hibernated"' in str(caught.value)
    assert "a larger minimum of the group" in str(caught.value)


@pytest.mark.parametrize("bounds", [{"maximum": 2}, {"maximum": 6, "prepared": 2}])
def test_a_pool_that_would_always_be_empty_is_refused(bounds):
    pool = WarmPool(minimum=0, prepared=bounds.get("prepared"))
    with pytest.raises(ConfigError, match="no machine would ever rest"):
        Capacity(2, bounds["maximum"], warm=pool)


def test_a_pool_of_a_group_that_grows_by_the_clock_is_not_empty():
    day = Scheduled("day", at=time(7), time_zone="UTC", minimum=4, maximum=8)
    assert Capacity(2, scheduled=[day], warm=WarmPool(minimum=0)).warm
