"""A group over several zones: a Heat stack in each, for all members of one have one definition."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgate.clouds.openstack.profile import OpenStackProfile
    from crossgate.specs import GroupSpec


@dataclass(frozen=True, kw_only=True)
class Part:
    """The part of a group that is in one zone.

    Attributes:
        zone: its name; None: Nova chooses.
        label: what tells it from the others in names of ours; empty for the first.
        spec: the part as a group.

    """

    zone: str | None
    label: str
    spec: GroupSpec


def parts(profile: OpenStackProfile, spec: GroupSpec) -> Sequence[Part]:
    """Return the parts of a group, the largest first.

    There is none that might have no machine: a smaller group has fewer zones than the cloud. The
    first one has the name of the group, so that it stays whatever becomes of the others.
    """
    zones = profile.zones[: spec.capacity.minimum]
    if len(zones) < 2:  # noqa: PLR2004  (nothing to spread over)
        return [Part(zone=None, label="", spec=spec)]
    least = _shared(spec.capacity.minimum, len(zones))
    most = _shared(spec.capacity.most, len(zones))
    return [
        _part(spec, zone, re.sub("[^A-Za-z0-9-]", "-", zone) if place else "", minimum, maximum)
        for place, (zone, minimum, maximum) in enumerate(zip(zones, least, most, strict=True))
    ]


def _part(spec: GroupSpec, zone: str, label: str, minimum: int, maximum: int) -> Part:
    capacity = replace(spec.capacity, minimum=minimum, maximum=maximum)
    name = f"{spec.name}-{label}" if label else spec.name
    return Part(zone=zone, label=label, spec=replace(spec, name=name, capacity=capacity))


def _shared(number: int, zones: int) -> list[int]:
    return [number // zones + (place < number % zones) for place in range(zones)]
