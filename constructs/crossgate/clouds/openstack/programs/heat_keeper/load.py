"""What the balancers see of a service, in figures by which a group is scaled."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_STALE_SECONDS = 30
_FORGOTTEN_SECONDS = 900
"""A balancer that has told nothing for so long is one no more."""


@dataclass(frozen=True)
class Load:
    """What all balancers together see of a service; not `whole` when one of them is mute.

    Attributes:
        connections: that clients have opened to it.
        queue: those among them that wait for a machine that has room.
        whole: whether every balancer has told it.

    """

    connections: int = 0
    queue: int = 0
    whole: bool = True

    def of(self, figure: str) -> int:
        """Return a figure by its name."""
        return {"connections": self.connections, "queue": self.queue}[figure]

    def share(self, machines: int, of: int) -> Load:
        """Return the part of it that is some machines', rounded up: each is given as much."""
        return Load(
            connections=ceil(self.connections * machines / of),
            queue=ceil(self.queue * machines / of),
            whole=self.whole,
        )


def load_of(service: str, told: Iterable[str], now: float) -> Load | None:
    """Return what balancers told lately of a service; None when none did.

    Args:
        service: its name.
        told: what each balancer told last, as JSON.
        now: seconds since the epoch.

    """
    connections, queue, fresh, whole = 0, 0, False, True
    for one in told:
        try:
            figures = json.loads(one)
            age, seen = abs(now - figures["at"]), figures["services"].get(service)
            if seen is None:
                continue
            # At a balancer of an earlier version nobody waits: its servers have no limit.
            held, waiting = int(seen["connections"]), int(seen.get("queue", 0))
        except (ValueError, KeyError, TypeError, AttributeError):
            whole = False
            continue
        if age <= _STALE_SECONDS:
            connections, queue, fresh = connections + held, queue + waiting, True
        elif age <= _FORGOTTEN_SECONDS:
            whole = False
    return Load(connections=connections, queue=queue, whole=whole) if fresh else None
