"""A group shrinks no faster than its machines can leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.errors import PolicyError

if TYPE_CHECKING:
    from crossgate.model.scaling import Scaling, Steps
    from crossgate.model.service import Service


def check(scaling: Scaling | Steps, service: Service, path: str) -> None:
    """Refuse scaling that takes the next machine while the one before still has connections.

    Their clients come back to the machines that are left: what looks idle is not.

    Raises:
        PolicyError: a machine may take longer to leave than few connections must last.

    """
    if scaling.shrink and scaling.calm < service.drain:
        raise PolicyError(
            "machines would go faster than they can end what they do",
            path=path,
            got=f"calm={scaling.calm}, and {service.name!r} has drain={service.drain}",
            want=f"calm of at least {service.drain}",
            do="a longer calm=, or a shorter Service(drain=...)",
        )
