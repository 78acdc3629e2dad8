"""What AWS does not take, with the page that says so."""

from __future__ import annotations

from datetime import timedelta

NLB_RESERVED = "internal-"
"""Beginning of a name that no load balancer may have (CreateLoadBalancer, `Name`)."""

GROUP_RESERVED = "sg-"
"""Beginning of a name that no security group may have (CreateSecurityGroup, `GroupName`)."""


def unreserved(name: str, reserved: str) -> str:
    """Return `name`, with `gw-` before it where it begins as AWS keeps to itself.

    Names are made of the ids of stacks and constructs, which know nothing of AWS: "internal" is a
    good name for a stack.
    """
    return f"gw-{name}" if name.startswith(reserved) else name


USER_DATA_BYTES = 16 * 1024
"""User data before base64, gzip counted as it is stored (EC2 guide, "Run commands at launch")."""

USER_DATA_LETTERS = -(-USER_DATA_BYTES // 3) * 4
"""The same after base64."""

NLB_NAME = 32
"""Load balancer and target group names (Elastic Load Balancing API, CreateLoadBalancer)."""

ROLE_NAME = 64
"""IAM role and instance profile names (IAM guide, "IAM and STS quotas")."""

ROLE_POLICIES = 10_240
"""Characters, spaces apart, of all policies inside a role (IAM guide, "IAM and STS quotas")."""

BUCKET_PREFIX = 37
"""Beginning of a bucket's name: 63 (S3 guide, "Bucket naming rules") but for Terraform's ending."""

SECRET_BYTES = 65_536
"""Of a secret's value (Secrets Manager guide, "Quotas")."""

SECRET_NAME = 512 - 7
"""Letters of a secret's name, to which AWS puts seven in its ARN (CreateSecret, `Name`)."""

NLB_LISTENERS = 50
"""Listeners of a network load balancer, which AWS raises for nobody (its guide, "Quotas")."""

GROUP_NAME = 255
"""Auto Scaling group and security group names."""

TYPES = 40
"""Instance types among which a group chooses (EC2 Auto Scaling guide, "Quotas")."""

TEMPLATE_NAME = 128
"""Launch template names."""

ALARM_NAME = 255
"""CloudWatch alarm names (PutMetricAlarm, `AlarmName`)."""

RULE_DESCRIPTION = 255
"""Characters in the description of a security group rule."""

TAG_KEY = 128
"""Characters in a tag's key (Tagging AWS Resources guide, "Tag naming limits")."""

TAG_VALUE = 256
"""Characters in a tag's value (the same page)."""

LEAST_HOOK = timedelta(seconds=30)
LONGEST_HOOK = timedelta(hours=2)
"""How long a group waits for a machine at a hook (PutLifecycleHook, `HeartbeatTimeout`)."""
