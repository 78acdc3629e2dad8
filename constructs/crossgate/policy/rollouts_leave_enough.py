"""While changed servers and balancers are replaced, enough of them go on."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from crossgate.errors import PolicyError

if TYPE_CHECKING:
    from crossgate.model.rollout import Rollout

_DUST = 1e-9


def quorum(servers: int) -> int:
    """Return how many servers must agree: without them there is no leader and no new entry."""
    return servers // 2 + 1


def check(rollout: Rollout, count: int, least: int, path: str) -> None:
    """Refuse a rollout that may leave fewer than `least` of `count` machines.

    A share that is no whole number of machines counts for the smaller one.

    Raises:
        PolicyError: `min_healthy` is too small.

    """
    refresh = rollout.refresh
    if refresh is not None and refresh.min_healthy * count + _DUST < least:
        raise PolicyError(
            f"while it is replaced, fewer than {least} of {count} might serve",
            path=f"{path}: rollout",
            got=f"min_healthy={refresh.min_healthy}",
            want=f"at least {ceil(least / count * 100) / 100}, which is {least} of {count}",
        )
