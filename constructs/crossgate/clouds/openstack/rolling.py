"""How Heat replaces the members of a group whose definition has changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import ceil, floor
from typing import TYPE_CHECKING

from crossgate.clouds.openstack import leaving, ready
from crossgate.model.rollout import InstanceRefresh
from crossgate.model.units import whole_seconds

if TYPE_CHECKING:
    from crossgate.model.capacity import Capacity
    from crossgate.specs import GroupSpec

_BUILD_SECONDS = 300  # that Nova may take for a batch
_LEAST_MINUTES = 60  # Heat's own default
_ROUND = 6  # a share of a whole number, without the dust of binary fractions


@dataclass(frozen=True, kw_only=True)
class Batches:
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


def in_batches(
    capacity: Capacity,
    refresh: InstanceRefresh,
    patience: timedelta | None = None,
    farewell: int = 0,
) -> Batches:
    """Return how members are replaced so that `refresh` holds at every size within `capacity`.

    Only `max_healthy` may be exceeded, by one machine, where its share is none.

    Args:
        capacity: of the group.
        refresh: what is asked for.
        patience: how long a member may take to be ready. Such a member is replaced by one beside it
            (see `ready`), and none is missing meanwhile. None: it counts when Nova has made it.
        farewell: seconds that one takes to go.

    """
    if patience is None:
        stay = ceil(round(refresh.min_healthy * capacity.most, _ROUND))
        in_service = max(1, stay) if capacity.minimum > 0 else stay
    else:
        in_service, stay = 0, capacity.most
    batch = _batch(capacity, refresh.max_healthy, stay)
    pause = whole_seconds(refresh.warmup)
    # One batch may come first that only adds, and one last that only takes away.
    batches = ceil(capacity.most / batch) + 2
    build = max(_BUILD_SECONDS, whole_seconds(patience or timedelta(0)))
    minutes = ceil(batches * (build + pause + farewell) / 60)
    return Batches(
        in_service=in_service, batch=batch, pause=pause, minutes=max(_LEAST_MINUTES, minutes)
    )


def _batch(capacity: Capacity, share: float, stay: int) -> int:
    """Return how many may change at once, by Heat's arithmetic: it adds them to those that stay.

    Args:
        capacity: of the group.
        share: of its size that may be there at once.
        stay: how many are kept, if so many are there.

    """
    batch = capacity.most
    for size in range(max(1, capacity.minimum), capacity.most + 1):
        room = floor(round(share * size, _ROUND)) - min(stay, size)
        if room < size:
            batch = min(batch, room)
    return max(1, batch)


def plan(spec: GroupSpec) -> Batches:
    """Return how the members of a group are replaced."""
    refresh = spec.rollout.refresh or InstanceRefresh()  # the one without is refused
    patience = spec.health.grace if spec.watch else None
    return in_batches(spec.capacity, refresh, patience, leaving.seconds(spec))


def each(spec: GroupSpec) -> int:
    """Return the resources of a stack that a member takes."""
    return ready.RESOURCES if spec.watch else 1


def members(spec: GroupSpec) -> int:
    """Return the resources that the members take in a rollout."""
    return (spec.capacity.most + plan(spec).batch) * each(spec)
