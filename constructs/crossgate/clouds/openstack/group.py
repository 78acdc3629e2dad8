"""The autoscaling group: a Heat stack whose template is data of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.boot import cloud_init
from crossgate.clouds.openstack import (
    alarms,
    catalogue,
    keeper,
    leaving,
    limits,
    ready,
    rolling,
)
from crossgate.clouds.openstack.bindings.compute import ComputeServergroupV2
from crossgate.clouds.openstack.bindings.orchestration import OrchestrationStackV1
from crossgate.clouds.openstack.machines import keep_apart, metadata
from crossgate.clouds.openstack.policies import cooldown, policies
from crossgate.clouds.openstack.tags import words
from crossgate.clouds.openstack.zones import parts
from crossgate.model.names import shortened
from crossgate.model.text import Reference, json_text
from crossgate.terraform.engine import Construct, path_of
from crossgate.terraform.locals import late_texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossgate.clouds.openstack.cloud import OpenStackCloud
    from crossgate.clouds.openstack.rolling import Batches
    from crossgate.clouds.openstack.zones import Part
    from crossgate.model.scaling import Scaling, Steps
    from crossgate.specs import GroupSpec
    from crossgate.terraform.engine import ITerraformDependable

GROUP = "group"
"""Name of the group in the stack."""

_TEMPLATE_VERSION = "2018-08-31"
_MARGIN_MINUTES = 10  # that Terraform waits longer than Heat


def group(cloud: OpenStackCloud, scope: Construct, spec: GroupSpec) -> str:
    """Make the group, a stack in each of its zones; returns a token of the first one's id.

    A template holds everything and a stack has no parameters: what Heat reports of these comes
    back into the state and shows as a change for ever. The size is never set, so that a deploy
    keeps what scaling reached. No signal address is an output: who knows it scales the group
    without a password. With the project's credentials one signals the policies by name.
    """
    # What its size follows is said when the group is there.
    scalings: list[Scaling | Steps] = []
    made = [
        _stack(cloud, Construct(scope, f"in-{part.label}") if part.label else scope, part, scalings)
        for part in parts(cloud.profile, spec)
    ]
    cloud.scalings[made[0].id] = scalings
    return made[0].id


def _stack(
    cloud: OpenStackCloud, scope: Construct, part: Part, scalings: Sequence[Scaling | Steps]
) -> OrchestrationStackV1:
    spec = part.spec
    plan = rolling.plan(spec)
    wait = f"{plan.minutes + _MARGIN_MINUTES}m"
    name = cloud.names.take("Heat stack", shortened(spec.name, limits.STACK_NAME), path_of(scope))
    member = _member(cloud, scope, part, plan)
    (text,) = late_texts(
        scope, "template", 1, lambda: [json_text(template_of(cloud, spec, member, scalings))]
    )
    return OrchestrationStackV1(
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


def template_of(
    cloud: OpenStackCloud,
    spec: GroupSpec,
    member: Mapping[str, object],
    scalings: Sequence[Scaling | Steps] = (),
) -> dict[str, object]:
    """Return the template of the stack."""
    plan = rolling.plan(spec)
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
    cloud: OpenStackCloud, scope: Construct, part: Part, plan: Batches
) -> Mapping[str, object]:
    spec = part.spec
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
    if part.zone is not None:
        properties["availability_zone"] = part.zone
    if spread is not None:
        properties["scheduler_hints"] = {"group": Reference(ComputeServergroupV2.id.of(spread))}
    if spec.watch is not None:
        # Who is to go is told by the keeper.
        farewell = leaving.seconds(spec) if cloud.healing else 0
        return ready.member(cloud.member_template(), spec, properties, farewell)
    alone = {"config_drive": True, "user_data_format": "RAW"}
    return {"type": "OS::Nova::Server", "properties": properties | alone}


def _leaf(given: str) -> str | Reference:
    """Return an id as JSON takes it: a literal, or what only Terraform knows."""
    return Reference(given) if given.startswith("${") else given
