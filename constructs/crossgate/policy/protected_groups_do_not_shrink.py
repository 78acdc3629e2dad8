"""A group whose machines are protected is not told to shrink: none of them would go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.errors import PolicyError
from crossgate.model.scaling import Steps

if TYPE_CHECKING:
    from crossgate.model.scaling import Scaling
    from crossgate.model.termination import Termination


def check(termination: Termination, scaling: Scaling | Steps, path: str) -> None:
    """Refuse scaling that would ask for fewer machines for ever.

    AWS takes it: the wanted size falls, the machines stay, and the group's own figures do not say
    why.

    Raises:
        PolicyError: the machines are protected, and the scaling shrinks.

    """
    if termination.protect and scaling.shrink:
        raise PolicyError(
            "the machines are protected, so none would go when the figure falls",
            path=path,
            got=f"Termination(protect=True) and scaling on {scaling.on} that shrinks",
            do="leave the steps that remove out, or protect"
            if isinstance(scaling, Steps)
            else f"scale_on_{scaling.on}(..., shrink=False), or leave protect out",
        )
