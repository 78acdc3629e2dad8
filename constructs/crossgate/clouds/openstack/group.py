"""The autoscaling group: a Heat stack whose template is data of ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import ceil, floor
from typing import TYPE_CHECKING

from crossgate.boot import cloud_init
from crossgate.clouds.openstack import alarms, catalogue, keeper, limits, ready
from crossgate.clouds.openstack.bindings.compute import ComputeServergroupV2
from crossgate.clouds.openstack.bindings.orchestration import OrchestrationStackV1
from crossgate.clouds.openstack.machines import keep_apart, metadata
from crossgate.clouds.openstack.policies import SCALE_UP, changes, cooldown, policies
from crossgate.clouds.openstack.tags import words
from crossgate.errors import RefusedError
from crossgate.model.names import shortened
from crossgate.model.rollout import InstanceRefresh
from crossgate.model.text import Reference, json_text
from crossgate.model.units import whole_seconds
from crossgate.terraform.engine import path_of
from crossgate.terraform.locals import late_texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossgate.clouds.openstack.cloud import OpenStackCloud
    from crossgate.model.capacity import Capacity
    from crossgate.model.scaling import Scaling, Steps
    from crossgate.specs import GroupSpec, ScalingSpec
    from crossgate.terraform.engine import Construct, ITerraformDependable

GROUP = "group"
"""Name of the group in the stack."""

_TEMPLATE_VERSION = "2018-08-31"
_OWN_RESOURCES = 3
_BUILD_SECONDS = 300  # that Nova may take for a batch
_LEAST_MINUTES = 60  # Heat's own default
_MARGIN_MINUTES = 10  # that Terraform waits longer than Heat
_ROUND = 6  # a share of a whole number, without the dust of binary fractions


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """How Heat replaces the members of a group.

    Attributes:
        in_service: members that are never missing. Heat takes a number where we have a share: the
            share of the largest size is enough for every smaller one, which Heat takes whole.
        batch: members that are replaced, or added meanwhile, at once.
        pause: seconds between two batches, in which new members start to work.
        minutes: the longest that all of it may take.

    """

    in_service: int
    batch: int
    pause: int
    minutes: int


def rollout(
    capacity: Capacity, refresh: InstanceRefresh, patience: timedelta | None = None
) -> Rollout:
    """Return how members are replaced so that `refresh` holds at every size within `capacity`.

    Only `max_healthy` may be exceeded, by one machine, where its share is none.

    Args:
        capacity: of the group.
        refresh: what is asked for.
        patience: how long a member may take to be ready. Such a member is replaced by one beside it
            (see `ready`), and none is missing meanwhile. None: it counts when Nova has made it.

    """
    if patience is None:
        in_service, batch = _bounds(capacity, refresh)
    else:
        in_service, batch = 0, _batch(capacity, refresh.max_healthy, 1.0, capacity.minimum)
    pause = whole_seconds(refresh.warmup)
    # One batch may come first that only adds, and one last that only takes away.
    batches = ceil(capacity.most / batch) + 2
    build = max(_BUILD_SECONDS, whole_seconds(patience or timedelta(0)))
    minutes = ceil(batches * (build + pause) / 60)
    return Rollout(
        in_service=in_service, batch=batch, pause=pause, minutes=max(_LEAST_MINUTES, minutes)
    )


def _bounds(capacity: Capacity, refresh: InstanceRefresh) -> tuple[int, int]:
    """Return how many stay in service and how many are changed at once, by Heat's arithmetic."""
    in_service = ceil(round(refresh.min_healthy * capacity.most, _ROUND))
    if capacity.minimum > 0:
        in_service = max(1, in_service)
    # Heat adds a batch to those in service. At the smallest size there is the least room for it.
    kept = min(in_service, capacity.minimum)
    return in_service, _batch(capacity, refresh.max_healthy, refresh.min_healthy, kept)


