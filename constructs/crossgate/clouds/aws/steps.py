"""Steps of a figure in AWS: for each direction a policy, and the alarm that has it do its work."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from crossgate.clouds.aws import limits
from crossgate.clouds.aws.bindings.autoscaling import AutoscalingPolicy
from crossgate.clouds.aws.bindings.cloudwatch import CloudwatchMetricAlarm
from crossgate.clouds.aws.metrics import (
    PERCENT,
    Expression,
    Metric,
    Series,
    each,
    machines,
    number,
)
from crossgate.errors import RefusedError
from crossgate.model.names import shortened
from crossgate.model.scaling import Steps
from crossgate.model.units import whole_seconds
from crossgate.terraform.engine import path_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgate.clouds.aws.bindings.autoscaling import AutoscalingPolicyStepAdjustment
    from crossgate.clouds.aws.bindings.cloudwatch import CloudwatchMetricAlarmMetricQuery
    from crossgate.clouds.aws.cloud import AwsCloud
    from crossgate.specs import ScalingSpec
    from crossgate.terraform.engine import Construct

_PERIOD_SECONDS = 60
_PROCESSOR_SECONDS = 300
"""EC2 measures processors every five minutes, unless one pays for more."""

_DAY_SECONDS = 86_400
"""An alarm looks no further back (PutMetricAlarm in CloudWatch's API reference)."""


def refusals(spec: ScalingSpec) -> list[RefusedError]:
    """Return why AWS cannot take such steps."""
    rules = [*spec.others, spec.scaling]
    shrinking = [one for one in rules if one.shrinks]
    found = []
    if any(isinstance(one, Steps) for one in shrinking) and len(shrinking) > 1:
        found.append(
            RefusedError(
                "AWS asks no other figure before a step removes machines",
                path=spec.group.name,
                got=f"machines would go by {' and by '.join(one.on for one in shrinking)}",
                want="one figure by which they go",
                do="leave the at_most= steps of the others out, or write shrink=False",
            )
        )
    if isinstance(spec.scaling, Steps) and _window(spec.scaling) > _DAY_SECONDS:
        found.append(
            RefusedError(
                "an alarm of CloudWatch looks back no further than a day",
                path=spec.group.name,
                got=f"calm={spec.scaling.calm}, cooldown={spec.scaling.cooldown}",
                want="at most a day",
            )
        )
    return found


def scale(cloud: AwsCloud, scope: Construct, spec: ScalingSpec, steps: Steps) -> None:
    """Make a policy and an alarm for those steps that add machines, and for those that remove some.

    AWS has no cooldown for steps. Growing, it counts machines that warm up as if they were there:
    they warm up for the cooldown at least. Shrinking, the alarm starts anew when the size changes.
    """
    warmup = max(whole_seconds(spec.group.rollout.warmup), whole_seconds(steps.cooldown))
    if steps.adding:
        changes = [(_shown(steps, bound), added) for bound, added in steps.adding]
        policy = _policy(cloud, scope, spec, "add", intervals(changes), warmup)
        _alarm(cloud, scope, spec, "add", policy, each(spec), changes[0][0], _period(steps))
    if steps.removing:
        changes = [(_shown(steps, bound), -removed) for bound, removed in steps.removing]
        policy = _policy(cloud, scope, spec, "remove", intervals(changes), None)
        threshold = changes[0][0]
        # A minute in which the size changed is none of the calm ones.
        calm = f"IF(DIFF(machines) == 0, each, {number(threshold + 1)})"
        own = [machines(spec)] if steps.on == "cpu" else []
        series = [
            *own,
            *each(spec),
            Expression(id="calm", text=calm, label="each, while the size stays"),
        ]
        _alarm(cloud, scope, spec, "remove", policy, series, threshold, _window(steps))


def intervals(changes: Sequence[tuple[float, int]]) -> list[AutoscalingPolicyStepAdjustment]:
    """Return steps as AWS has them: from one bound to the next, counted from the alarm's threshold.

    AWS takes the bound that is nearer to the threshold for a part of the interval, and the other
    one for none of it (StepAdjustment in its API reference); so `changes` go outwards.
    """
    threshold = changes[0][0]
    found: list[AutoscalingPolicyStepAdjustment] = []
    for place, (bound, by) in enumerate(changes):
        near = number(bound - threshold)
        far = number(changes[place + 1][0] - threshold) if place + 1 < len(changes) else None
        step: AutoscalingPolicyStepAdjustment = {"scaling_adjustment": by}
        lower, upper = (near, far) if by > 0 else (far, near)
        if lower is not None:
            step["metric_interval_lower_bound"] = lower
        if upper is not None:
            step["metric_interval_upper_bound"] = upper
        found.append(step)
    return found


def _policy(
    cloud: AwsCloud,
    scope: Construct,
    spec: ScalingSpec,
    what: str,
    changes: list[AutoscalingPolicyStepAdjustment],
    warmup: int | None,
) -> AutoscalingPolicy:
    return AutoscalingPolicy(
        scope,
        what,
        name=f"{spec.scaling.on}-{what}",
        autoscaling_group_name=spec.id,
        policy_type="StepScaling",
        adjustment_type="ChangeInCapacity",
        # Of a time that was calm its busiest minute says how many may go.
        metric_aggregation_type="Average" if what == "add" else "Maximum",
        step_adjustment=changes,
        estimated_instance_warmup=warmup,
        provider=cloud.provider,
    )


def _alarm(
    cloud: AwsCloud,
    scope: Construct,
    spec: ScalingSpec,
    what: str,
    policy: AutoscalingPolicy,
    series: Series,
    threshold: float,
    seconds: int,
) -> None:
    period = _PROCESSOR_SECONDS if spec.scaling.on == "cpu" else _PERIOD_SECONDS
    name = shortened(f"{spec.group.name}-{spec.scaling.on}-{what}", limits.ALARM_NAME)
    upwards = what == "add"
    CloudwatchMetricAlarm(
        scope,
        f"{what}-alarm",
        alarm_name=cloud.names.take("alarm", name, path_of(scope)),
        alarm_description="made by crossgate",
        comparison_operator=f"{'Greater' if upwards else 'Less'}ThanOrEqualToThreshold",
        threshold=threshold,
        evaluation_periods=seconds // period,
        datapoints_to_alarm=seconds // period,
        # While nobody tells a figure the size stays: neither is a minute without one busy, nor is
        # it calm.
        treat_missing_data="notBreaching",
        metric_query=[_query(one, period, last=one is series[-1]) for one in series],
        alarm_actions=[policy.arn],
        tags=dict(spec.group.tags) or None,
        provider=cloud.provider,
    )


def _query(
    one: Metric | Expression, period: int, *, last: bool
) -> CloudwatchMetricAlarmMetricQuery:
    if isinstance(one, Expression):
        return {
            "id": one.id,
            "expression": one.text,
            "label": one.label,
            "return_data": last,
        }
    return {
        "id": one.id,
        "metric": {
            "namespace": one.namespace,
            "metric_name": one.name,
            "dimensions": dict(one.dimensions),
            "period": period,
            "stat": "Average",
        },
        "return_data": last,
    }


def _period(steps: Steps) -> int:
    return _PROCESSOR_SECONDS if steps.on == "cpu" else _PERIOD_SECONDS


def _window(steps: Steps) -> int:
    """Return the seconds for which machines must have been too many before some go."""
    asked = max(whole_seconds(steps.calm), whole_seconds(steps.cooldown))
    return ceil(asked / _period(steps)) * _period(steps)


def _shown(steps: Steps, bound: float) -> float:
    """Return a bound as the metric has it."""
    return round(bound * PERCENT, 6) if steps.on == "cpu" else bound
