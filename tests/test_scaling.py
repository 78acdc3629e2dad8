"""What a group's size follows, in every cloud."""

from __future__ import annotations

import json
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
    Listener,
    NullCloud,
    OpenStackCloud,
    PolicyError,
    RefusedError,
    Scaling,
    Service,
    Termination,
)
from tests.clouds.openstack.ids import EXTERNAL, IMAGE
from tests.clouds.openstack.test_group import template

API = Service(name="api", port=9190, command=["/usr/bin/api"])
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


def group(stack, *clouds, **changes):
    consul = ConsulServers(stack, "consul", clouds=clouds)
    return AutoScalingGroup(stack, "api", clouds=clouds, service=API, discovery=consul, **changes)


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
    with pytest.raises(ConfigError, match="the id is taken"):
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
