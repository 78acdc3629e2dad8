"""The series of CloudWatch by which a group is scaled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossgate.clouds.aws.keeper import NAMESPACE, metric

if TYPE_CHECKING:
    from crossgate.model.scaling import Signal
    from crossgate.specs import ScalingSpec

IN_SERVICE = "GroupInServiceInstances"
"""The metric of a group's size, which a group shows when it is told to."""

PERCENT = 100
"""Of a processor, as AWS measures it."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric, under the name that expressions give it."""

    id: str
    namespace: str
    name: str
    dimensions: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Expression:
    """Arithmetic of CloudWatch with what stands before it, under a name of its own."""

    id: str
    text: str
    label: str


Series = Sequence[Metric | Expression]
"""What is asked of CloudWatch: the last one is the answer."""


def number(given: float) -> str:
    """Return a number as AWS writes it: without the dust of binary fractions."""
    return f"{round(given, 6):.12g}"


def machines(spec: ScalingSpec) -> Metric:
    """Return the size of the group."""
    return Metric(
        id="machines",
        namespace="AWS/AutoScaling",
        name=IN_SERVICE,
        dimensions={"AutoScalingGroupName": spec.id},
    )


def each(spec: ScalingSpec) -> Series:
    """Return a figure for each machine of the group; of processors, in percent."""
    on = spec.scaling.on
    if on == "cpu":
        of_group = {"AutoScalingGroupName": spec.id}
        return [Metric(id="each", namespace="AWS/EC2", name="CPUUtilization", dimensions=of_group)]
    label = "connections to each machine" if on == "connections" else "waiting for each machine"
    quotient = Expression(id="each", text=f"{on} / machines", label=label)
    return [told(spec, on), machines(spec), quotient]


def told(spec: ScalingSpec, on: Signal) -> Metric:
    """Return what all balancers together tell of the group's service."""
    watch = spec.group.watch
    return Metric(
        id=on,
        namespace=NAMESPACE,
        name=metric(on),
        dimensions={
            "Cluster": watch.cluster if watch else "",
            "Service": str(spec.group.service),
        },
    )
