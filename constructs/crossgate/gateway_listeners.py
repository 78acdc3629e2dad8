"""What a gateway file says of a listener: services stand there by their names."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from crossgate.model.listener import Listener, ListenerFields, refuse_twins
from crossgate.model.names import Label
from crossgate.model.release import Release, ReleaseFields
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
class ReleaseEntry(ReleaseFields):
    """A new version of the listener's service, and its part of the traffic.

    Attributes:
        to: the name of the new version, a service of its own.

    """

    to: Label

    def resolved(self, services: Mapping[str, Service]) -> Release:
        """Return the release of one of these services."""
        return Release(to=services[self.to], **_said(self, ReleaseFields))


@value
class ListenerEntry(ListenerFields):
    """A TCP port of the balancers that leads to one service, or by routes to several.

    Attributes:
        to: the service's name; of an HTTP listener, where all requests go that no route matches.
        routes: requests that go elsewhere (`mode` is `http`); the most specific one wins.
        release: a new version of the service, which takes a part of its traffic.

    """

    to: Label
    routes: Many[RouteEntry] = ()
    release: ReleaseEntry | None = None

    def __post_init__(self) -> None:
        """Refuse routes of which one would never be taken."""
        super().__post_init__()
        refuse_twins(self.routes, f"Listener({self.port})")

    @property
    def leads(self) -> Mapping[str, str]:
        """The services' names, by the places where they stand."""
        found = {"to": self.to}
        if self.release is not None:
            found["release.to"] = self.release.to
        return found | {f"routes[{place}].to": one.to for place, one in enumerate(self.routes)}

    def resolved(self, services: Mapping[str, Service]) -> Listener:
        """Return the listener that leads to these services."""
        return Listener(
            to=services[self.to],
            routes=[
                Route(host=route.host, path=route.path, to=services[route.to])
                for route in self.routes
            ],
            release=self.release.resolved(services) if self.release is not None else None,
            **_said(self, ListenerFields),
        )


def _said(entry: object, fields_of: type) -> dict[str, Any]:
    return {f.name: getattr(entry, f.name) for f in fields(fields_of)}
