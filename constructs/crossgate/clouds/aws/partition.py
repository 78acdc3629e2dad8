"""The partitions of AWS: the first word of every ARN after `arn`."""

from __future__ import annotations


def partition(region: str) -> str:
    """Return the partition of a region (IAM user guide, "Amazon Resource Names")."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"
