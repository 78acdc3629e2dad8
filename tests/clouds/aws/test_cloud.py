"""What AWS builds and refuses, as single facts of the JSON."""

from __future__ import annotations

import pytest

from crossgate import (
    AutoScalingGroup,
    AwsCloud,
    Capacity,
    ConfigError,
    ConsulServers,
    ExistingVpc,
    Image,
    InstanceRefresh,
    Machine,
    OwnVpc,
    RefusedError,
    Spot,
    VpcByName,
)

GIVEN = {
    "region": "us-east-1",
    "zones": ["us-east-1a", "us-east-1b"],
    "image": "ami-0123456789abcdef0",
    "root_device": "/dev/xvda",
    "network": "10.20.0.0/16",
}


def cloud(stack, **changed):
    return AwsCloud(stack, "aws", **(GIVEN | changed))


def only(made, terraform_type):
    (resource,) = made["resource"][terraform_type].values()
    return resource


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"region": "mars"}, 'a name such as "us-east-1"'),
        ({"zones": ["us-east-1a"]}, "at least two different ones"),
        ({"zones": ["us-east-1a", "us-east-1a"]}, "at least two different ones"),
        ({"zones": ["us-east-1a", "us-west-2a"]}, "is no zone of us-east-1"),
        ({"image": "debian-99"}, "no image has this name"),
        ({"image": "debian12"}, 'write "debian-12"'),
        ({"network": "10.0.0.0/8"}, "/16 to /24"),
        ({"network": OwnVpc("10.20.0.0/16", private=["10.20.0.0/20"])}, "one for each zone"),
    ],
)
def test_bad_input_is_refused_and_names_the_construct(stack, changed, says):
    with pytest.raises(ConfigError) as caught:
        cloud(stack, **changed)
    assert says in str(caught.value)
    assert "aws" in str(caught.value) or "OwnVpc" in str(caught.value)


@pytest.mark.parametrize(
    ("subnets", "says"),
    [
        ({"private": ["10.99.0.0/20"]}, "a subnet lies outside its network"),
        ({"private": ["10.20.0.0/20"], "public": ["10.20.0.0/24"]}, "two subnets overlap"),
        ({"private": ["10.20.0.1/20"]}, "bits set to the right"),
    ],
)
def test_subnets_that_do_not_fit_are_refused(subnets, says):
    with pytest.raises(ConfigError, match=says):
        OwnVpc("10.20.0.0/16", **subnets)


def test_an_id_that_is_no_dns_label_is_refused(stack):
    with pytest.raises(ConfigError, match="is not a DNS label"):
        AwsCloud(stack, "AWS_East", region="us-east-1")


@pytest.mark.parametrize(
    ("machine", "says"),
    [
        (Machine(size=["m7i.lrge"]), "m7i.large"),
        (Machine(size=["m7g.large"]), 'architecture="arm64"'),
        (Machine(cpu=500, memory=4), "no instance type in the catalogue is large enough"),
    ],
)
def test_an_unknown_size_is_refused_with_near_ones(stack, api, machine, says):
    with pytest.raises(RefusedError, match="test/api/aws: machine") as caught:
        AutoScalingGroup(stack, "api", clouds=[cloud(stack)], service=api, machine=machine)
    assert says in str(caught.value)


def test_a_type_that_aws_has_had_since_is_accepted_by_name(stack, api, synth):
    aws = cloud(stack, extra_sizes=["z9.large"])
    AutoScalingGroup(stack, "api", clouds=[aws], service=api, machine=Machine(size=["z9.large"]))
    assert only(synth(), "aws_launch_template")["instance_type"] == "z9.large"


@pytest.mark.parametrize(
    ("machine", "type_"),
    [
        (Machine(cpu=1, memory=1), "t3.micro"),
        (Machine(cpu=2, memory=4), "t3.medium"),
        (Machine(cpu=2, memory=9), "r7i.large"),
        (Machine(cpu=8, memory=16), "c7i.2xlarge"),
        (Machine(cpu=2, memory=4, architecture="arm64"), "t4g.medium"),
    ],
)
def test_a_need_becomes_the_smallest_type_that_meets_it(stack, api, synth, machine, type_):
    AutoScalingGroup(stack, "api", clouds=[cloud(stack)], service=api, machine=machine)
    assert only(synth(), "aws_launch_template")["instance_type"] == type_


