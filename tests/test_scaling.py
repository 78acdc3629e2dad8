"""What a group's size follows, in every cloud."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from crossgate import (
    JETSTREAM2,
    AutoScalingGroup,
    AwsCloud,
    Capacity,
    ConfigError,
    ConsulServers,
    Gateway,
    GroupPlan,
    InstanceRefresh,
    Listener,
    NullCloud,
    OpenStackCloud,
    PolicyError,
    RefusedError,
    Scaling,
    Service,
    Step,
    Steps,
    Termination,
)
from tests.clouds.openstack.ids import EXTERNAL, IMAGE
from tests.clouds.openstack.test_group import template

API = Service(name="api", port=9190, command=["/usr/bin/api"])
LIMITED = replace(API, max_connections=100)
POLICY = "aws_autoscaling_policy"


def on_aws(stack, id="aws", **changes):
    return AwsCloud(
        stack,
        id,
        region="us-east-1",
        zones=["us-east-1a", "us-east-1b"],
        image="ami-0123456789abcdef0",
        root_device="/dev/xvda",
        **changes,
    )


@pytest.fixture
def aws(stack):
    return on_aws(stack)


@pytest.fixture
def nova(stack):
    return OpenStackCloud(
        stack,
        "nova",
        profile=JETSTREAM2,
        image=IMAGE,
        network="10.30.0.0/16",
        external_network_id=EXTERNAL,
    )


def group(stack, *clouds, service=API, **changes):
    consul = ConsulServers(stack, "consul", clouds=clouds)
    return AutoScalingGroup(
        stack, "api", clouds=clouds, service=service, discovery=consul, **changes
    )


def policy(made):
    (found,) = made["resource"][POLICY].values()
    return found


def rules(made):
    return json.loads(template(made)["outputs"]["crossgate"]["value"])


def test_on_aws_the_processors_are_kept_busy_to_the_target(stack, synth, aws):
    group(stack, aws).scale_on_cpu(target=0.55)
    made = policy(synth())
    tracking = made["target_tracking_configuration"]
    assert made["policy_type"] == "TargetTrackingScaling"
    assert (tracking["target_value"], tracking["disable_scale_in"]) == (55, False)


def test_on_aws_a_group_that_shall_not_shrink_does_not(stack, synth, aws):
    group(stack, aws).scale_on_cpu(shrink=False)
    assert policy(synth())["target_tracking_configuration"]["disable_scale_in"] is True


def test_in_openstack_the_rule_lies_with_the_group(stack, synth, nova):
    group(stack, nova).scale_on_connections(target=200, calm=timedelta(minutes=10))
    assert rules(synth())["scale"] == [
        {"on": "connections", "target": 200, "cooldown": 60, "calm": 600, "shrink": True}
    ]


def test_in_openstack_the_keeper_knows_the_service_and_the_bounds(stack, synth, nova):
    group(stack, nova, capacity=Capacity(3, 9)).scale_on_connections(target=200)
    made = rules(synth())
    assert (made["service"], made["least"], made["most"]) == ("api", 3, 9)


def test_heat_obeys_the_keeper_as_fast_as_the_rule_says(stack, synth, nova):
    group(stack, nova).scale_on_connections(target=200, cooldown=timedelta(seconds=10))
    resources = template(synth())["resources"]
    assert {
        resources[name]["properties"]["cooldown"] for name in ("group", "scale-up", "scale-down")
    } == {10}


def test_one_cloud_may_follow_another_figure(stack, synth, aws, nova):
    both = group(stack, aws, nova)
    both.scale_on_cpu(clouds=[aws])
    both.scale_on_connections(target=200, clouds=[nova])
    assert policy(synth())


def test_a_gateway_takes_it_for_each_cloud(stack, synth, aws, nova):
    Gateway(
        stack,
        "gw",
        clouds=[aws, nova],
        services=[
            GroupPlan(
                service=API,
                scaling={
                    aws: [Scaling(on="cpu", target=0.6)],
                    nova: [Scaling(on="connections", target=200)],
                },
            )
        ],
        listeners=[Listener(port=9000, to=API)],
    )
    made = synth()
    assert policy(made)["target_tracking_configuration"]["target_value"] == 60
    assert rules(made)["scale"][0]["target"] == 200


def test_balancers_tell_their_figures_where_a_keeper_listens(stack, synth, aws, nova):
    services = [GroupPlan(service=API)]
    Gateway(
        stack,
        "gw",
        clouds=[aws, nova],
        services=services,
        listeners=[Listener(port=9000, to=API)],
    )
    telling = [name for name, text in synth()["locals"].items() if "haproxy_figures.py" in text]
    assert telling
    assert all("_nova_" in name for name in telling)


REFUSED = [
    (
        lambda g, c: g.scale_on_connections(target=5, clouds=[c["aws"]]),
        r"CloudWatch is not told(.|\n)*balancer_metrics=True",
    ),
    (lambda g, c: g.scale_on_cpu(clouds=[c["nova"]]), "nobody measures the processors"),
    (lambda g, _: g.scale_on_cpu(target=60), "is more than the whole of a machine"),
    (lambda g, _: g.scale_on_cpu(calm=timedelta(seconds=29)), "faster than they can end"),
    (lambda g, _: g.scale_on_connections(target=0), "Scaling: target"),
    (lambda g, c: g.scale_on_cpu(clouds=[c["other"]]), "the group is not in this cloud"),
    (lambda g, _: g.scale("cpu"), "scaling is of the wrong type"),
]


@pytest.mark.parametrize(("ask", "said"), REFUSED)
def test_what_cannot_be_followed_is_refused_in_words(stack, aws, nova, ask, said):
    clouds = {"aws": aws, "nova": nova, "other": NullCloud(stack, "other")}
    both = group(stack, aws, nova)
    with pytest.raises(ConfigError, match=said):
        ask(both, clouds)


def test_nothing_is_made_when_one_of_the_clouds_refuses(stack, synth, aws, nova):
    with pytest.raises(RefusedError, match="nobody measures"):
        group(stack, aws, nova).scale_on_cpu()
    assert POLICY not in synth()["resource"]


def test_a_fixed_size_follows_nothing(stack, aws):
    with pytest.raises(ConfigError, match="the size is fixed"):
        group(stack, aws, capacity=Capacity(3)).scale_on_cpu()


def test_the_same_figure_twice_is_refused(stack, aws):
    once = group(stack, aws)
    once.scale_on_cpu(target=0.6)
    with pytest.raises(ConfigError, match="the size follows cpu already"):
        once.scale_on_cpu(target=0.7)


def test_without_a_keeper_openstack_follows_nothing(stack):
    nova = OpenStackCloud(
        stack,
        "nova",
        profile=JETSTREAM2,
        image=IMAGE,
        network="10.30.0.0/16",
        external_network_id=EXTERNAL,
        healing=None,
    )
    with pytest.raises(RefusedError, match="with healing=None nobody keeps the groups"):
        group(stack, nova).scale_on_connections(target=200)


def test_a_group_that_nobody_watches_is_not_scaled_by_connections(stack, nova):
    alone = AutoScalingGroup(stack, "api", clouds=[nova], service=API)
    with pytest.raises(RefusedError, match="without discovery"):
        alone.scale_on_connections(target=200)


def test_on_aws_connections_are_divided_by_the_machines(stack, synth):
    aws = on_aws(stack, balancer_metrics=True)
    group(stack, aws).scale_on_connections(target=200)
    made = synth()
    tracking = policy(made)["target_tracking_configuration"]
    metrics = {one["id"]: one for one in tracking["customized_metric_specification"]["metrics"]}
    assert tracking["target_value"] == 200
    assert metrics["each"]["expression"] == "connections / machines"
    assert [one["id"] for one in metrics.values() if one["return_data"]] == ["each"]
    own = metrics["connections"]["metric_stat"]["metric"]
    assert {one["name"]: one["value"] for one in own["dimensions"]} == {
        "Cluster": "test-consul",
        "Service": "api",
    }


def test_on_aws_a_group_shows_its_size_for_that(stack, synth, aws):
    group(stack, aws)
    shown = [
        g.get("enabled_metrics") for g in synth()["resource"]["aws_autoscaling_group"].values()
    ]
    assert ["GroupInServiceInstances"] in shown


@pytest.mark.parametrize("told", [True, False])
def test_on_aws_the_servers_may_write_one_namespace_and_only_where_they_are_to(stack, synth, told):
    group(stack, on_aws(stack, balancer_metrics=told))
    made = synth()
    policies = [json.loads(p["policy"]) for p in made["resource"]["aws_iam_role_policy"].values()]
    writing = [s for p in policies for s in p["Statement"] if "PutMetricData" in s["Action"]]
    condition = {"StringEquals": {"cloudwatch:namespace": "Crossgate"}}
    assert [one["Condition"] for one in writing] == ([condition] if told else [])
    telling = [text for text in made["locals"].values() if "cloudwatch_figures.py" in text]
    assert len(telling) == (1 if told else 0)


def test_a_group_whose_machines_are_protected_is_not_told_to_shrink(stack, aws):
    group = AutoScalingGroup(
        stack, "api", clouds=[aws], service=API, termination=Termination(protect=True)
    )
    with pytest.raises(PolicyError, match=r"test/api/aws: .*none would go") as caught:
        group.scale_on_cpu()
    assert "scale_on_cpu(..., shrink=False)" in str(caught.value)
    group.scale_on_cpu(shrink=False)


# Those that wait.


@pytest.mark.parametrize(
    "rule",
    [
        Scaling(on="queue", target=5),
        Steps(on="queue", steps=[Step(at_least=5, add=1)]),
    ],
)
def test_nobody_waits_for_a_service_without_a_limit(stack, aws, nova, rule):
    with pytest.raises(ConfigError, match=r"any number of connections(.|\n)*max_connections="):
        group(stack, aws, nova).scale(rule)


def test_in_openstack_the_keeper_knows_how_many_connections_a_machine_takes(stack, synth, nova):
    group(stack, nova, service=LIMITED).scale_on_queue(target=5)
    (rule,) = rules(synth())["scale"]
    assert (rule["on"], rule["target"], rule["room"]) == ("queue", 5, 100)


def series(made):
    tracking = policy(made)["target_tracking_configuration"]
    return {one["id"]: one for one in tracking["customized_metric_specification"]["metrics"]}


def test_on_aws_those_that_wait_are_divided_by_the_machines(stack, synth):
    aws = on_aws(stack, balancer_metrics=True)
    group(stack, aws, service=LIMITED).scale_on_queue(target=5, shrink=False)
    made = synth()
    assert policy(made)["target_tracking_configuration"]["target_value"] == 5
    assert series(made)["each"]["expression"] == "queue / machines"
    assert series(made)["queue"]["metric_stat"]["metric"]["metric_name"] == "Queue"


def IF(condition, true, false):  # noqa: N802  (as CloudWatch writes it)
    return true if condition else false


@pytest.fixture
def cloudwatch(stack, synth):
    """Return what CloudWatch makes of connections, of those that wait, and of machines."""
    aws = on_aws(stack, balancer_metrics=True)
    group(stack, aws, service=LIMITED).scale_on_queue(target=5)
    asked = [one for one in series(synth()).values() if "expression" in one]

    def value(connections, queue, machines):
        known = {"connections": connections, "queue": queue, "machines": machines, "IF": IF}
        for one in asked:
            known[one["id"]] = eval(one["expression"], {"__builtins__": {}}, known)  # noqa: S307
        return known[next(one["id"] for one in asked if one["return_data"])]

    return value


@pytest.mark.parametrize(
    ("connections", "queue", "machines", "value"),
    [
        (230, 30, 2, 15),  # three times as many wait as may
        (210, 10, 2, 5),  # just as many as may
        (200, 0, 2, 5),  # nobody waits, and all is full: neither more nor fewer
        (180, 0, 2, 5),  # nine tenths of it are full
        (90, 0, 2, 2.5),  # one machine would take them, with a tenth to spare
        (0, 0, 2, 0),
    ],
)
def test_on_aws_a_full_group_does_not_shrink_for_that_nobody_waits(
    cloudwatch, connections, queue, machines, value
):
    assert cloudwatch(connections, queue, machines) == pytest.approx(value)


# Steps.

UP = [Step(at_least=200, add=1), Step(at_least=400, add=3)]
STEPS = Steps(on="connections", steps=[*UP, Step(at_most=50, remove=1)])


def test_in_openstack_the_steps_lie_with_the_group(stack, synth, nova):
    group(stack, nova).scale(STEPS)
    assert rules(synth())["scale"] == [
        {
            "on": "connections",
            "adding": [[200, 1], [400, 3]],
            "removing": [[50, 1]],
            "cooldown": 60,
            "calm": 300,
        }
    ]


def test_in_openstack_each_change_has_a_policy_of_its_own(stack, synth, nova):
    group(stack, nova).scale(STEPS)
    changes = {
        name: made["properties"]["scaling_adjustment"]
        for name, made in template(synth())["resources"].items()
        if made["type"] == "OS::Heat::ScalingPolicy"
    }
    assert changes == {"scale-up": 1, "scale-up-3": 3, "scale-down": -1}


def stepped(made):
    """Return the step policies and the alarms, each by what it does."""
    policies = {one["name"]: one for one in made["resource"][POLICY].values()}
    alarms = {
        one["alarm_name"].removeprefix("test-api-"): one
        for one in made["resource"]["aws_cloudwatch_metric_alarm"].values()
    }
    return policies, alarms


@pytest.fixture
def on_both_sides(stack, synth):
    group(stack, on_aws(stack, balancer_metrics=True)).scale(STEPS)
    return stepped(synth())


def test_on_aws_a_policy_has_the_steps_from_the_first_bound_on(on_both_sides):
    policies, _ = on_both_sides
    assert policies["connections-add"]["step_adjustment"] == [
        {
            "scaling_adjustment": 1,
            "metric_interval_lower_bound": "0",
            "metric_interval_upper_bound": "200",
        },
        {"scaling_adjustment": 3, "metric_interval_lower_bound": "200"},
    ]
    assert policies["connections-remove"]["step_adjustment"] == [
        {"scaling_adjustment": -1, "metric_interval_upper_bound": "0"}
    ]


def test_on_aws_an_alarm_has_each_policy_do_its_work(on_both_sides):
    _, alarms = on_both_sides
    up, down = alarms["connections-add"], alarms["connections-remove"]
    assert (up["comparison_operator"], up["threshold"]) == ("GreaterThanOrEqualToThreshold", 200)
    assert (down["comparison_operator"], down["threshold"]) == ("LessThanOrEqualToThreshold", 50)
    assert (up["evaluation_periods"], down["evaluation_periods"]) == (1, 5)
    assert ["_add_" in one["alarm_actions"][0] for one in (up, down)] == [True, False]


def test_on_aws_a_minute_without_a_figure_changes_nothing(on_both_sides):
    _, alarms = on_both_sides
    assert {one["treat_missing_data"] for one in alarms.values()} == {"notBreaching"}


def test_on_aws_the_quiet_time_starts_anew_when_the_size_changes(on_both_sides):
    _, alarms = on_both_sides
    (calm,) = (q for q in alarms["connections-remove"]["metric_query"] if q["return_data"])
    assert calm["expression"] == "IF(DIFF(machines) == 0, each, 51)"


def test_on_aws_a_cooldown_is_how_long_new_machines_warm_up(stack, synth):
    aws = on_aws(stack, balancer_metrics=True)
    group(stack, aws).scale(replace(STEPS, cooldown=timedelta(minutes=20)))
    policies, alarms = stepped(synth())
    assert policies["connections-add"]["estimated_instance_warmup"] == 1200
    assert alarms["connections-remove"]["evaluation_periods"] == 20


def test_on_aws_processors_are_measured_in_percent_every_five_minutes(stack, synth, aws):
    steps = [Step(at_least=0.6, add=1), Step(at_least=0.8, add=2), Step(at_most=0.2, remove=1)]
    group(stack, aws).scale(Steps(on="cpu", steps=steps, calm=timedelta(minutes=15)))
    policies, alarms = stepped(synth())
    assert [one["threshold"] for one in alarms.values()] == [60, 20]
    assert policies["cpu-add"]["step_adjustment"][1]["metric_interval_lower_bound"] == "20"
    assert alarms["cpu-remove"]["evaluation_periods"] == 3
    periods = {
        q["metric"]["period"] for a in alarms.values() for q in a["metric_query"] if "metric" in q
    }
    assert periods == {300}


BOTH = [STEPS, Steps(on="cpu", steps=[Step(at_least=0.6, add=1), Step(at_most=0.1, remove=1)])]
ONE_MAY = [STEPS, Scaling(on="cpu", target=0.6, shrink=False)]


def test_on_aws_no_two_figures_let_machines_go_when_one_does_it_in_steps(stack):
    made = group(stack, on_aws(stack, balancer_metrics=True))
    made.scale(BOTH[0])
    with pytest.raises(RefusedError, match=r"by connections and by cpu(.|\n)*shrink=False"):
        made.scale(BOTH[1])


def test_on_aws_a_figure_that_only_adds_may_stand_beside_steps(stack, synth):
    made = group(stack, on_aws(stack, balancer_metrics=True))
    for rule in ONE_MAY:
        made.scale(rule)
    assert len(synth()["resource"][POLICY]) == 3


def test_on_aws_an_alarm_looks_back_a_day_at_most(stack):
    with pytest.raises(RefusedError, match="no further than a day"):
        group(stack, on_aws(stack, balancer_metrics=True)).scale(
            replace(STEPS, calm=timedelta(days=2))
        )


def test_steps_that_would_swing_without_end_are_refused(stack, nova):
    near = Steps(on="connections", steps=[*UP, Step(at_most=150, remove=1)])
    with pytest.raises(ConfigError, match=r"would grow again(.|\n)*225 for each of 2"):
        group(stack, nova).scale(near)


def test_steps_on_a_fixed_size_are_refused(stack, nova):
    with pytest.raises(ConfigError, match="the size is fixed"):
        group(stack, nova, capacity=Capacity(3)).scale(STEPS)


def test_steps_and_a_target_of_one_figure_are_refused(stack, nova):
    once = group(stack, nova)
    once.scale(STEPS)
    with pytest.raises(ConfigError, match="the size follows connections already"):
        once.scale_on_connections(target=100)


def test_heat_has_no_stack_for_more_machines_and_policies_than_it_counts(stack, nova):
    refresh = InstanceRefresh(max_healthy=1.5)
    large = group(stack, nova, capacity=Capacity(100, 116), rollout=refresh)
    many = [Step(at_least=100 + number, add=number) for number in range(1, 9)]
    with pytest.raises(RefusedError, match="no stack that is large enough for so many steps"):
        large.scale(Steps(on="connections", steps=many))
    large.scale(STEPS)
