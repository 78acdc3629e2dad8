"""What machines may ask of AWS: nothing but what they themselves need.

Some join by tag, some tell CloudWatch figures, some speak with their own group.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from crossgate.clouds.aws import health, keeper, lifecycle
from crossgate.clouds.aws.bindings.iam import IamInstanceProfile, IamRole, IamRolePolicy
from crossgate.clouds.aws.limits import ROLE_NAME
from crossgate.model.names import shortened
from crossgate.specs import GroupSpec, MachinesSpec, Tagged
from crossgate.terraform.engine import path_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgate.clouds.aws.cloud import AwsCloud
    from crossgate.terraform.engine import Construct

_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
# ec2:DescribeInstances knows no narrower resource than "*" (service authorization reference, EC2).
_DESCRIBE = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "ec2:DescribeInstances", "Resource": "*"},
        ],
    }
)


def instance_profile(
    cloud: AwsCloud, scope: Construct, spec: GroupSpec | MachinesSpec
) -> IamInstanceProfile:
    """Make the role of the machines and its profile, with the least rights.

    No right names a resource that comes after the machines: Terraform waits for these, and they for
    their rights.
    """
    name = cloud.names.take(
        "IAM role",
        shortened(f"{spec.name}-{cloud.region}-{cloud.name}", ROLE_NAME),
        path_of(scope),
    )
    role = IamRole(
        scope,
        "role",
        name=name,
        assume_role_policy=_TRUST,
        tags=dict(spec.tags),
        provider=cloud.provider,
    )
    if any(isinstance(join, Tagged) for join in spec.joins):
        IamRolePolicy(
            scope,
            "describe",
            name="describe-instances",
            role=IamRole.id.of(role),
            policy=_DESCRIBE,
            provider=cloud.provider,
        )
    if isinstance(spec, MachinesSpec) and keeper.keeps(cloud, spec):
        IamRolePolicy(
            scope,
            "figures",
            name="put-metrics",
            role=IamRole.id.of(role),
            policy=keeper.PUT_METRICS,
            provider=cloud.provider,
        )
    if actions := [
        *([lifecycle.COMPLETE] if lifecycle.hooks(spec) else []),
        *([health.SET_HEALTH] if isinstance(spec, GroupSpec) and spec.health.unfit else []),
    ]:
        IamRolePolicy(
            scope,
            "own-group",
            name="own-group",
            role=IamRole.id.of(role),
            policy=_own_group(actions, cloud.region, lifecycle.group_name(spec)),
            provider=cloud.provider,
        )
    return IamInstanceProfile(
        scope, "profile", name=name, role=IamRole.name.of(role), provider=cloud.provider
    )


def _own_group(actions: Sequence[str], region: str, name: str) -> str:
    """Return the policy that lets a machine do something to the group of this name alone."""
    group = f"autoScalingGroup:*:autoScalingGroupName/{name}"
    statement = {
        "Effect": "Allow",
        "Action": actions,
        "Resource": f"arn:{_partition(region)}:autoscaling:{region}:*:{group}",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _partition(region: str) -> str:
    """Return the partition of a region (IAM user guide, "Amazon Resource Names")."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"
