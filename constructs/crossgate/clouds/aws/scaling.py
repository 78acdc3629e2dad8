"""How a group of AWS grows and shrinks: target tracking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.clouds.aws.bindings.autoscaling import AutoscalingPolicy
from crossgate.clouds.aws.keeper import METRIC, NAMESPACE
from crossgate.errors import RefusedError
from crossgate.model.units import whole_seconds

if TYPE_CHECKING:
    from crossgate.clouds.aws.bindings.autoscaling import (
        AutoscalingPolicyMetricDimension,
        AutoscalingPolicyMetrics,
        AutoscalingPolicyTargetTrackingConfiguration,
    )
    from crossgate.clouds.aws.cloud import AwsCloud
    from crossgate.specs import ScalingSpec
    from crossgate.terraform.engine import Construct

IN_SERVICE = "GroupInServiceInstances"
"""The metric of a group's size, which a group shows when it is told to."""

_PERCENT = 100


def refusals(cloud: AwsCloud, spec: ScalingSpec) -> list[RefusedError]:
    """Return why AWS cannot scale a group so."""
    if spec.scaling.on == "cpu":
        return []
    found: list[tuple[str, str]] = []
    if not cloud.balancer_metrics:
        found.append(
            ("CloudWatch is not told what the balancers see", "AwsCloud(balancer_metrics=True)")
        )
    if spec.group.watch is None:
        found.append(("a group without discovery is seen by nobody", "discovery=..."))
    return [
        RefusedError(why, path=spec.group.name, got=f"scaling on {spec.scaling.on}", do=do)
        for why, do in found
    ]


def scale(cloud: AwsCloud, scope: Construct, spec: ScalingSpec) -> None:
    """Make the policy. AWS grows a group within minutes and lets it shrink after 15 of them.

    A machine that boots counts when the warmup of the group's rollouts is over.
    """
    AutoscalingPolicy(
        scope,
        "policy",
        name=f"{spec.scaling.on}-target",
        autoscaling_group_name=spec.id,
        policy_type="TargetTrackingScaling",
        estimated_instance_warmup=whole_seconds(spec.group.refresh.warmup),
        target_tracking_configuration={
            **(_processors(spec) if spec.scaling.on == "cpu" else _connections(spec)),
            "disable_scale_in": not spec.scaling.shrink,
        },
        provider=cloud.provider,
    )


def _processors(spec: ScalingSpec) -> AutoscalingPolicyTargetTrackingConfiguration:
    return {
        "predefined_metric_specification": {"predefined_metric_type": "ASGAverageCPUUtilization"},
        "target_value": round(spec.scaling.target * _PERCENT, 6),
    }


def _connections(spec: ScalingSpec) -> AutoscalingPolicyTargetTrackingConfiguration:
    """Divide the connections by the machines, as AWS' guide does with a queue's backlog."""
    watch = spec.group.watch
    of_service: list[AutoscalingPolicyMetricDimension] = [
        {"name": "Cluster", "value": watch.cluster if watch else ""},
        {"name": "Service", "value": str(spec.group.service)},
    ]
    of_group: list[AutoscalingPolicyMetricDimension] = [
        {"name": "AutoScalingGroupName", "value": spec.id}
    ]
    return {
        "customized_metric_specification": {
            "metrics": [
                _metric("connections", NAMESPACE, METRIC, of_service),
                _metric("machines", "AWS/AutoScaling", IN_SERVICE, of_group),
                {
                    "id": "each",
                    "expression": "connections / machines",
                    "label": "connections to each machine",
                    "return_data": True,
                },
            ]
        },
        "target_value": float(spec.scaling.target),
    }


def _metric(
    id: str, namespace: str, name: str, dimensions: list[AutoscalingPolicyMetricDimension]
) -> AutoscalingPolicyMetrics:
    return {
        "id": id,
        "metric_stat": {
            "metric": {"namespace": namespace, "metric_name": name, "dimensions": dimensions},
            "stat": "Average",
        },
        "return_data": False,
    }