def test_the_named_image_is_looked_up_by_its_publisher_and_architecture(stack, api, synth):
    aws = cloud(stack, image="debian-12")
    AutoScalingGroup(
        stack,
        "api",
        clouds=[aws],
        service=api,
        machine=Machine(cpu=2, memory=4, architecture="arm64"),
    )
    (found,) = synth()["data"]["aws_ami"].values()
    assert found["owners"] == ["136693071363"]
    assert {"name": "name", "values": ["debian-12-arm64-*"]} in found["filter"]


def test_an_image_of_ones_own_is_looked_up_by_name(stack, api, synth):
    aws = cloud(stack, image=Image(name="gateway-*", owner="123456789012"))
    AutoScalingGroup(stack, "api", clouds=[aws], service=api)
    (found,) = synth()["data"]["aws_ami"].values()
    assert found["owners"] == ["123456789012"]


def test_the_root_device_of_an_image_id_is_looked_up(stack, api, synth):
    AutoScalingGroup(stack, "api", clouds=[cloud(stack, root_device=None)], service=api)
    made = synth()
    ((name, found),) = made["data"]["aws_ami"].items()
    assert found["filter"] == [{"name": "image-id", "values": ["ami-0123456789abcdef0"]}]
    assert found["include_deprecated"] is True
    template = only(made, "aws_launch_template")
    (device,) = template["block_device_mappings"]
    assert device["device_name"] == f"${{data.aws_ami.{name}.root_device_name}}"
    assert template["image_id"] == "ami-0123456789abcdef0"


def test_a_root_device_that_is_given_is_used_and_nothing_looked_up(stack, api, synth):
    AutoScalingGroup(stack, "api", clouds=[cloud(stack, root_device="/dev/sda1")], service=api)
    made = synth()
    assert "data" not in made
    (device,) = only(made, "aws_launch_template")["block_device_mappings"]
    assert device["device_name"] == "/dev/sda1"


def test_zones_are_looked_up_when_they_are_not_given(stack, synth):
    cloud(stack, zones=None)
    zones = {s["availability_zone"] for s in synth()["resource"]["aws_subnet"].values()}
    assert all("data.aws_availability_zones" in zone for zone in zones)
    assert len(zones) == 2


def test_each_zone_has_a_way_out_of_its_own(stack, synth):
    cloud(stack)
    assert len(synth()["resource"]["aws_nat_gateway"]) == 2


def test_a_single_way_out_is_a_choice(stack, synth):
    cloud(stack, network=OwnVpc("10.20.0.0/16", nat="single"))
    assert len(synth()["resource"]["aws_nat_gateway"]) == 1


def test_an_existing_network_is_taken_by_ids(stack, api, synth):
    network = ExistingVpc(
        vpc_id="vpc-1", private=["subnet-1", "subnet-2"], public=["subnet-3"], cidr="10.9.0.0/16"
    )
    AutoScalingGroup(stack, "api", clouds=[cloud(stack, network=network)], service=api)
    made = synth()
    assert "aws_vpc" not in made["resource"]
    group = only(made, "aws_autoscaling_group")
    assert group["vpc_zone_identifier"] == ["subnet-1", "subnet-2"]


def test_an_existing_network_by_ids_looks_nothing_up(stack, api, synth):
    network = ExistingVpc(
        vpc_id="vpc-1", private=["subnet-1"], public=["subnet-3"], cidr="10.9.0.0/16"
    )
    AutoScalingGroup(stack, "api", clouds=[cloud(stack, network=network, zones=None)], service=api)
    assert "data" not in synth()


def test_the_range_of_an_existing_network_is_looked_up_when_unknown(stack):
    network = ExistingVpc(vpc_id="vpc-1", private=["subnet-1"], public=["subnet-3"])
    aws = cloud(stack, network=network)
    assert aws.network is None


