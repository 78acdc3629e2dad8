"""What the emulator does as AWS does, where moto by itself does not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from lab.metadata import TO_GO
from tests.deploy.small_group import LAUNCHING, TERMINATING, SmallGroup

if TYPE_CHECKING:
    from lab.aws import Account

pytestmark = pytest.mark.terraform

READY = {"ready": (LAUNCHING, 60)}


def state_in_ec2(group: SmallGroup, instance: str) -> str:
    (found,) = group.ec2.describe_instances(InstanceIds=[instance])["Reservations"]
    return found["Instances"][0]["State"]["Name"]


def tags(group: SmallGroup, instance: str) -> dict[str, str]:
    asked = [{"Name": "resource-id", "Values": [instance]}]
    return {t["Key"]: t["Value"] for t in group.ec2.describe_tags(Filters=asked)["Tags"]}


def test_a_load_balancer_that_is_created_again_is_the_same_one(aws: Account):
    ec2, elb = aws.client("ec2"), aws.client("elbv2")
    subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]][:2]
    wanted = {"Name": "asked-twice", "Type": "network", "Subnets": subnets}
    first, second = (elb.create_load_balancer(**wanted)["LoadBalancers"] for _ in range(2))
    elb.delete_load_balancer(LoadBalancerArn=first[0]["LoadBalancerArn"])
    assert [one["LoadBalancerArn"] for one in first] == [one["LoadBalancerArn"] for one in second]


def test_a_request_that_is_sent_again_is_answered_as_before(aws: Account):
    """SDKs send one again, with the name of the first attempt, whose answer they have not got."""
    iam = aws.client("iam")
    wanted = {"RoleName": "asked-twice", "AssumeRolePolicyDocument": "{}"}
    invocation = "5c0ffee5-0000-4000-8000-000000000001"

    def named(request, **_):
        request.headers["amz-sdk-invocation-id"] = invocation

    iam.meta.events.register("before-send.iam.CreateRole", named)
    first, again = (iam.create_role(**wanted)["Role"] for _ in range(2))
    invocation = "5c0ffee5-0000-4000-8000-000000000002"
    with pytest.raises(ClientError, match="EntityAlreadyExists"):
        iam.create_role(**wanted)
    iam.delete_role(RoleName="asked-twice")
    assert first == again


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


def test_a_load_balancer_keeps_its_fixed_addresses(aws: Account):
    ec2, elb = aws.client("ec2"), aws.client("elbv2")
    subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]][:2]
    given = {one: ec2.allocate_address(Domain="vpc")["AllocationId"] for one in subnets}
    mappings = [{"SubnetId": one, "AllocationId": address} for one, address in given.items()]
    made = elb.create_load_balancer(Name="fixed", Type="network", SubnetMappings=mappings)
    (found,) = elb.describe_load_balancers(Names=["fixed"])["LoadBalancers"]
    elb.delete_load_balancer(LoadBalancerArn=made["LoadBalancers"][0]["LoadBalancerArn"])
    for address in given.values():
        ec2.release_address(AllocationId=address)
    assert {
        zone["SubnetId"]: zone["LoadBalancerAddresses"][0]["AllocationId"]
        for zone in found["AvailabilityZones"]
    } == given


def test_machines_are_launched_from_the_version_that_the_group_names(aws: Account):
    group = SmallGroup(aws)
    group.name_version(group.new_version())
    group.client.set_desired_capacity(AutoScalingGroupName=group.name, DesiredCapacity=3)
    assert group.versions() == {"1": 2, "2": 1}
    (new,) = (m for m in group.machines() if m["LaunchTemplate"]["Version"] == "2")
    assert tags(group, new["InstanceId"])["aws:ec2launchtemplate:version"] == "2"


def test_the_tags_of_a_template_are_none_of_what_it_launches(aws: Account):
    ec2 = aws.client("ec2")
    made = ec2.create_launch_template(
        LaunchTemplateName="tagged",
        LaunchTemplateData={"InstanceType": "t3.medium"},
        TagSpecifications=[
            {"ResourceType": "launch-template", "Tags": [{"Key": "team", "Value": "a"}]}
        ],
    )["LaunchTemplate"]
    (version,) = ec2.describe_launch_template_versions(LaunchTemplateName="tagged")[
        "LaunchTemplateVersions"
    ]
    assert made["Tags"] == [{"Key": "team", "Value": "a"}]
    assert "TagSpecifications" not in version["LaunchTemplateData"]


def test_a_group_keeps_its_mixed_instances_when_nothing_is_said_of_them(aws: Account):
    group = SmallGroup(aws, mixed=True)
    group.client.update_auto_scaling_group(AutoScalingGroupName=group.name, MaxSize=5)
    assert group.described()["MixedInstancesPolicy"]["InstancesDistribution"] == {
        "OnDemandBaseCapacity": 1,
        "OnDemandPercentageAboveBaseCapacity": 0,
    }


def test_a_refresh_replaces_one_after_the_other_and_launches_first(aws: Account):
    group = SmallGroup(aws)
    group.deploy()
    seen = []
    while (refresh := group.refreshes()[0])["Status"] in {"Pending", "InProgress"}:
        seen.append((refresh["PercentageComplete"], refresh["InstancesToUpdate"]))
        assert len(group.machines("InService")) in {2, 3}
    assert (refresh["Status"], refresh["PercentageComplete"]) == ("Successful", 100)
    assert list(dict.fromkeys(seen)) == [(0, 2), (50, 1), (100, 0)]
    assert group.versions() == {"2": 2}


def test_what_matches_is_skipped(aws: Account):
    group = SmallGroup(aws)
    before = [one["InstanceId"] for one in group.machines()]
    group.start()
    assert group.until_ended()["Status"] == "Successful"
    assert [one["InstanceId"] for one in group.machines()] == before
    group.start(SkipMatching=False)
    group.until_ended()
    assert not {one["InstanceId"] for one in group.machines()} & set(before)


@pytest.mark.parametrize("mixed", [False, True])
def test_a_refresh_to_what_is_desired_has_the_group_name_it_when_it_succeeds(aws, mixed):
    group = SmallGroup(aws, mixed=mixed)
    group.new_version()
    group.start(group.launched_from("2"))
    group.refreshes()
    assert group.named() == "1"
    group.until_ended()
    assert group.named() == "2"
    assert group.versions() == {"2": 2}


def test_there_is_one_at_a_time_and_it_can_be_cancelled(aws: Account):
    group = SmallGroup(aws)
    group.deploy()
    with pytest.raises(ClientError, match=r"\(InstanceRefreshInProgress\)"):
        group.start()
    group.client.cancel_instance_refresh(AutoScalingGroupName=group.name)
    assert group.until_ended()["Status"] == "Cancelled"
    with pytest.raises(ClientError, match=r"\(ActiveInstanceRefreshNotFound\)"):
        group.client.cancel_instance_refresh(AutoScalingGroupName=group.name)
    group.start()
    assert [one["Status"] for one in group.refreshes()] == ["InProgress", "Cancelled"]


def test_a_checkpoint_pauses(aws: Account):
    group = SmallGroup(aws)
    began = time.monotonic()
    group.deploy(CheckpointPercentages=[50, 100], CheckpointDelay=1)
    assert group.until_ended()["Status"] == "Successful"
    assert time.monotonic() - began > 1


def test_only_what_was_desired_can_be_rolled_back(aws: Account):
    group = SmallGroup(aws)
    group.deploy()
    with pytest.raises(ClientError, match=r"\(IrreversibleInstanceRefresh\)"):
        group.client.rollback_instance_refresh(AutoScalingGroupName=group.name)


def test_a_rollback_goes_to_what_the_group_names(aws: Account):
    group = SmallGroup(aws)
    group.new_version()
    group.start(group.launched_from("2"))
    group.until_serving({"1": 1, "2": 1})
    group.client.rollback_instance_refresh(AutoScalingGroupName=group.name)
    assert group.until_ended()["Status"] == "RollbackSuccessful"
    assert group.versions() == {"1": 2}


def test_a_new_machine_counts_when_it_has_answered(waiting: Account):
    group = SmallGroup(waiting, hooks=READY)
    group.deploy()
    new = group.until_in("Pending:Wait")
    refresh = group.refreshes()[0]
    assert (refresh["PercentageComplete"], refresh["InstancesToUpdate"]) == (0, 2)
    assert f"{new} is in Pending:Wait" in refresh["StatusReason"]
    assert group.versions() == {"1": 2}
    group.answer(new, "ready")
    group.answer(group.until_in("Pending:Wait"), "ready")
    assert group.until_ended()["Status"] == "Successful"
    assert group.versions() == {"2": 2}


def test_a_new_machine_warms_up_when_it_has_answered(waiting: Account):
    group = SmallGroup(waiting, hooks=READY)
    group.deploy(InstanceWarmup=2)
    group.answer(group.until_in("Pending:Wait"), "ready")
    began = time.monotonic()
    while group.refreshes()[0]["InstancesToUpdate"] == 2:
        time.sleep(0.1)
    assert time.monotonic() - began > 1.5


@pytest.mark.parametrize("answered", [True, False])
def test_a_refresh_fails_at_a_machine_that_is_abandoned(waiting, answered):
    group = SmallGroup(waiting, hooks={"ready": (LAUNCHING, 60 if answered else 1)})
    group.deploy()
    new = group.until_in("Pending:Wait")
    if answered:
        group.answer(new, "ready", "ABANDON")
    refresh = group.until_ended()
    assert refresh["Status"] == "Failed"
    assert f"{new} was abandoned" in refresh["StatusReason"]
    assert state_in_ec2(group, new) == "terminated"
    assert group.versions() == {"1": 2}


def test_a_refresh_that_fails_rolls_back_by_itself_where_it_may(waiting: Account):
    group = SmallGroup(waiting, hooks={"ready": (LAUNCHING, 1)})
    group.new_version()
    group.start(group.launched_from("2"), AutoRollback=True)
    group.until_in("Pending:Wait")
    refresh = group.until_ended()
    assert refresh["Status"] == "RollbackSuccessful"
    assert "abandoned" in refresh["RollbackDetails"]["RollbackReason"]


@pytest.mark.parametrize("answered", [True, False])
def test_a_machine_that_is_to_go_is_told_and_goes_when_it_has_answered(waiting, answered):
    group = SmallGroup(waiting, hooks={"left": (TERMINATING, 60 if answered else 1)})
    group.deploy()
    old = group.until_in("Terminating:Wait")
    assert TO_GO in tags(group, old)
    assert state_in_ec2(group, old) == "running"
    if answered:
        group.answer(old, "left")
    while old in {one["InstanceId"] for one in group.machines()}:
        time.sleep(0.1)
    assert state_in_ec2(group, old) == "terminated"


def test_a_cancelled_refresh_ends_when_nothing_is_on_its_way(waiting: Account):
    group = SmallGroup(waiting, hooks=READY)
    group.deploy()
    new = group.until_in("Pending:Wait")
    group.client.cancel_instance_refresh(AutoScalingGroupName=group.name)
    assert group.refreshes()[0]["Status"] == "Cancelling"
    group.answer(new, "ready")
    assert group.until_ended()["Status"] == "Cancelled"
