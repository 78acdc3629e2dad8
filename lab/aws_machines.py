"""What an account of AWS holds after a deploy: its machines and its load balancers, read back.

Nothing is rendered or guessed here. Every value is one that the API gives to anybody who asks.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from lab.received import Entrance, Health, Instance, Listening, Target

if TYPE_CHECKING:
    from lab.aws import Account

TEMPLATE = "aws:ec2launchtemplate:id"
VERSION = "aws:ec2launchtemplate:version"
"""Tags that EC2 puts on what it launches from a template."""


def instances(account: Account) -> list[Instance]:
    """Return the machines of all Auto Scaling groups, those of a group by their addresses.

    User data is what the launch template holds, in the version that EC2 launched the machine from.
    """
    groups = account.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    group_of = {
        machine["InstanceId"]: group["AutoScalingGroupName"]
        for group in groups
        for machine in group["Instances"]
    }
    ec2 = account.client("ec2")
    found = [
        Instance(
            id=machine["InstanceId"],
            group=group_of[machine["InstanceId"]],
            address=machine["PrivateIpAddress"],
            user_data=base64.b64decode(template_of(ec2, machine)["UserData"], validate=True),
            tags=_tags(machine),
            firewalls=[group["GroupName"] for group in machine["SecurityGroups"]],
        )
        for machine in _running(ec2)
        if machine["InstanceId"] in group_of
    ]
    return sorted(found, key=lambda machine: (machine.group, ip_address(machine.address)))


def entrances(account: Account) -> list[Entrance]:
    """Return the network load balancers with their listeners and targets."""
    elb, ec2 = account.client("elbv2"), account.client("ec2")
    address_of = {machine["InstanceId"]: machine["PrivateIpAddress"] for machine in _running(ec2)}
    return [
        Entrance(
            name=balancer["LoadBalancerName"],
            addresses=_fixed_addresses(elb, ec2, balancer["LoadBalancerArn"]),
            listening=list(_listening(elb, balancer["LoadBalancerArn"], address_of)),
        )
        for balancer in elb.describe_load_balancers()["LoadBalancers"]
        if balancer["Type"] == "network"
    ]


def template_of(ec2: Any, machine: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ANN401  (boto3's)
    """Return the launch template that EC2 says a machine was launched from, in its version."""
    tags = _tags(machine)
    versions = ec2.describe_launch_template_versions(
        LaunchTemplateId=tags[TEMPLATE], Versions=[tags[VERSION]]
    )
    (version,) = versions["LaunchTemplateVersions"]
    data: Mapping[str, Any] = version["LaunchTemplateData"]
    return data


def _running(ec2: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401  (boto3's)
    running = [{"Name": "instance-state-name", "Values": ["running"]}]
    for reservation in ec2.describe_instances(Filters=running)["Reservations"]:
        yield from reservation["Instances"]


def _tags(thing: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags", ())}


def _fixed_addresses(elb: Any, ec2: Any, arn: str) -> list[str]:  # noqa: ANN401  (boto3's)
    """Return the addresses that are named after the balancer.

    The API tells them as `LoadBalancerAddresses` of its zones, which moto forgets.
    """
    (found,) = elb.describe_tags(ResourceArns=[arn])["TagDescriptions"]
    name = _tags(found)["Name"]
    named = [
        (_tags(a).get("Name", ""), a["PublicIp"]) for a in ec2.describe_addresses()["Addresses"]
    ]
    return [address for label, address in sorted(named) if label.startswith(f"{name}-")]


def _listening(elb: Any, arn: str, address_of: Mapping[str, str]) -> Iterator[Listening]:  # noqa: ANN401  (boto3's)
    for listener in elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]:
        (action,) = listener["DefaultActions"]
        asked = {"TargetGroupArns": [action["TargetGroupArn"]]}
        (group,) = elb.describe_target_groups(**asked)["TargetGroups"]
        health = elb.describe_target_health(TargetGroupArn=action["TargetGroupArn"])
        said = elb.describe_target_group_attributes(TargetGroupArn=action["TargetGroupArn"])
        attributes = {one["Key"]: one["Value"] for one in said["Attributes"]}
        # Of the questions too: "Health check connections" in AWS' guide of target groups.
        proxied = attributes.get("proxy_protocol_v2.enabled") == "true"
        targets = [entry["Target"] for entry in health["TargetHealthDescriptions"]]
        yield Listening(
            port=listener["Port"],
            targets=[
                Target(name=t["Id"], address=address_of[t["Id"]], port=t["Port"]) for t in targets
            ],
            health=Health(
                port=int(group["HealthCheckPort"]),
                path=group["HealthCheckPath"],
                codes=group["Matcher"]["HttpCode"],
                every=timedelta(seconds=group["HealthCheckIntervalSeconds"]),
                timeout=timedelta(seconds=group["HealthCheckTimeoutSeconds"]),
                rise=group["HealthyThresholdCount"],
                fall=group["UnhealthyThresholdCount"],
                proxied=proxied,
            ),
            proxied=proxied,
        )
