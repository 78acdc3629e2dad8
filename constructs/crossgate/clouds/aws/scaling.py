"""How a group of AWS grows and shrinks: target tracking, or steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.clouds.aws import steps
from crossgate.clouds.aws.bindings.autoscaling import AutoscalingPolicy
from crossgate.clouds.aws.metrics import (
    PERCENT,
    Expression,
    Metric,
    Series,
    each,
    machines,
    number,
    told,
)
from crossgate.errors import RefusedError
from crossgate.model.scaling import Scaling, Steps
from crossgate.model.units import whole_seconds

if TYPE_CHECKING:
    from crossgate.clouds.aws.bindings.autoscaling import (
        AutoscalingPolicyMetrics,
        AutoscalingPolicyTargetTrackingConfiguration,
    )
    from crossgate.clouds.aws.cloud import AwsCloud
    from crossgate.specs import ScalingSpec
    from crossgate.terraform.engine import Construct

_MARGIN = 0.9
"""Of what machines take, that the connections of a group must fit in before it shrinks."""


def refusals(cloud: AwsCloud, spec: ScalingSpec) -> list[RefusedError]:
    """Return why AWS cannot scale a group so."""
    found = steps.refusals(spec)
    if spec.scaling.on == "cpu":
        return found
    missing: list[tuple[str, str]] = []
    if not cloud.balancer_metrics:
        missing.append(
            ("CloudWatch is not told what the balancers see", "AwsCloud(balancer_metrics=True)")
        )
    if spec.group.watch is None:
        missing.append(("a group without discovery is seen by nobody", "discovery=..."))
    return [
        *found,
        *(
            RefusedError(why, path=spec.group.name, got=f"scaling on {spec.scaling.on}", do=do)
            for why, do in missing
        ),
    ]


def scale(cloud: AwsCloud, scope: Construct, spec: ScalingSpec) -> None:
    """Make the policies."""
    if isinstance(spec.scaling, Steps):
        steps.scale(cloud, scope, spec, spec.scaling)
    else:
        _track(cloud, scope, spec, spec.scaling)


def _track(cloud: AwsCloud, scope: Construct, spec: ScalingSpec, scaling: Scaling) -> None:
    """Make the policy. AWS grows a group within minutes and lets it shrink after 15 of them.

    A machine that boots counts when the warmup of the group's rollouts is over.
    """
    by_processors: AutoscalingPolicyTargetTrackingConfiguration = {
        "predefined_metric_specification": {"predefined_metric_type": "ASGAverageCPUUtilization"},
        "target_value": round(scaling.target * PERCENT, 6),
    }
    guarded = scaling.on == "queue" and scaling.shrink
    series = _waiting(spec, scaling) if guarded else each(spec)
    by_series: AutoscalingPolicyTargetTrackingConfiguration = {
        "customized_metric_specification": {
            "metrics": [_query(one, last=one is series[-1]) for one in series]
        },
        "target_value": float(scaling.target),
    }
    AutoscalingPolicy(
        scope,
        "policy",
        name=f"{scaling.on}-target",
        autoscaling_group_name=spec.id,
        policy_type="TargetTrackingScaling",
        estimated_instance_warmup=whole_seconds(spec.group.rollout.warmup),
        target_tracking_configuration={
            **(by_processors if scaling.on == "cpu" else by_series),
            "disable_scale_in": not scaling.shrink,
        },
        provider=cloud.provider,
    )


def _waiting(spec: ScalingSpec, scaling: Scaling) -> Series:
    """Return those that wait for each machine, or how full the machines are, whichever is more.

    Nobody waits at a group whose connections just fit, and it must not shrink for that. So the
    connections stand beside those that wait, on a scale where the target is nine tenths of what
    the machines take, and never above it: they keep a group from shrinking and make none grow.
    """
    room = number(_MARGIN * (spec.group.max_connections or 1))
    target = number(scaling.target)
    parts = [
        ("waiting", "queue / machines", "waiting for each machine"),
        ("full", f"connections / (machines * {room})", "share of nine tenths of all places"),
        ("kept", f"{target} * IF(full < 1, full, 1)", "what keeps the machines"),
        ("each", "IF(waiting > kept, waiting, kept)", "waiting, or what keeps the machines"),
    ]
    return [
        told(spec, "connections"),
        told(spec, "queue"),
        machines(spec),
        *(Expression(id=name, text=text, label=label) for name, text, label in parts),
    ]


def _query(one: Metric | Expression, *, last: bool) -> AutoscalingPolicyMetrics:
    if isinstance(one, Expression):
        return {"id": one.id, "expression": one.text, "label": one.label, "return_data": last}
    return {
        "id": one.id,
        "metric_stat": {
            "metric": {
                "namespace": one.namespace,
                "metric_name": one.name,
                "dimensions": [
                    {"name": name, "value": value} for name, value in one.dimensions.items()
                ],
            },
            "stat": "Average",
        },
        "return_data": last,
    }
