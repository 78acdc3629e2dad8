"""Groups of several machine types: which one AWS starts, at which price, from which image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from crossgate.clouds.aws.bindings.compute import LaunchTemplate
from crossgate.clouds.aws.catalogue import architecture_of
from crossgate.clouds.aws.limits import TYPES
from crossgate.errors import RefusedError
from crossgate.specs import MachinesSpec

if TYPE_CHECKING:
    from crossgate.clouds.aws.bindings.autoscaling import (
        AutoscalingGroupInstancesDistribution,
        AutoscalingGroupLaunchTemplateSpecification,
        AutoscalingGroupMixedInstancesPolicy,
        AutoscalingGroupOverride,
    )
    from crossgate.model.machine import Architecture, Machine
    from crossgate.model.market import Spot
    from crossgate.specs import GroupSpec


def refusals(spec: GroupSpec | MachinesSpec) -> list[RefusedError]:
    """Return why AWS cannot choose among the types of the machines."""
    machine = spec.machine
    found = []
    if len(machine.names) > TYPES:
        found.append(
            RefusedError(
                "AWS chooses among fewer types",
                path=f"{spec.name}: machine.size",
                got=f"{len(machine.names)} of them",
                want=f"at most {TYPES}",
            )
        )
    if machine.weights and isinstance(spec, MachinesSpec):
        found.append(
            RefusedError(
                "of servers and balancers a number is wanted, whatever they weigh",
                path=f"{spec.name}: machine.size",
                got=dict(machine.weights),
                do=f"Machine(size={list(machine.names)})",
            )
        )
    return found


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
