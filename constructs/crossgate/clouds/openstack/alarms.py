"""Aodh's alarms: a group follows its processors where the cloud measures them.

Nobody of ours is needed for it: an alarm signals the stack's policy by itself, with a trust.
"""

from __future__ import annotations

import json
from math import ceil
from typing import TYPE_CHECKING

from crossgate.clouds.openstack import catalogue
from crossgate.clouds.openstack.policies import SCALE_DOWN, SCALE_UP
from crossgate.errors import RefusedError
from crossgate.model.scaling import Scaling, Steps
from crossgate.model.units import whole_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crossgate.clouds.openstack.profile import OpenStackProfile
    from crossgate.specs import GroupSpec, ScalingSpec

MOST = 2
"""Alarms of a group: one that is too busy, one that is not busy enough."""

# An alarm of Aodh that looks at several values rings on while they disagree (`_transition_alarm` in
# aodh/evaluator/threshold.py): a group that was calm and is busy again would lose machines. So the
# last value is asked once more by itself: it never disagrees, and one that is not so ends the alarm
# (`_evaluate_sufficient` in aodh/evaluator/composite.py). Where it had known too few of them, and
# the last is so, it begins by that one alone, as Aodh's alarms do.
#
# Aodh takes the average of the members' counters first and its growth then, so that a member that
# comes or goes shows as one odd value (`rated_agg` in gnocchi/rest/aggregates/operations.py): no
# group follows a single one, nor one that no machine can have, of which several may follow each
# other while machines come.
_LEAST_PERIODS = 2
_IMPOSSIBLE = 1.5  # of all processors: a measure that comes late shows some more than all
_STACK = {"get_param": "OS::stack_id"}
_PROJECT = {"get_param": "OS::project_id"}
_NANOSECONDS = 10**9
_SPARE = 0.9  # a machine goes when those that are left stay that far below the target


def measured(scalings: Iterable[Scaling | Steps]) -> list[Scaling]:
    """Return those that alarms are for; the keeper follows the others."""
    return [one for one in scalings if isinstance(one, Scaling) and one.on == "cpu"]


def kept(scalings: Iterable[Scaling | Steps]) -> list[Scaling | Steps]:
    """Return those that the keeper follows."""
    return [one for one in scalings if one.on != "cpu"]


def mark(profile: OpenStackProfile) -> Mapping[str, object]:
    """Return the metadata of a member by which Ceilometer tells Gnocchi whose member it is.

    It is there whether alarms ask for it or not: a figure to follow rolls no group.
    """
    return {"metering.server_group": _STACK} if profile.aodh else {}


def alarms(
    profile: OpenStackProfile, spec: GroupSpec, scalings: Sequence[Scaling | Steps]
) -> dict[str, dict[str, object]]:
    """Return the alarms of a template by their names."""
    found: dict[str, dict[str, object]] = {}
    for scaling in measured(scalings):
        found["busy"] = _alarm(profile, spec, scaling, "gt", scaling.target, SCALE_UP, 0)
        if scaling.shrink:
            # What is not too much at the least size is not too much at any.
            least = max(1, spec.capacity.minimum)
            enough = _SPARE * scaling.target * least / (least + 1)
            calm = whole_seconds(scaling.calm)
            found["calm"] = _alarm(profile, spec, scaling, "lt", enough, SCALE_DOWN, calm)
    return found


def _alarm(
    profile: OpenStackProfile,
    spec: GroupSpec,
    scaling: Scaling,
    comparison: str,
    share: float,
    policy: str,
    seconds: int,
) -> dict[str, object]:
    every = whole_seconds(profile.measured_every)
    processors = profile.flavors[catalogue.carrier(profile, spec.machine).flavor].cpu
    full = processors * every * _NANOSECONDS
    signal = {"get_attr": [policy, "signal_url"]}
    # Aodh asks Gnocchi with rights of its own: a stranger's machine may say that it is a member.
    members = json.dumps(
        {"and": [{"=": {"project_id": "PROJECT"}}, {"=": {"server_group": "STACK"}}]}
    )
    rule = {
        "type": "gnocchi_aggregation_by_resources_threshold",
        "resource_type": "instance",
        # Nanoseconds of processor time since the machine was started.
        "metric": "cpu",
        "aggregation_method": "rate:mean",
        "granularity": every,
        "query": _text(members, PROJECT=_PROJECT, STACK=_STACK),
    }
    beyond = {"comparison_operator": comparison, "threshold": round(share * full)}
    possible = (
        {"comparison_operator": "ge", "threshold": 0}
        if comparison == "lt"
        else {"comparison_operator": "le", "threshold": round(_IMPOSSIBLE * full)}
    )
    # Two, beside all and one: an odd value alone leaves the alarm as it is while all are not known.
    periods = sorted({max(_LEAST_PERIODS, ceil(seconds / every)), _LEAST_PERIODS, 1}, reverse=True)
    return {
        "type": "OS::Aodh::CompositeAlarm",
        "properties": {
            "description": f"{policy} of {spec.name} at a target of {scaling.target:g}",
            "composite_rule": {
                "operator": "and",
                "rules": [
                    *({**rule, **beyond, "evaluation_periods": one} for one in periods),
                    {**rule, **possible, "evaluation_periods": 1},
                ],
            },
            "alarm_actions": [_text("trust+URL", URL=signal)],
            # As long as it is so; the policy's cooldown says how often it is obeyed.
            "repeat_actions": True,
        },
    }


def _text(template: str, **words: object) -> dict[str, object]:
    return {"str_replace": {"template": template, "params": words}}


def refusals(profile: OpenStackProfile, spec: ScalingSpec) -> list[RefusedError]:
    """Return why no alarm can make a group follow its processors here."""
    found: dict[str, str] = {}
    if spec.scaling.on == "cpu":
        if not profile.aodh:
            found[f"nobody measures the processors of a machine: {profile.name} has no Aodh"] = (
                "if the cloud has it, and Gnocchi: aodh=True in the profile; otherwise "
                "scale_on_connections(...), which counts what the balancers see, in every cloud"
            )
        elif catalogue.carrier(profile, spec.group.machine).flavor not in profile.flavors:
            found[f"{profile.name} does not say how many processors the flavor has"] = (
                "list the flavor in the profile with its cpu, memory and disk"
            )
        if isinstance(spec.scaling, Steps):
            found["of several alarms that ring at once Heat obeys the first"] = (
                'Scaling(on="cpu", target=0.6) for this cloud'
            )
    shrinking = {one.on for one in (*spec.others, spec.scaling) if one.shrinks}
    if "cpu" in shrinking and len(shrinking) > 1:
        found["an alarm takes machines away without asking whether the other figures agree"] = (
            "shrink=False for the processors, or for all others"
        )
    return [
        RefusedError(why, path=spec.group.name, got=f"scaling on {spec.scaling.on}", do=do)
        for why, do in found.items()
    ]
