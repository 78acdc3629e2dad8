"""Groups of several types and of two architectures: what AWS is told to choose among."""

from __future__ import annotations

import pytest

from crossgate import (
    AutoScalingGroup,
    AwsCloud,
    Capacity,
    ConfigError,
    ConsulServers,
    Image,
    Machine,
    RefusedError,
    Scheduled,
    Spot,
    Termination,
)

GIVEN = {
    "region": "us-east-1",
    "zones": ["us-east-1a", "us-east-1b"],
    "root_device": "/dev/xvda",
    "network": "10.20.0.0/16",
}
BY_ID = "ami-0123456789abcdef0"
BOTH = {"x86_64": "ami-00000000000000086", "arm64": "ami-00000000000000064"}
TWO = ["m7i.large", "m6i.large"]


@pytest.fixture
def made(stack, api, synth):
    def make(image=BY_ID, **changed):
        aws = AwsCloud(stack, "aws", **GIVEN, image=image)
        AutoScalingGroup(stack, "api", clouds=[aws], service=api, **changed)
        return synth()

    return make


def group(made):
    (found,) = made["resource"]["aws_autoscaling_group"].values()
    return found


def overrides(made):
    return group(made)["mixed_instances_policy"]["launch_template"]["override"]


def templates(made):
    return {t["name"]: t for t in made["resource"]["aws_launch_template"].values()}


def test_one_type_on_demand_is_no_mixture(made):
    found = group(made(machine=Machine(size=["m7i.large"])))
    assert "mixed_instances_policy" not in found
    assert "launch_template" in found


def test_several_types_on_demand_are_taken_in_their_order(made):
    found = made(machine=Machine(size=TWO))
    assert [o["instance_type"] for o in overrides(found)] == TWO
    assert group(found)["mixed_instances_policy"]["instances_distribution"] == {
        "on_demand_allocation_strategy": "prioritized",
        "on_demand_percentage_above_base_capacity": 100,
    }
    assert "launch_template" not in group(found)
    assert "capacity_rebalance" not in group(found)


def test_servers_of_several_types_are_on_demand_too(stack, synth):
    aws = AwsCloud(stack, "aws", **GIVEN, image=BY_ID)
    ConsulServers(stack, "consul", clouds=[aws], machine=Machine(size=TWO))
    assert [o["instance_type"] for o in overrides(synth())] == TWO


def test_a_mixture_follows_the_number_of_the_templates_version(made):
    policy = group(made(machine=Machine(size=TWO)))["mixed_instances_policy"]
    specification = policy["launch_template"]["launch_template_specification"]
    assert specification["version"].endswith(".latest_version}")


def test_weights_are_counted_instead_of_machines(made):
    machine = Machine(size={"m7i.large": 1, "m7i.xlarge": 2})
    assert overrides(made(machine=machine, market=Spot(), capacity=Capacity(4, 12))) == [
        {"instance_type": "m7i.large", "weighted_capacity": "1"},
        {"instance_type": "m7i.xlarge", "weighted_capacity": "2"},
    ]


def test_one_type_with_a_weight_is_counted_by_it(made):
    machine = Machine(size={"m7i.xlarge": 2})
    (override,) = overrides(made(machine=machine, capacity=Capacity(4, 12)))
    assert override["weighted_capacity"] == "2"


def test_weights_of_servers_are_refused(stack):
    aws = AwsCloud(stack, "aws", **GIVEN, image=BY_ID)
    with pytest.raises(RefusedError, match="a number is wanted, whatever they weigh") as caught:
        ConsulServers(stack, "consul", clouds=[aws], machine=Machine(size={"m7i.large": 2}))
    assert "Machine(size=['m7i.large'])" in str(caught.value)


def test_more_types_than_aws_takes_are_refused(made):
    sizes = ["medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"]
    families = ["m6g", "c6g", "r6g", "m7g", "c7g", "r7g"]
    names = [f"{family}.{size}" for family in families for size in sizes]
    with pytest.raises(RefusedError, match="chooses among 40 types at most") as caught:
        made(machine=Machine(size=names, architecture="arm64"))
    assert "48 of them" in str(caught.value)


def test_each_architecture_has_a_template_with_its_own_image(made):
    found = made(BOTH, machine=Machine(cpu=2, memory=4, architecture=["arm64", "x86_64"]))
    arm, intel = templates(found)["test-api"], templates(found)["test-api-x86_64"]
    assert (arm["image_id"], arm["instance_type"]) == (BOTH["arm64"], "t4g.medium")
    assert (intel["image_id"], intel["instance_type"]) == (BOTH["x86_64"], "t3.medium")
    assert arm["user_data"] == intel["user_data"]


def test_a_type_of_the_second_architecture_starts_from_its_template(made):
    found = made(BOTH, machine=Machine(cpu=2, memory=4, architecture=["arm64", "x86_64"]))
    arm, intel = overrides(found)
    assert arm == {"instance_type": "t4g.medium"}
    (name,) = (
        key
        for key, template in found["resource"]["aws_launch_template"].items()
        if template["name"] == "test-api-x86_64"
    )
    assert intel == {
        "instance_type": "t3.medium",
        "launch_template_specification": {
            "launch_template_id": f"${{aws_launch_template.{name}.id}}",
            "version": f"${{aws_launch_template.{name}.latest_version}}",
        },
    }


def test_types_of_both_families_by_name(made):
    names = ["m7g.large", "m7i.large", "m6g.large"]
    machine = Machine(size=names, architecture=["arm64", "x86_64"])
    found = overrides(made(BOTH, machine=machine, market=Spot()))
    assert [(o["instance_type"], "launch_template_specification" in o) for o in found] == [
        ("m7g.large", False),
        ("m7i.large", True),
        ("m6g.large", False),
    ]


