"""What of a group Heat cannot do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crossgate.clouds.openstack import alarms, catalogue, limits, ready, rolling, zones
from crossgate.clouds.openstack.policies import SCALE_UP, changes
from crossgate.errors import RefusedError
from crossgate.model.scaling import Steps

if TYPE_CHECKING:
    from crossgate.clouds.openstack.profile import OpenStackProfile
    from crossgate.specs import GroupSpec, ScalingSpec

_OWN_RESOURCES = 3


def refusals(profile: OpenStackProfile, spec: GroupSpec) -> list[RefusedError]:
    """Return what of a group Heat cannot do here; of several zones, in the largest part of it."""
    spec = zones.parts(profile, spec)[0].spec
    found = []
    if not profile.heat:
        found.append(
            RefusedError(
                f"{profile.name} has no Heat, and only Heat makes and unmakes machines by itself",
                path=spec.name,
                do="if the cloud has it: heat=True in the profile; otherwise leave the cloud out "
                "of the group's clouds=",
            )
        )
    plan = rolling.plan(spec)
    if not _fits(spec):
        smaller = (_at_most(spec, most) for most in range(spec.capacity.most, 0, -1))
        largest = next(filter(_fits, smaller))
        found.append(
            RefusedError(
                "Heat has no stack that is large enough",
                path=spec.name,
                got=f"maximum={spec.capacity.most}",
                want=f"a maximum of {largest.capacity.most}: a rollout adds "
                f"{rolling.plan(largest).batch}, each takes {rolling.each(spec)} resources, the "
                f"stack itself {_OWN_RESOURCES}, and Heat counts to {limits.STACK_RESOURCES}",
                do="make two groups",
            )
        )
    elif plan.minutes > limits.ROLLOUT_MINUTES:
        found.append(
            RefusedError(
                f"replacing all machines could take {plan.minutes // 60} hours",
                path=spec.name,
                got=f"{spec.capacity.most} machines, {plan.batch} at a time",
                want=f"at most {limits.ROLLOUT_MINUTES // 60} hours",
                do="InstanceRefresh(max_healthy=2.0) replaces more at a time",
            )
        )
    if plan.pause > limits.PAUSE_SECONDS:
        found.append(
            RefusedError(
                "Heat does not wait that long between two batches",
                path=spec.name,
                got=f"warmup={spec.rollout.warmup}",
                want=f"at most {limits.PAUSE_SECONDS} seconds",
            )
        )
    found += [*ready.refusals(spec), *_scheduled(spec), *_warm(spec), *_termination(spec)]
    if profile.volume_type and catalogue.carrier(profile, spec.machine).volume:
        found.append(
            RefusedError(
                "Heat cannot give the machines of a group a boot volume of a certain type",
                path=spec.name,
                got=f"volume_type={profile.volume_type!r}, disk={spec.machine.disk}",
                want="a flavor whose own disk is large enough, or a profile without volume_type",
            )
        )
    return found


def _fits(spec: GroupSpec) -> bool:
    return rolling.members(spec) + _OWN_RESOURCES <= limits.STACK_RESOURCES


def _at_most(spec: GroupSpec, most: int) -> GroupSpec:
    least = min(spec.capacity.minimum, most)
    return replace(spec, capacity=replace(spec.capacity, minimum=least, maximum=most))


def scaling_refusals(profile: OpenStackProfile, spec: ScalingSpec) -> list[RefusedError]:
    """Return why a group's stacks cannot have a policy for each change that its size follows."""
    parts = zones.parts(profile, spec.group)
    if len(parts) > 1 and isinstance(spec.scaling, Steps):
        return [
            RefusedError(
                f"each of the {len(parts)} zones would add and remove as many machines",
                path=spec.group.name,
                got=spec.scaling,
                do="a target for this cloud, Scaling(...), or one zone in its profile",
            )
        ]
    rules = [*spec.others, spec.scaling]
    signals = len(changes(rules)) + alarms.MOST * len(alarms.measured(rules))
    resources = rolling.members(parts[0].spec) + 1 + signals
    if resources <= limits.STACK_RESOURCES:
        return []
    return [
        RefusedError(
            "Heat has no stack that is large enough for so many steps",
            path=spec.group.name,
            got=f"{resources} resources of machines and policies",
            want=f"at most {limits.STACK_RESOURCES}",
            do="fewer steps that differ, or make two groups",
        )
    ]


def _scheduled(spec: GroupSpec) -> list[RefusedError]:
    if not spec.capacity.scheduled:
        return []
    return [
        RefusedError(
            "Heat has no clock",
            path=f"{spec.name}: capacity",
            got=[one.name for one in spec.capacity.scheduled],
            do="leave scheduled= out for this cloud: capacity={cloud: Capacity(2, 6)}; at the hour "
            f"`openstack stack resource signal STACK {SCALE_UP}` adds a machine",
        )
    ]


def _warm(spec: GroupSpec) -> list[RefusedError]:
    if spec.capacity.warm is None:
        return []
    return [
        RefusedError(
            "Heat keeps no machines at rest",
            path=f"{spec.name}: capacity",
            got=spec.capacity.warm,
            do="leave warm= out for this cloud: capacity={cloud: Capacity(2, 6)}, or give it a "
            "larger minimum",
        )
    ]


def _termination(spec: GroupSpec) -> list[RefusedError]:
    """Heat removes the oldest member: `resize` of OS::Heat::AutoScalingGroup."""
    asked = spec.termination
    found: list[tuple[str, object]] = []
    if asked.policies and asked.policies[0] != "oldest-instance":
        found.append(("when a group shrinks Heat removes its oldest machine", asked.policies))
    if asked.max_lifetime is not None:
        found.append(("Heat replaces no machine for its age", asked.max_lifetime))
    if asked.protect:
        found.append(("Heat protects no machine of a group that shrinks", "protect=True"))
    return [
        RefusedError(
            why,
            path=f"{spec.name}: termination",
            got=got,
            do="leave it out for this cloud: termination={aws: Termination(...)}",
        )
        for why, got in found
    ]