def test_an_existing_network_is_found_by_name(stack, api, synth):
    AutoScalingGroup(
        stack, "api", clouds=[cloud(stack, network=VpcByName(name="main"))], service=api
    )
    made = synth()
    assert only({"resource": made["data"]}, "aws_vpc")["tags"] == {"Name": "main"}
    assert len(made["data"]["aws_subnets"]) == 2


def test_spot_offers_several_types_and_keeps_one_on_demand(stack, api, synth):
    AutoScalingGroup(stack, "api", clouds=[cloud(stack)], service=api, market=Spot())
    policy = only(synth(), "aws_autoscaling_group")["mixed_instances_policy"]
    assert len(policy["launch_template"]["override"]) > 1
    assert policy["instances_distribution"]["on_demand_base_capacity"] == 1


def test_the_desired_size_is_left_to_scaling(stack, api, synth):
    AutoScalingGroup(stack, "api", clouds=[cloud(stack)], service=api, capacity=Capacity(2, 9))
    assert "desired_capacity" not in only(synth(), "aws_autoscaling_group")


def test_the_refresh_is_as_asked(stack, api, synth):
    AutoScalingGroup(
        stack,
        "api",
        clouds=[cloud(stack)],
        service=api,
        rollout=InstanceRefresh(min_healthy=0.5, max_healthy=1.5),
    )
    preferences = only(synth(), "aws_autoscaling_group")["instance_refresh"]["preferences"]
    assert preferences["min_healthy_percentage"] == 50
    assert preferences["max_healthy_percentage"] == 150


def test_the_group_follows_the_number_of_the_templates_version(stack, api, synth):
    AutoScalingGroup(stack, "api", clouds=[cloud(stack)], service=api)
    version = only(synth(), "aws_autoscaling_group")["launch_template"]["version"]
    assert version.endswith(".latest_version}")


def test_no_public_address_and_no_key_unless_asked(stack, api, synth):
    AutoScalingGroup(stack, "api", clouds=[cloud(stack)], service=api)
    template = only(synth(), "aws_launch_template")
    assert "key_name" not in template
    assert "network_interfaces" not in template


def test_a_group_without_discovery_has_a_role_without_rights(stack, api, synth):
    AutoScalingGroup(stack, "api", clouds=[cloud(stack)], service=api)
    made = synth()
    assert "aws_iam_role_policy" not in made["resource"]
    assert len(made["resource"]["aws_iam_role"]) == 1


def test_tags_are_on_the_provider_the_machines_and_their_disks(stack, api, synth):
    aws = cloud(stack, tags={"team": "gateway"})
    AutoScalingGroup(stack, "api", clouds=[aws], service=api, tags={"tier": "api"})
    made = synth()
    (provider,) = made["provider"]["aws"]
    assert provider["default_tags"] == [{"tags": {"team": "gateway"}}]
    for specification in only(made, "aws_launch_template")["tag_specifications"]:
        assert {"team": "gateway", "tier": "api"}.items() <= specification["tags"].items()
    tags = {t["key"]: t["value"] for t in only(made, "aws_autoscaling_group")["tag"]}
    assert tags["team"] == "gateway"


def test_two_regions_are_two_clouds_with_an_alias_each(stack, synth):
    cloud(stack)
    AwsCloud(stack, "west", region="us-west-2", image="ami-1", network="10.40.0.0/16")
    assert [p["alias"] for p in synth()["provider"]["aws"]] == ["aws", "west"]


def test_a_firewall_of_another_cloud_is_refused(stack, api):
    aws = cloud(stack)
    west = AwsCloud(stack, "west", region="us-west-2", image="ami-1", network="10.40.0.0/16")
    consul = ConsulServers(stack, "consul", clouds=[aws])
    with pytest.raises(ConfigError, match="has no servers in 'west'"):
        AutoScalingGroup(stack, "api", clouds=[west], service=api, discovery=consul)