def test_spot_by_need_chooses_among_types_of_both(made):
    machine = Machine(cpu=2, memory=4, architecture=["arm64", "x86_64"])
    found = overrides(made(BOTH, machine=machine, market=Spot()))
    assert len(found) == 8
    assert sum("launch_template_specification" in o for o in found) == 4


@pytest.mark.parametrize("image", ["debian-12", Image(name="gateway-*", owner="self")])
def test_an_image_by_name_is_looked_up_for_each_architecture(made, image):
    machine = Machine(cpu=2, memory=4, architecture=["x86_64", "arm64"])
    looked_up = made(image, machine=machine)["data"]["aws_ami"].values()
    asked = [
        values["values"][0]
        for one in looked_up
        for values in one["filter"]
        if values["name"] == "architecture"
    ]
    assert sorted(asked) == ["arm64", "x86_64"]


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (BY_ID, "an image by its id is of one architecture"),
        ("${data.aws_ami.mine.id}", "an image by its id is of one architecture"),
        ({"x86_64": BY_ID}, "the cloud has no image for arm64"),
    ],
)
def test_an_architecture_without_an_image_is_refused(made, image, says):
    machine = Machine(cpu=2, memory=4, architecture=["x86_64", "arm64"])
    with pytest.raises(RefusedError, match=says) as caught:
        made(image, machine=machine)
    assert 'AwsCloud(image={"x86_64": "ami-...", "arm64": "ami-..."})' in str(caught.value)


@pytest.mark.parametrize("image", [{}, {"sparc": BY_ID}])
def test_images_are_by_architecture(made, image):
    with pytest.raises(ConfigError, match="names no image for each architecture") as caught:
        made(image)
    assert "x86_64, arm64" in str(caught.value)


def test_each_of_several_images_is_checked(made):
    with pytest.raises(ConfigError, match="no image has this name"):
        made({"x86_64": BY_ID, "arm64": "debian12"})


def test_a_name_of_the_other_family_is_refused_with_both_ways_out(made):
    with pytest.raises(RefusedError, match="is not for x86_64") as caught:
        made(machine=Machine(size=["m7i.large", "m7g.large"]))
    assert "architecture=['x86_64', 'arm64'] for a group of both" in str(caught.value)
    assert 'Machine(size=["m7g.large"], architecture="arm64")' in str(caught.value)


def test_an_architecture_without_a_type_is_refused(made):
    with pytest.raises(RefusedError, match="none of the instance types is for arm64"):
        made(BOTH, machine=Machine(size=TWO, architecture=["x86_64", "arm64"]))


def test_the_device_of_each_image_is_looked_up(stack, api, synth):
    given = {name: value for name, value in GIVEN.items() if name != "root_device"}
    aws = AwsCloud(stack, "aws", **given, image=BOTH)
    machine = Machine(cpu=2, memory=4, architecture=["x86_64", "arm64"])
    AutoScalingGroup(stack, "api", clouds=[aws], service=api, machine=machine)
    looked_up = synth()["data"]["aws_ami"].values()
    assert sorted(one["filter"][0]["values"][0] for one in looked_up) == sorted(BOTH.values())


HEAVY = Machine(size={"m7i.large": 1, "m7i.xlarge": 2})
NIGHT = Scheduled("night", at="20:00", time_zone="UTC", minimum=2, maximum=4)
ORDERED = "capacity-optimized-prioritized"
ALIGNED = Termination(policies=["allocation-strategy"])


@pytest.mark.parametrize(
    ("given", "says", "way"),
    [
        (
            {
                "machine": Machine(size={"m7i.large": 1, "m7i.xlarge": 2}),
                "capacity": Capacity(2, 9),
            },
            "AWS may replace all machines at once",
            "a minimum of 3, better of 6",
        ),
        (
            {"machine": HEAVY, "capacity": Capacity(6, 9, scheduled=[NIGHT])},
            "AWS may replace all machines at once",
            "or smaller weights",
        ),
        (
            {"market": Spot(on_demand_base=4), "capacity": Capacity(2, 4)},
            "no machine would be spot",
            "Spot(on_demand_base=0)",
        ),
        (
            {"market": Spot(), "capacity": Capacity(1)},
            "no machine would be spot",
            "a larger maximum",
        ),
        (
            {"market": Spot(strategy=ORDERED), "machine": Machine(size=["m7i.large"])},
            "one machine type has no order of priority",
            "name several types",
        ),
        (
            {"termination": ALIGNED},
            "none suits the strategy better",
            "leave that policy out",
        ),
    ],
)
def test_what_looks_right_and_is_not_is_refused_with_the_way_out(made, given, says, way):
    with pytest.raises(RefusedError, match="test/api/aws: test-api: ") as caught:
        made(**given)
    assert says in str(caught.value)
    assert way in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"market": Spot(on_demand_base=3), "capacity": Capacity(2, 4)},
        {
            "market": Spot(on_demand_base=5),
            "capacity": Capacity(
                2,
                4,
                scheduled=[Scheduled("day", at="07:00", time_zone="UTC", minimum=6)],
            ),
        },
        {"market": Spot(strategy=ORDERED), "machine": Machine(size=TWO)},
        {"market": Spot(strategy=ORDERED)},
        {"machine": Machine(size={"m7i.large": 2}), "capacity": Capacity(0, 9)},
        {
            "machine": Machine(size=TWO),
            "termination": Termination(policies=["allocation-strategy"]),
        },
    ],
)
def test_what_is_right_is_built(made, given):
    assert "mixed_instances_policy" in group(made(**given))
