"""What the emulator does as AWS does, where moto by itself does not."""

import pytest

from lab.aws import Account

pytestmark = pytest.mark.terraform


def test_a_load_balancer_that_is_created_again_is_the_same_one(aws: Account):
    ec2, elb = aws.client("ec2"), aws.client("elbv2")
    subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]][:2]
    wanted = {"Name": "asked-twice", "Type": "network", "Subnets": subnets}
    first, second = (elb.create_load_balancer(**wanted)["LoadBalancers"] for _ in range(2))
    elb.delete_load_balancer(LoadBalancerArn=first[0]["LoadBalancerArn"])
    assert [one["LoadBalancerArn"] for one in first] == [one["LoadBalancerArn"] for one in second]


def test_an_update_of_the_size_leaves_the_machine_types(aws: Account):
    groups, ec2 = aws.client("autoscaling"), aws.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    image = ec2.describe_images()["Images"][0]["ImageId"]
    ec2.create_launch_template(LaunchTemplateName="types", LaunchTemplateData={"ImageId": image})
    specification = {"LaunchTemplateName": "types", "Version": "1"}
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": specification,
            "Overrides": [{"InstanceType": "m7i.large"}],
        }
    }
    groups.create_auto_scaling_group(
        AutoScalingGroupName="types",
        MinSize=0,
        MaxSize=0,
        VPCZoneIdentifier=subnet,
        MixedInstancesPolicy=policy,
    )
    groups.update_auto_scaling_group(AutoScalingGroupName="types", MaxSize=1)
    (found,) = groups.describe_auto_scaling_groups(AutoScalingGroupNames=["types"])[
        "AutoScalingGroups"
    ]
    groups.delete_auto_scaling_group(AutoScalingGroupName="types", ForceDelete=True)
    ec2.delete_launch_template(LaunchTemplateName="types")
    overrides = found["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]
    assert [one["InstanceType"] for one in overrides] == ["m7i.large"]


def test_machines_go_once_their_protection_is_taken_away(aws: Account):
    """As Terraform destroys a group: it wants none first, and unprotects then."""
    groups, ec2 = aws.client("autoscaling"), aws.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    image = ec2.describe_images()["Images"][0]["ImageId"]
    ec2.create_launch_template(LaunchTemplateName="kept", LaunchTemplateData={"ImageId": image})
    name = {"AutoScalingGroupName": "kept"}
    groups.create_auto_scaling_group(
        **name,
        MinSize=2,
        MaxSize=2,
        VPCZoneIdentifier=subnet,
        LaunchTemplate={"LaunchTemplateName": "kept", "Version": "1"},
        NewInstancesProtectedFromScaleIn=True,
    )

    def machines() -> list[str]:
        (found,) = groups.describe_auto_scaling_groups(AutoScalingGroupNames=["kept"])[
            "AutoScalingGroups"
        ]
        return [one["InstanceId"] for one in found["Instances"]]

    groups.update_auto_scaling_group(**name, MinSize=0, MaxSize=0, DesiredCapacity=0)
    first, second = machines()
    groups.set_instance_protection(**name, InstanceIds=[first], ProtectedFromScaleIn=False)
    assert machines() == [second]
    groups.set_instance_protection(**name, InstanceIds=[second], ProtectedFromScaleIn=False)
    assert machines() == []
    groups.delete_auto_scaling_group(**name)
    ec2.delete_launch_template(LaunchTemplateName="kept")
