"""How a group of AWS grows and shrinks: target tracking by a figure that AWS itself measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.clouds.aws.bindings.autoscaling import AutoscalingPolicy
from crossgate.errors import RefusedError

if TYPE_CHECKING:
    from crossgate.clouds.aws.cloud import AwsCloud
    from crossgate.specs import ScalingSpec
    from crossgate.terraform.engine import Construct

_PERCENT = 100


def refusals(spec: ScalingSpec) -> list[RefusedError]:
    """Return why AWS cannot scale a group so."""
    if spec.scaling.on == "cpu":
        return []
    return [
        RefusedError(
            "CloudWatch does not know what the balancers see",
            path=spec.group.name,
            got=f"scaling on {spec.scaling.on}",
            do="scale_on_cpu(clouds=[...]) for AWS",
        )
    ]


def scale(cloud: AwsCloud, scope: Construct, spec: ScalingSpec) -> None:
    """Make the policy. AWS grows a group at once and lets it shrink after 15 minutes.

    Its own warmup is that of the group's rollouts: a machine that boots does not count yet.
    """
    AutoscalingPolicy(
        scope,
        "policy",
        name=f"{spec.scaling.on}-target",
        autoscaling_group_name=spec.id,
        policy_type="TargetTrackingScaling",
        target_tracking_configuration={
            "predefined_metric_specification": {
                "predefined_metric_type": "ASGAverageCPUUtilization"
            },
            "target_value": round(spec.scaling.target * _PERCENT, 6),
            "disable_scale_in": not spec.scaling.shrink,
        },
        provider=cloud.provider,
    )
