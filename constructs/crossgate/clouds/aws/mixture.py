"""Groups of several machine types: which one AWS starts, at which price, from which image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from crossgate.clouds.aws.bindings.compute import LaunchTemplate
from crossgate.clouds.aws.catalogue import architecture_of
from crossgate.clouds.aws.limits import TYPES
from crossgate.errors import RefusedError
from crossgate.model.market import Spot
from crossgate.specs import GroupSpec

if TYPE_CHECKING:
    from crossgate.clouds.aws.bindings.autoscaling import (
        AutoscalingGroupInstancesDistribution,
        AutoscalingGroupLaunchTemplateSpecification,
        AutoscalingGroupMixedInstancesPolicy,
        AutoscalingGroupOverride,
    )
    from crossgate.model.machine import Architecture, Machine
    from crossgate.specs import MachinesSpec


def refusals(spec: GroupSpec | MachinesSpec, types: Sequence[str]) -> list[RefusedError]:
    """Return why AWS cannot choose among the types of the machines, or has no use for a choice."""
    machine = spec.machine
    found: list[tuple[str, str, object, str]] = []
    if len(machine.names) > TYPES:
        why = f"AWS chooses among {TYPES} types at most"
        found.append(("machine.size", why, f"{len(machine.names)} of them", "name fewer"))
    if isinstance(spec, GroupSpec):
        found += _of_group(spec, types)
    elif machine.weights:
        why = "of servers and balancers a number is wanted, whatever they weigh"
        way = f"Machine(size={list(machine.names)})"
        found.append(("machine.size", why, dict(machine.weights), way))
    return [
        RefusedError(why, path=f"{spec.name}: {place}", got=got, do=way)
        for place, why, got, way in found
    ]


def _of_group(spec: GroupSpec, types: Sequence[str]) -> Iterator[tuple[str, str, object, str]]:
    own, hours = spec.capacity, spec.capacity.scheduled
    least = min([own.minimum, *(one.minimum for one in hours)])
    most = max([own.most, *(one.most for one in hours)])
    heaviest = max(spec.machine.weights.values(), default=0)
    if 0 < least <= heaviest:
        # EC2 Auto Scaling guide, "How an instance refresh works", "Limitations".
        yield (
            "machine.size",
            "AWS may replace all machines at once where one of them weighs as much as the group",
            f"a weight of {heaviest}, and a minimum of {least}",
            f"a minimum of {heaviest + 1}, better of {3 * heaviest}, or smaller weights",
        )
    spot = spec.market if isinstance(spec.market, Spot) else None
    if spot and spot.on_demand_base >= most:
        yield (
            "market",
            "no machine would be spot",
            f"on_demand_base={spot.on_demand_base}, and a maximum of {most}",
            "a smaller base, Spot(on_demand_base=0), a larger maximum, or OnDemand()",
        )
    if spot and spot.strategy == "capacity-optimized-prioritized" and len(types) == 1:
        yield (
            "market",
            "one machine type has no order of priority",
            f"strategy={spot.strategy!r}, {types[0]}",
            "name several types, the first the most wanted one, or leave strategy= out",
        )
    if "allocation-strategy" in spec.termination.policies and not is_mixed(
        spec.machine, types, spot
    ):
        yield (
            "termination",
            "where all machines are of one type and price, none suits the strategy better",
            "policies with 'allocation-strategy'",
            "name several types, or leave that policy out",
        )


def is_mixed(machine: Machine, types: Sequence[str], spot: Spot | None) -> bool:
    """Return whether AWS has a choice, or counts in weights."""
    return spot is not None or len(types) > 1 or bool(machine.weights)


def policy(
    templates: Mapping[Architecture, LaunchTemplate],
    types: Sequence[str],
    machine: Machine,
    spot: Spot | None,
) -> AutoscalingGroupMixedInstancesPolicy:
    """Return what AWS chooses among; the first template is the group's own."""
    own = next(iter(templates))

    def override(name: str) -> AutoscalingGroupOverride:
        found: AutoscalingGroupOverride = {"instance_type": name}
        if name in machine.weights:
            found["weighted_capacity"] = str(machine.weights[name])
        if architecture_of(name) != own:
            found["launch_template_specification"] = _newest(templates[architecture_of(name)])
        return found

    return {
        "instances_distribution": _on_demand() if spot is None else _spot(spot),
        "launch_template": {
            "launch_template_specification": _newest(templates[own]),
            "override": [override(name) for name in types],
        },
    }


def version(template: LaunchTemplate) -> str:
    """Return its number, not "$Latest": only a new one rolls the group (provider-aws PR 22464)."""
    return LaunchTemplate.latest_version.of(template)


def _newest(template: LaunchTemplate) -> AutoscalingGroupLaunchTemplateSpecification:
    return {"launch_template_id": LaunchTemplate.id.of(template), "version": version(template)}


def _on_demand() -> AutoscalingGroupInstancesDistribution:
    return {
        "on_demand_allocation_strategy": "prioritized",
        "on_demand_percentage_above_base_capacity": 100,
    }


def _spot(spot: Spot) -> AutoscalingGroupInstancesDistribution:
    return {
        "on_demand_base_capacity": spot.on_demand_base,
        "on_demand_percentage_above_base_capacity": round(spot.on_demand_share * 100),
        "spot_allocation_strategy": spot.strategy,
        "spot_max_price": f"{spot.max_price:f}" if spot.max_price else None,
    }
