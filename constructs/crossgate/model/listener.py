"""Where clients connect, and to which service they are led."""

from __future__ import annotations

from datetime import timedelta

from crossgate.model.net import Port, ipv4_network
from crossgate.model.service import Service
from crossgate.model.units import Duration
from crossgate.model.value import Many, value


@value
class ListenerFields:
    """A TCP port of the balancers.

    Attributes:
        port: where clients connect.
        idle: how long a connection may be silent before it is closed; must be longer than the
            longest call. Default one hour.
        queue: how long a client waits for a machine that has room, where the service has
            `max_connections`; then its connection is closed. One that leaves earlier waits no
            longer. Default 30 seconds.
        allow_from: IPv4 ranges that may connect; default: nobody, until
            `connections.allow_from(...)` lets somebody in.

    """

    port: Port
    idle: Duration = timedelta(hours=1)
    queue: Duration = timedelta(seconds=30)
    allow_from: Many[str] = ()

    def __post_init__(self) -> None:
        """Refuse what is no range."""
        for source in self.allow_from:
            ipv4_network(source, f"Listener({self.port}): allow_from")


@value
class Listener(ListenerFields):
    """A TCP port of the balancers that leads to one service.

    Attributes:
        to: the service; `port`, `idle`, `queue`, `allow_from` as in `ListenerFields`.

    """

    to: Service
