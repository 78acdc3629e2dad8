"""Breaks something at random, again and again, while clients call: nothing may be lost for good."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.calls import Failure, Raw
from lab.events import FAULTS
from lab.trial import load_of_clients

if TYPE_CHECKING:
    from lab.running import Running

CHOICE = (
    *("service-killed", "service-hangs", "service-vanishes", "drain", "reload", "template-killed"),
    *("leader-killed", "agent-killed", "balancer-killed"),
)
"""Faults of which a gateway heals within seconds; one of them at a time."""

_RETRIES = 2


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of it.

    Attributes:
        faults: how often each was made.
        calls: how many were made.
        failed: how many failed for good, with two further tries each.
        wrong: how many answers were not what was asked for.

    """

    faults: Mapping[str, int]
    calls: int
    failed: int
    wrong: int

    @property
    def kept(self) -> bool:
        """Whether every answer was right."""
        return not self.wrong


def soak(
    gateway: Running,
    raw: Path,
    *,
    seconds: float,
    seed: int,
    say: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Break a gateway at random for a while, and see it whole at the end.

    Args:
        gateway: what is broken.
        raw: file for every single call.
        seconds: how long.
        seed: of the choice, so that it can be made again.
        say: is told of every fault.

    Raises ToolError when the gateway is not whole again within two minutes: capacity is lost.
    """
    chance = random.Random(seed)  # noqa: S311  (no secret)
    made: Counter[str] = Counter()
    last = time.monotonic() + seconds
    with load_of_clients(gateway, gateway.entries, raw, mode="new", retries=_RETRIES):
        while time.monotonic() < last:
            key, site = chance.choice(CHOICE), chance.choice(gateway.sites)
            say(f"{key} in {site.name}")
            effect = FAULTS[key].act(gateway, site)
            made[key] += 1
            time.sleep(chance.uniform(1, 4))
            effect.undo()
            gateway.wait_whole(site)
    gateway.wait_whole()
    calls = Raw.read(raw).calls
    return Outcome(
        faults=made,
        calls=len(calls),
        failed=sum(not call.ok for call in calls),
        wrong=sum(Failure.WRONG in call.failures for call in calls),
    )
