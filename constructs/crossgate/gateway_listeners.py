"""What a gateway file says of a listener: services stand there by their names."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from crossgate.model.listener import Listener, ListenerFields, refuse_twins
from crossgate.model.names import Label
from crossgate.model.route import Route, RouteFields
from crossgate.model.value import Many, value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossgate.model.service import Service


@value
class RouteEntry(RouteFields):
    """Requests of an HTTP listener that go to a service of their own.

    Attributes:
        to: the service's name.

    """

    to: Label


@value
class ListenerEntry(ListenerFields):
    """A TCP port of the balancers that leads to one service, or by routes to several.

    Attributes:
        to: the service's name; of an HTTP listener, where all requests go that no route matches.
        routes: requests that go elsewhere (`mode` is `http`); the most specific one wins.

    """

    to: Label
    routes: Many[RouteEntry] = ()

    def __post_init__(self) -> None:
        """Refuse routes of which one would never be taken."""
        super().__post_init__()
        refuse_twins(self.routes, f"Listener({self.port})")

    def resolved(self, services: Mapping[str, Service]) -> Listener:
        """Return the listener that leads to these services."""
        return Listener(
            to=services[self.to],
            routes=[
                Route(host=route.host, path=route.path, to=services[route.to])
                for route in self.routes
            ],
            **{f.name: getattr(self, f.name) for f in fields(ListenerFields)},
        )