def _batch(capacity: Capacity, most: float, least: float, kept: int) -> int:
    """Return how many may change at once where shares from `least` to `most` may be there."""
    if most - least >= 1:
        return capacity.most
    return max(1, floor(round(most * capacity.minimum - kept, _ROUND)))


def _plan(spec: GroupSpec) -> Rollout:
    refresh = spec.rollout.refresh or InstanceRefresh()  # the one without is refused
    return rollout(spec.capacity, refresh, spec.health.grace if spec.watch else None)


def _each(spec: GroupSpec) -> int:
    return ready.RESOURCES if spec.watch else 1


def _members(spec: GroupSpec) -> int:
    """Return the resources that the members take in a rollout."""
    return (spec.capacity.most + _plan(spec).batch) * _each(spec)


def refusals(cloud: OpenStackCloud, spec: GroupSpec) -> list[RefusedError]:
    """Return what of a group Heat cannot do here."""
    found = []
    if not cloud.profile.heat:
        found.append(
            RefusedError(
                f"{cloud.profile.name} has no Heat, and only Heat makes and unmakes machines "
                "by itself",
                path=spec.name,
                do="if the cloud has it: heat=True in the profile; otherwise leave the cloud out "
                "of the group's clouds=",
            )
        )
    plan, each = _plan(spec), _each(spec)
    if _members(spec) + _OWN_RESOURCES > limits.STACK_RESOURCES:
        most = (limits.STACK_RESOURCES - _OWN_RESOURCES) // each - plan.batch
        found.append(
            RefusedError(
                "Heat has no stack that is large enough",
                path=spec.name,
                got=f"maximum={spec.capacity.most}",
                want=f"a maximum of {most}: a rollout adds {plan.batch}, each takes {each} "
                f"resources, the stack itself {_OWN_RESOURCES}, and Heat counts to "
                f"{limits.STACK_RESOURCES}",
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
    if cloud.profile.volume_type and catalogue.carrier(cloud.profile, spec.machine).volume:
        found.append(
            RefusedError(
                "Heat cannot give the machines of a group a boot volume of a certain type",
                path=spec.name,
                got=f"volume_type={cloud.profile.volume_type!r}, disk={spec.machine.disk}",
                want="a flavor whose own disk is large enough, or a profile without volume_type",
            )
        )
    return found


def scaling_refusals(spec: ScalingSpec) -> list[RefusedError]:
    """Return why a stack cannot have a policy for each change that its size follows."""
    rules = [*spec.others, spec.scaling]
    signals = len(changes(rules)) + alarms.MOST * len(alarms.measured(rules))
    resources = _members(spec.group) + 1 + signals
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


def group(cloud: OpenStackCloud, scope: Construct, spec: GroupSpec) -> str:
    """Make the stack; returns a token of its id.

    The template holds everything and the stack has no parameters: what Heat reports of these comes
    back into the state and shows as a change for ever. The size is never set, so that a deploy
    keeps what scaling reached. No signal address is an output: who knows it scales the group
    without a password. With the project's credentials one signals the policies by name.
    """
    plan = _plan(spec)
    wait = f"{plan.minutes + _MARGIN_MINUTES}m"
    name = cloud.names.take("Heat stack", shortened(spec.name, limits.STACK_NAME), path_of(scope))
    member = _member(cloud, scope, spec, plan)
    scalings: list[Scaling | Steps] = []
    # What its size follows is said when the group is there.
    (text,) = late_texts(
        scope, "template", 1, lambda: [json_text(template_of(cloud, spec, member, scalings))]
    )
    made = OrchestrationStackV1(
        scope,
        "stack",
        name=name,
        template_opts={"Bin": f"${{{text}}}"},
        # Without it the provider takes the listing of the folder for an environment, and fails.
        environment_opts={"Bin": "{}"},
        # Heat takes a change that fails for one that was not made, and going back from it gives
        # members that served what failed: see docs/decisions/2026-11-25-ready-means-ready.md.
        disable_rollback=True,
        timeout=plan.minutes,
        # The provider waits for an update as long as for a deletion.
        timeouts={"create": wait, "update": wait, "delete": wait},
        tags=[*words({**cloud.tags, **spec.tags}), *_kept(cloud, spec)],
        # No member is ready before those that say who is.
        depends_on=[*cloud.placement.ready, *_hearts(cloud, spec)],
        provider=cloud.provider,
    )
    cloud.scalings[made.id] = scalings
    return made.id


def template_of(
    cloud: OpenStackCloud,
    spec: GroupSpec,
    member: Mapping[str, object],
    scalings: Sequence[Scaling | Steps] = (),
) -> dict[str, object]:
    """Return the template of the stack."""
    plan = _plan(spec)
    return {
        "heat_template_version": _TEMPLATE_VERSION,
        "description": f"{spec.name}, made by crossgate",
        "resources": {
            GROUP: {
                "type": "OS::Heat::AutoScalingGroup",
                "properties": {
                    "min_size": spec.capacity.minimum,
                    "max_size": spec.capacity.most,
                    "cooldown": cooldown(scalings),
                    "rolling_updates": {
                        "min_in_service": plan.in_service,
                        "max_batch_size": plan.batch,
                        "pause_time": plan.pause,
                    },
                    "resource": member,
                },
            },
            **policies(GROUP, scalings),
            **alarms.alarms(cloud.profile, spec, scalings),
        },
        # Heat's provider empties all outputs, silently, when one is not a string.
        "outputs": {
            "size": {
                "value": {
                    "str_replace": {
                        "template": "SIZE",
                        "params": {"SIZE": {"get_attr": [GROUP, "current_size"]}},
                    }
                }
            },
            **(
                {keeper.OUTPUT: {"value": keeper.rules(cloud.healing, spec, alarms.kept(scalings))}}
                if cloud.healing and spec.watch
                else {}
            ),
        },
    }


def _hearts(cloud: OpenStackCloud, spec: GroupSpec) -> Sequence[ITerraformDependable]:
    return cloud.hearts.get(spec.watch.cluster, ()) if spec.watch else ()


def _kept(cloud: OpenStackCloud, spec: GroupSpec) -> list[str]:
    return [keeper.tag(spec.watch.cluster)] if cloud.healing and spec.watch else []


def _member(
    cloud: OpenStackCloud, scope: Construct, spec: GroupSpec, plan: Rollout
) -> Mapping[str, object]:
    carrier = catalogue.carrier(cloud.profile, spec.machine)
    image = _leaf(cloud.image_id())
    spread = keep_apart(cloud, scope, spec.name, spec.capacity.most + plan.batch)
    placement = cloud.placement
    properties: dict[str, object] = {
        "flavor": carrier.flavor,
        "networks": [
            {"network": _leaf(placement.network_id), "subnet": _leaf(placement.subnet_id)}
        ],
        "security_groups": [
            Reference(firewall.id) for firewall in cloud.own_firewalls(spec.firewalls)
        ],
        "user_data": cloud_init.render(spec.document),
        "metadata": {**metadata(cloud, spec.tags), **alarms.mark(cloud.profile)},
    }
    if carrier.volume is None:
        properties["image"] = image
    else:
        properties["block_device_mapping_v2"] = [
            {
                "image": image,
                "boot_index": 0,
                "volume_size": carrier.volume,
                "delete_on_termination": True,
            }
        ]
    if cloud.key_pair is not None:
        properties["key_name"] = _leaf(cloud.key_pair)
    if spread is not None:
        properties["scheduler_hints"] = {"group": Reference(ComputeServergroupV2.id.of(spread))}
    if spec.watch is not None:
        return ready.member(cloud.member_template(), spec, properties)
    alone = {"config_drive": True, "user_data_format": "RAW"}
    return {"type": "OS::Nova::Server", "properties": properties | alone}


def _leaf(given: str) -> str | Reference:
    """Return an id as JSON takes it: a literal, or what only Terraform knows."""
    return Reference(given) if given.startswith("${") else given
