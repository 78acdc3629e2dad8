"""Who scales by those that wait says when they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.errors import PolicyError

if TYPE_CHECKING:
    from crossgate.model.scaling import Scaling, Steps
    from crossgate.model.service import Service


def check(scaling: Scaling | Steps, service: Service, path: str) -> None:
    """Refuse to scale by the queue of a service without a limit: it would never be there.

    Raises:
        PolicyError: the service has no `max_connections`.

    """
    if scaling.on == "queue" and service.max_connections is None:
        raise PolicyError(
            "nobody waits for a machine that takes any number of connections",
            path=path,
            got="scaling on queue",
            want=f"a limit for each machine of {service.name!r}",
            do="Service(max_connections=...): so many that one machine serves well",
        )
