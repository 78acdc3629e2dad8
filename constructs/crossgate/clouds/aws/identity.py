"""What machines may ask of AWS: nothing but what they themselves need, and what they are granted.

Some join by tag, some tell CloudWatch figures, some speak with their own group.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from crossgate.clouds.aws import archive, health, keeper, lifecycle, secrets, sessions
from crossgate.clouds.aws.bindings.iam import IamInstanceProfile, IamRole, IamRolePolicy
from crossgate.clouds.aws.limits import ROLE_NAME, ROLE_POLICIES
from crossgate.clouds.aws.partition import partition
from crossgate.errors import RefusedError
from crossgate.model.names import shortened
from crossgate.model.text import Text, json_text
from crossgate.specs import GroupSpec, MachinesSpec, Tagged
from crossgate.terraform.engine import path_of
from crossgate.terraform.locals import local_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


def refusals(spec: GroupSpec | MachinesSpec) -> list[RefusedError]:
    """Return why a role cannot carry what the machines are granted."""
    length = len(_granted(spec).sample().replace(" ", ""))
    if length <= ROLE_POLICIES:
        return []
    return [
        RefusedError(
            "a role cannot carry that many grants",
            path=f"{spec.name}: machine.grants",
            got=f"{length:,} characters of policy",
            want=f"at most {ROLE_POLICIES:,}",
            do='fewer of them with wider resources: "arn:aws:s3:::releases/*"',
        )
    ]


def _granted(spec: GroupSpec | MachinesSpec) -> Text:
    return json_text({
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": grant.actions, "Resource": grant.resources}
            for grant in spec.machine.grants
        ],
    })  # fmt: skip


def instance_profile(
    cloud: AwsCloud,
    scope: Construct,
    spec: GroupSpec | MachinesSpec,
    secret: str | None = None,
) -> IamInstanceProfile:
    """Make the role of the machines and its profile, with the least rights.

    No right names a resource that comes after the machines: Terraform waits for these, and they for
    their rights.

    Args:
        cloud: where they are.
        scope: whose role it is.
        spec: the machines.
        secret: name of what they fetch when they start; default None: nothing.

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
    policies = [
        IamRolePolicy(
            scope,
            key,
            name=called,
            role=IamRole.id.of(role),
            policy=policy,
            provider=cloud.provider,
        )
        for key, called, policy in _own(cloud, spec, secret)
    ]
    if isinstance(spec, MachinesSpec) and spec.archive:
        rights = archive.rights(cloud, spec.archive)
        policies.append(_written(cloud, scope, role, "archive", rights))
    if spec.machine.grants:
        policies.append(_written(cloud, scope, role, "grants", _granted(spec)))
    return IamInstanceProfile(
        scope,
        "profile",
        name=name,
        role=IamRole.name.of(role),
        # A machine may need its rights as soon as it starts, to fetch what it runs, and up to its
        # end, to say that it has left.
        depends_on=policies,
        provider=cloud.provider,
    )


def _own(
    cloud: AwsCloud, spec: GroupSpec | MachinesSpec, secret: str | None
) -> Iterator[tuple[str, str, str]]:
    """Yield what the machines themselves need: a construct's id, a policy's name and the policy."""
    if secret is not None:
        yield "own-secret", "own-secret", secrets.rights(cloud, secret)
    if any(isinstance(join, Tagged) for join in spec.joins):
        yield "describe", "describe-instances", _DESCRIBE
    if isinstance(spec, MachinesSpec) and keeper.keeps(cloud, spec):
        yield "figures", "put-metrics", keeper.PUT_METRICS
    if actions := [
        *([lifecycle.COMPLETE] if lifecycle.hooks(spec) else []),
        *([health.SET_HEALTH] if isinstance(spec, GroupSpec) and spec.health.unfit else []),
    ]:
        policy = _own_group(actions, cloud.region, lifecycle.group_name(spec))
        yield "own-group", "own-group", policy
    if cloud.settings.session_access:
        yield "sessions", "session-manager", sessions.PERMISSION


def _written(
    cloud: AwsCloud, scope: Construct, role: IamRole, name: str, text: Text
) -> IamRolePolicy:
    """Make a policy of a text that may name other resources."""
    # Braces and tokens do not go together in an argument: docs/decisions, "locals for texts".
    policy = f"${{{local_text(scope, f'{name}-text', text)}}}" if text.references() else text
    return IamRolePolicy(
        scope,
        name,
        name=name,
        role=IamRole.id.of(role),
        policy=policy,
        provider=cloud.provider,
    )


def _own_group(actions: Sequence[str], region: str, name: str) -> str:
    """Return the policy that lets a machine do something to the group of this name alone."""
    group = f"autoScalingGroup:*:autoScalingGroupName/{name}"
    statement = {
        "Effect": "Allow",
        "Action": actions,
        "Resource": f"arn:{partition(region)}:autoscaling:{region}:*:{group}",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
