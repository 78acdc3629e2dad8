"""What machines may ask of AWS: nothing, but what the user asks for needs it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from crossgate.clouds.aws import keeper, sessions
from crossgate.clouds.aws.bindings.iam import IamInstanceProfile, IamRole, IamRolePolicy
from crossgate.clouds.aws.limits import ROLE_NAME
from crossgate.model.names import shortened
from crossgate.specs import MachinesSpec, Tagged
from crossgate.terraform.engine import path_of

if TYPE_CHECKING:
    from crossgate.clouds.aws.cloud import AwsCloud
    from crossgate.specs import MachineSpec
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


def instance_profile(cloud: AwsCloud, scope: Construct, spec: MachineSpec) -> IamInstanceProfile:
    """Make the role of the machines and its profile, with the least rights."""
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
    if cloud.settings.session_access:
        IamRolePolicy(
            scope,
            "sessions",
            name="session-manager",
            role=IamRole.id.of(role),
            policy=sessions.PERMISSION,
            provider=cloud.provider,
        )
    return IamInstanceProfile(
        scope, "profile", name=name, role=IamRole.name.of(role), provider=cloud.provider
    )
