"""Steps settle: what makes a group shrink does not make it grow again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.errors import PolicyError

if TYPE_CHECKING:
    from crossgate.model.scaling import Steps


def check(steps: Steps, least: int, path: str) -> None:
    """Refuse steps between which a group would swing without end.

    The fewer machines there are, the more each of them gets of what is taken away: the smallest
    group tells for all.

    Args:
        steps: what its size follows.
        least: the fewest machines that it may have.
        path: the group.

    Raises:
        PolicyError: machines go at a figure that is one to add some for those that are left.

    """
    if not steps.adding:
        return
    left, (grows, _) = max(1, least), steps.adding[0]
    for bound, removed in steps.removing:
        after = bound * (left + removed) / left
        if after >= grows:
            raise PolicyError(
                "the group would grow again by what made it shrink",
                path=path,
                got=f"{bound:g} for each of {left + removed} machines is {after:g} for each of "
                f"{left}, and at {grows:g} some are added",
                do="lower at_most=, raise at_least=, or remove fewer",
            )
