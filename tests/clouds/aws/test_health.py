"""When a machine tells its group that it is unhealthy; tests/lab has one tell an emulator."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from crossgate import AutoScalingGroup, Capacity, ConsulServers, Health, InHouse, Service
from crossgate.clouds.aws.programs.own_verdict import Rules, Verdict
from crossgate.errors import RefusedError
from tests.contract.conftest import CLOUDS

API = Service(name="api", port=9190, command=["/usr/bin/api"])
RULES = Rules(service="api", unfit=300, cut=0.5)
NOW = 10_000.0


def seen(**fit):
    return {
        name: {"name": name, "alive": one is not None, "services": {"api": bool(one)}}
        for name, one in fit.items()
    }


def verdict(members, since=None):
    return Verdict(since).judge("me", members, RULES, NOW)


def test_a_machine_that_is_fit_says_nothing_and_starts_anew():
    own = Verdict(NOW - 999)
    assert own.judge("me", seen(me=True, b=True), RULES, NOW) == ""
    assert own.since is None


def test_it_waits_whether_its_service_comes_back():
    assert verdict(seen(me=False, b=True, c=True)) == ""
    assert verdict(seen(me=False, b=True, c=True), NOW - 299) == ""


def test_it_tells_when_its_service_fails_for_long():
    assert verdict(seen(me=False, b=True, c=True), NOW - 300) == "unhealthy"


def test_it_does_not_tell_when_half_of_them_fail_at_once():
    members = seen(me=False, b=False, c=True, d=True)
    assert verdict(members, NOW - 300) == "2 of 4 fail at once"


def test_after_they_failed_together_each_has_its_time_again():
    own = Verdict(NOW - 999)
    own.judge("me", seen(me=False, b=False, c=True, d=True), RULES, NOW)
    assert own.judge("me", seen(me=False, b=True, c=True, d=True), RULES, NOW + 10) == ""


def test_of_several_that_fail_one_goes_at_a_time():
    members = seen(a=False, me=False, c=True, d=True, e=True)
    assert verdict(members, NOW - 300) == "others that fail go first"
    assert Verdict(NOW - 300).judge("a", members, RULES, NOW) == "unhealthy"


def test_a_dead_machine_counts_among_those_that_fail():
    members = seen(me=False, b=None, c=True, d=True)
    assert verdict(members, NOW - 300) == "2 of 4 fail at once"


def test_machines_of_other_services_do_not_count():
    members = seen(me=False, b=True)
    members["web"] = {"name": "web", "alive": True, "services": {"web": True}}
    assert verdict(members, NOW - 300) == "unhealthy"


def test_a_single_machine_tells():
    assert verdict(seen(me=False), NOW - 300) == "unhealthy"


def group(stack, cloud, health, *, watched=True):
    consul = ConsulServers(stack, "consul", clouds=[cloud]) if watched else None
    return AutoScalingGroup(
        stack,
        "api",
        clouds=[cloud],
        service=API,
        discovery=consul,
        capacity=Capacity(2) if isinstance(cloud, InHouse) else Capacity(2, 4),
        health=health,
    )


@pytest.fixture
def aws(stack):
    return CLOUDS["aws"](stack, "aws", "10.20.0.0/16")


def test_the_grace_period_is_the_groups(stack, synth, aws):
    group(stack, aws, Health(grace=timedelta(minutes=8)))
    groups = synth()["resource"]["aws_autoscaling_group"].values()
    assert 480 in [made["health_check_grace_period"] for made in groups]


def test_a_machine_may_judge_its_own_group_alone(stack, synth, aws):
    group(stack, aws, Health(unfit=timedelta(minutes=5)))
    policies = synth()["resource"]["aws_iam_role_policy"].values()
    statements = [s for p in policies for s in json.loads(p["policy"])["Statement"]]
    (allowed,) = (
        s["Resource"] for s in statements if "autoscaling:SetInstanceHealth" in s["Action"]
    )
    assert allowed.endswith(":autoScalingGroupName/test-api")


def test_without_such_a_rule_nobody_judges(stack, synth, aws):
    group(stack, aws, Health())
    made = synth()
    assert "SetInstanceHealth" not in json.dumps(made["resource"])
    assert not [text for text in made["locals"].values() if "own_verdict" in text]


@pytest.mark.parametrize("name", ["aws", "openstack"])
def test_a_group_that_nobody_watches_is_refused(stack, name):
    cloud = CLOUDS[name](stack, name, "10.20.0.0/16")
    with pytest.raises(RefusedError, match="service"):
        group(stack, cloud, Health(unfit=timedelta(minutes=5)), watched=False)


def test_hosts_are_not_replaced(stack):
    rack = CLOUDS["inhouse"](stack, "rack", "10.20.0.0/16")
    with pytest.raises(RefusedError, match="hosts are kept"):
        group(stack, rack, Health(unfit=timedelta(minutes=5)))


def test_in_openstack_the_keeper_has_the_rule(stack, synth):
    nova = CLOUDS["openstack"](stack, "nova", "10.30.0.0/16")
    group(stack, nova, Health(grace=timedelta(minutes=2), unfit=timedelta(minutes=5), cut=0.4))
    text = json.dumps(synth()["locals"])
    for rule in ("grace", "120"), ("unfit", "300"), ("unfit_cut", "0.4"):
        assert ": ".join((rule[0], rule[1])) in text.replace("\\", "").replace('"', "")
