"""What AWS cannot exceed, with the page that says so."""

from __future__ import annotations

USER_DATA_BYTES = 16 * 1024
"""User data before base64, gzip counted as it is stored (EC2 guide, "Run commands at launch")."""

NLB_NAME = 32
"""Load balancer and target group names (Elastic Load Balancing API, CreateLoadBalancer)."""

ROLE_NAME = 64
"""IAM role and instance profile names (IAM guide, "IAM and STS quotas")."""

GROUP_NAME = 255
"""Auto Scaling group and security group names."""

TEMPLATE_NAME = 128
"""Launch template names."""

RULE_DESCRIPTION = 255
"""Characters in the description of a security group rule."""
