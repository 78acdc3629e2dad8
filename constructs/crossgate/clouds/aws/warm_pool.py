"""Warm pools: what AWS keeps at rest beside a group, and what it cannot."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from crossgate.clouds.aws import catalogue, mixture
from crossgate.errors import RefusedError
from crossgate.model.market import Spot
from crossgate.specs import GroupSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgate.clouds.aws.bindings.autoscaling import AutoscalingGroupWarmPool
    from crossgate.clouds.aws.cloud import AwsCloud
    from crossgate.model.warm_pool import WarmPool
    from crossgate.specs import MachinesSpec

_MOST_MEMORY = 150  # GiB; EC2 guide, "Prerequisites for EC2 instance hibernation"
_ROOM = 20  # GiB, what a machine has without hibernation


def pool(warm: WarmPool) -> AutoscalingGroupWarmPool:
    """Return the pool as the API has it."""
    found: AutoscalingGroupWarmPool = {
        "pool_state": warm.state.capitalize(),
        "min_size": warm.minimum,
    }
    if warm.prepared is not None:
        found["max_group_prepared_capacity"] = warm.prepared
    if warm.reuse:
        found["instance_reuse_policy"] = {"reuse_on_scale_in": True}
    return found


def hibernates(spec: GroupSpec | MachinesSpec) -> bool:
    """Return whether the machines are launched so that they can hibernate."""
    warm = spec.capacity.warm if isinstance(spec, GroupSpec) else None
    return warm is not None and warm.state == "hibernated"


def refusals(cloud: AwsCloud, spec: GroupSpec, types: Sequence[str]) -> list[RefusedError]:
    """Return why AWS keeps no such machines: the first two are PutWarmPool's own words."""
    warm = spec.capacity.warm
    if warm is None:
        return []
    found: list[tuple[str, object, str]] = []
    if isinstance(spec.market, Spot):
        found.append(
            (
                "AWS keeps no warm pool of spot machines",
                "Spot(...)",
                "market=OnDemand(), or no warm=",
            )
        )
    elif mixture.is_mixed(spec.machine, types, None):
        why = "AWS keeps no warm pool where it has a choice of machine types"
        one = f'one type, Machine(size=["{types[0]}"]), or no warm='
        found.append((why, list(types), one))
    if spec.watch is None:
        # EC2 Auto Scaling guide, "Use lifecycle hooks with a warm pool": it stops what it launched,
        # whatever runs there, and cloud-init does not begin again.
        why = "nobody says when a machine has booted, and AWS stops it in the middle of that"
        found.append((why, "a group without discovery", "discovery=..., or no warm="))
    if warm.state == "hibernated":
        found += _hibernation(cloud, spec, types)
    return [
        RefusedError(why, path=f"{spec.name}: capacity.warm", got=got, do=do)
        for why, got, do in found
    ]


def _hibernation(
    cloud: AwsCloud, spec: GroupSpec, types: Sequence[str]
) -> list[tuple[str, object, str]]:
    """Return what of EC2's prerequisites is known here not to be met."""
    found: list[tuple[str, object, str]] = []
    stopped = 'WarmPool(state="stopped")'
    image = cloud.image if isinstance(cloud.image, str) else ""
    if image.startswith("debian-"):
        way = f'AwsCloud(image="ubuntu-22.04"), an image of yours that can, or {stopped}'
        found.append(("EC2 cannot hibernate Debian's images", image, way))
    if any(".metal" in name for name in types):
        found.append(("EC2 cannot hibernate bare metal", list(types), stopped))
    memory = max((catalogue.memory_of(name) for name in types), default=0)
    shown = f"{types[0]}: {memory:g} GiB"
    if memory >= _MOST_MEMORY:
        why = f"EC2 hibernates machines of less than {_MOST_MEMORY} GiB"
        found.append((why, shown, f"a smaller machine, or {stopped}"))
    elif spec.machine.disk <= memory:
        why = "what a machine has in its memory does not fit on its disk"
        way = f"Machine(disk={ceil(memory) + _ROOM}), or {stopped}"
        found.append((why, f"{shown}, disk={spec.machine.disk}", way))
    return found
