"""Which requests of an HTTP listener go to which service."""

from __future__ import annotations

from typing import Annotated

import pydantic

from crossgate.errors import ConfigError
from crossgate.model.service import Service
from crossgate.model.value import value

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_SEGMENT = r"[A-Za-z0-9._~-]+"

Host = Annotated[str, pydantic.Field(pattern=rf"^(\*\.)?{_LABEL}(\.{_LABEL})*$", max_length=253)]
"""A name as in a Host header, in small letters and without a port; `*.` stands for any below it."""

PathPrefix = Annotated[str, pydantic.Field(pattern=rf"^/({_SEGMENT}/)*({_SEGMENT})?$")]
"""Whole segments of a path: `/v1` is `/v1` and all below `/v1/`, not `/v10`."""


@value
class RouteFields:
    """Requests of an HTTP listener, by what they ask for.

    Attributes:
        host: the name in the request's Host header, "api.example.org", or "*.example.org" for all
            names below that one; default: any.
        path: the first segments of the path, as they are written in the request; default "/", any.

    Raises:
        ConfigError: it matches every request.

    """

    host: Host | None = None
    path: PathPrefix = "/"

    def __post_init__(self) -> None:
        """Refuse what is no choice."""
        if self.host is None and not self.prefix:
            raise ConfigError(
                "matches every request",
                path="Route",
                got="neither host nor path",
                do="give it a host= or a path=; where all others go is the listener's own to=",
            )

    @property
    def prefix(self) -> str:
        """The path without a slash at its end; empty for any."""
        return self.path.rstrip("/")

    @property
    def place(self) -> tuple[int, int, int, str, str]:
        """Where it stands among others: the most specific comes first.

        A whole name before a wildcard before none, then the longer name, then the longer path;
        those that cannot both match by name.
        """
        host = self.host or ""
        kind = 0 if not host else 1 if host.startswith("*") else 2
        return (-kind, -len(host), -len(self.prefix), host, self.prefix)

    def __str__(self) -> str:
        """Show it as a browser would: `api.example.org/v1`."""
        return f"{self.host or ''}{self.path}"


@value
class Route(RouteFields):
    """Requests of an HTTP listener that go to a service of their own.

    Attributes:
        to: the service; `host` and `path` as in `RouteFields`.

    """

    to: Service
