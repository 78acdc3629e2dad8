"""A group in OpenStack follows its processors by Aodh's alarms."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from crossgate import (
    JETSTREAM2,
    AutoScalingGroup,
    Capacity,
    ConsulServers,
    Machine,
    RefusedError,
    Scaling,
    Service,
    Step,
    Steps,
)
from tests.clouds.openstack.ids import by_ids
from tests.clouds.openstack.test_group import template

API = Service(name="api", port=9190, command=["/usr/bin/api"])
MEASURED = replace(JETSTREAM2, aodh=True)
CPU = Scaling(on="cpu", target=0.6)
CONNECTIONS = Scaling(on="connections", target=200)


@pytest.fixture
def nova(stack):
    return by_ids(stack, profile=MEASURED)


def group(stack, cloud, **changes):
    consul = ConsulServers(stack, "consul", clouds=[cloud])
    return AutoScalingGroup(stack, "api", clouds=[cloud], service=API, discovery=consul, **changes)


def alarms(made):
    return {
        name: one["properties"]
        for name, one in template(made)["resources"].items()
        if one["type"] == "OS::Aodh::CompositeAlarm"
    }


def rules(made, name):
    """Return what must all be so for an alarm to ring, the longest look first."""
    rule = alarms(made)[name]["composite_rule"]
    assert rule["operator"] == "and"
    return rule["rules"]


def rule(made, name):
    return rules(made, name)[0]


def test_an_alarm_rings_when_the_processors_are_busier_than_the_target(stack, synth, nova):
    # m3.small: two processors.
    group(stack, nova, machine=Machine(cpu=2, memory=4)).scale_on_cpu(target=0.6)
    busy = rule(synth(), "busy")
    assert (busy["metric"], busy["aggregation_method"]) == ("cpu", "rate:mean")
    assert busy["comparison_operator"] == "gt"
    # Of 300 seconds of two processors 60 per cent, in nanoseconds.
    assert (busy["granularity"], busy["threshold"]) == (300, 0.6 * 2 * 300 * 10**9)


def test_it_signals_the_policy_with_a_trust(stack, synth, nova):
    group(stack, nova).scale_on_cpu()
    for name, policy in {"busy": "scale-up", "calm": "scale-down"}.items():
        (action,) = alarms(synth())[name]["alarm_actions"]
        assert action["str_replace"]["template"] == "trust+URL"
        assert action["str_replace"]["params"] == {"URL": {"get_attr": [policy, "signal_url"]}}


def test_it_looks_at_the_members_of_its_own_stack_in_its_own_project(stack, synth, nova):
    group(stack, nova).scale_on_cpu()
    made = synth()
    query = rule(made, "busy")["query"]["str_replace"]
    assert json.loads(query["template"]) == {
        "and": [{"=": {"project_id": "PROJECT"}}, {"=": {"server_group": "STACK"}}]
    }
    assert query["params"] == {
        "PROJECT": {"get_param": "OS::project_id"},
        "STACK": {"get_param": "OS::stack_id"},
    }
    assert '"metering.server_group": {"get_param": "OS::stack_id"}' in json.dumps(template(made))


def test_a_single_odd_value_rings_none(stack, synth, nova):
    group(stack, nova).scale_on_cpu()
    made = synth()
    assert {rule(made, name)["evaluation_periods"] for name in alarms(made)} == {2}


def test_the_last_value_and_the_last_two_must_be_so_by_themselves_too(stack, synth, nova):
    group(stack, nova).scale_on_cpu(calm=timedelta(minutes=30))
    calm, two, last, _ = rules(synth(), "calm")
    assert [one["evaluation_periods"] for one in (calm, two, last)] == [6, 2, 1]
    assert {**calm, "evaluation_periods": 1} == last


@pytest.mark.parametrize(
    ("name", "comparison", "bound"), [("calm", "ge", 0), ("busy", "le", 1.5 * 2 * 300 * 10**9)]
)
def test_a_value_that_no_machine_can_have_rings_none(stack, synth, nova, name, comparison, bound):
    group(stack, nova, machine=Machine(cpu=2, memory=4)).scale_on_cpu()
    *_, possible = rules(synth(), name)
    assert (possible["comparison_operator"], possible["threshold"]) == (comparison, bound)
    assert possible["evaluation_periods"] == 1


def test_machines_go_after_the_calm(stack, synth, nova):
    group(stack, nova).scale_on_cpu(calm=timedelta(minutes=16))
    assert rule(synth(), "calm")["evaluation_periods"] == 4


@pytest.mark.parametrize(("least", "share"), [(1, 0.27), (2, 0.36), (9, 0.486)])
def test_a_machine_goes_when_the_others_have_room_for_its_work(stack, synth, nova, least, share):
    group(stack, nova, capacity=Capacity(least, 20)).scale_on_cpu(target=0.6)
    calm = rule(synth(), "calm")
    assert calm["comparison_operator"] == "lt"
    assert calm["threshold"] == pytest.approx(share * 2 * 300 * 10**9)


def test_a_cloud_may_measure_more_often(stack, synth):
    cloud = by_ids(stack, profile=replace(MEASURED, measured_every=timedelta(minutes=1)))
    group(stack, cloud).scale_on_cpu()
    busy = rule(synth(), "busy")
    assert (busy["granularity"], busy["threshold"]) == (60, 0.6 * 2 * 60 * 10**9)


def test_a_group_that_shall_not_shrink_has_no_alarm_for_it(stack, synth, nova):
    group(stack, nova).scale_on_cpu(shrink=False)
    assert list(alarms(synth())) == ["busy"]


def test_to_follow_the_processors_changes_no_machine(stack, synth, nova):
    made = group(stack, nova)
    before = template(synth())["resources"]["group"]["properties"]["resource"]
    made.scale_on_cpu()
    assert template(synth())["resources"]["group"]["properties"]["resource"] == before


def test_nobody_but_the_alarms_is_told_of_the_processors(stack, synth, nova):
    made = group(stack, nova)
    made.scale_on_cpu(shrink=False)
    made.scale_on_connections(target=200)
    told = json.loads(template(synth())["outputs"]["crossgate"]["value"])
    assert [one["on"] for one in told["scale"]] == ["connections"]


def test_without_a_keeper_and_a_discovery_there_are_alarms_all_the_same(stack, synth):
    cloud = by_ids(stack, profile=MEASURED, healing=None)
    AutoScalingGroup(stack, "api", clouds=[cloud], service=API).scale_on_cpu()
    assert set(alarms(synth())) == {"busy", "calm"}


def test_where_nobody_measures_the_way_out_is_named(stack):
    with pytest.raises(RefusedError, match="Jetstream2 has no Aodh") as caught:
        group(stack, by_ids(stack)).scale(CPU)
    assert "aodh=True in the profile" in str(caught.value)
    assert "scale_on_connections(...)" in str(caught.value)


def test_a_flavor_of_which_nothing_is_known_cannot_be_followed(stack):
    cloud = by_ids(stack, profile=replace(MEASURED, flavors={}))
    machine = Machine(size=["g1.unknown"])
    made = AutoScalingGroup(stack, "api", clouds=[cloud], service=API, machine=machine)
    with pytest.raises(RefusedError, match="does not say how many processors"):
        made.scale(CPU)


def test_steps_of_processors_are_refused(stack, nova):
    steps = Steps(on="cpu", steps=[Step(at_least=0.6, add=1), Step(at_least=0.9, add=3)])
    with pytest.raises(RefusedError, match="Heat obeys the first"):
        group(stack, nova).scale(steps)


@pytest.mark.parametrize("rules", [[CPU, CONNECTIONS], [CONNECTIONS, CPU]], ids=["cpu", "other"])
def test_no_alarm_takes_machines_that_another_figure_wants(stack, nova, rules):
    made = group(stack, nova)
    made.scale(rules[0])
    with pytest.raises(RefusedError, match=r"without asking whether(.|\n)*shrink=False"):
        made.scale(rules[1])


@pytest.mark.parametrize("only", [CPU, CONNECTIONS], ids=["cpu", "other"])
def test_one_of_two_figures_may_let_the_group_shrink(stack, nova, synth, only):
    made = group(stack, nova)
    for rule in (CPU, CONNECTIONS):
        made.scale(rule if rule == only else replace(rule, shrink=False))
    assert ("calm" in alarms(synth())) == (only == CPU)
