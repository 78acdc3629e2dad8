"""While changed Consul servers are replaced, one new one at a time asks for its vote."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from crossgate.errors import PolicyError

if TYPE_CHECKING:
    from crossgate.model.rollout import Rollout

_DUST = 1e-9


def check(rollout: Rollout, count: int, path: str) -> None:
    """Refuse a rollout that launches several servers beside those that serve.

    As many new ones as old ones make a cluster that is twice as large, and when the old ones then
    go at once, no quorum of it is left. A share that is no whole number of machines counts for the
    larger one, as AWS rounds.

    Raises:
        PolicyError: `max_healthy` is too large, or the group is replaced as a whole.

    """
    refresh = rollout.refresh
    if refresh is not None and ceil((refresh.max_healthy - 1) * count - _DUST) > 1:
        raise PolicyError(
            "several new servers would come at once, and as many old ones go",
            path=f"{path}: rollout",
            got=rollout,
            want=f"InstanceRefresh with max_healthy of at most {1 + 1 / count:.2g}, which is one "
            f"more than {count}",
        )
