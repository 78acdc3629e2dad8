"""Where clients connect, and to which services they are led."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Annotated, Literal

import pydantic

from crossgate.errors import ConfigError
from crossgate.model.net import Port, ipv4_network
from crossgate.model.release import Release
from crossgate.model.route import Route, RouteFields
from crossgate.model.service import Service
from crossgate.model.tls import Tls
from crossgate.model.units import Duration
from crossgate.model.value import Many, value

# Of what an HTTP listener may say beside `mode`.
_HTTP_ONLY = ("routes", "request", "keep_alive", "maintenance", "redirect_to")
# Of what nothing comes where every request is sent elsewhere.
_LEADING = ("routes", "release", "maintenance", "tls", "sticky")
_Number = Annotated[int, pydantic.Field(ge=1, le=1_000_000)]
_SPOKEN = ("http", "grpc")
_MOST_PAGE_BYTES = 12 * 1024
"""HAProxy answers from one buffer of 16 KiB, in which the head has a place too."""


@value
class ListenerFields:
    """A TCP port of the balancers.

    Attributes:
        port: where clients connect.
        mode: `tcp` (default) passes connections on as they are; `http` reads requests, so that
            `routes` may part them. Whoever sent one stands last in its `X-Forwarded-For`.
        accept_proxy: whether connections arrive with a header of the PROXY protocol, which says
            from where the client came: the entries are told to write it, the balancers to want it.
            Default False. See docs/listeners.md for what each cloud does, and before changing it.
        tls: what clients speak TLS with, which ends at the balancers; default None: they speak
            none, or the service speaks it itself (`mode="tcp"`).
        idle: how long a connection may be silent before it is closed; must be longer than the
            longest call. Default one hour.
        queue: how long a client waits for a machine that has room, where the service has
            `max_connections`; then its connection is closed. One that leaves earlier waits no
            longer. Default 30 seconds.
        request: how long the head of a request may take to arrive (`mode="http"`); default
            10 seconds.
        keep_alive: how long a connection may stay open without a request after the last one
            (`mode="http"`); default one minute.
        maintenance: the page, in HTML, that is shown with status 503 while no machine of a service
            works (`mode="http"`); at most 12 KiB. Default: HAProxy's own.
        sticky: whether a client comes back to the machine that it met first, for as long as that
            works. In `mode="http"` it is one that keeps cookies, at every balancer of every cloud
            that leads there; otherwise it is known by its address for half an hour, at every
            balancer of the cloud. It waits for its machine where the service has
            `max_connections`. Default False: each request, or connection, goes to the machine with
            the fewest.
        redirect_to: the port of another listener, with `tls`, that every request is sent to: by
            status 308, with its own name, path and method (`mode="http"`). Then this one leads to
            no machine. Default None.
        max_connections: how many clients may be connected at a time, above which new ones wait
            until somebody leaves; each balancer keeps to its part of it, rounded up. Default None:
            as many as the balancers bear.
        per_source: how many connections one source address may have at a time, at each balancer;
            further ones are closed at once. Default None: any number.
        rate: how many connections one source address may open each second, at each balancer, over
            ten seconds: a burst of ten times as many passes. Further ones are closed at once, and
            count too. Default None: any number.
        allow_from: IPv4 ranges that may connect; default: nobody, until
            `connections.allow_from(...)` lets somebody in.

    Raises:
        ConfigError: a range is none, a TCP listener says what only HTTP has, one that redirects
            leads somewhere, or the page is too long.

    """

    port: Port
    mode: Literal["tcp", "http"] = "tcp"
    accept_proxy: bool = False
    tls: Tls | None = None
    idle: Duration = timedelta(hours=1)
    queue: Duration = timedelta(seconds=30)
    request: Duration = timedelta(seconds=10)
    keep_alive: Duration = timedelta(minutes=1)
    maintenance: Annotated[str, pydantic.Field(pattern=r"^[^\x00]+$")] | None = None
    sticky: bool = False
    redirect_to: Port | None = None
    max_connections: _Number | None = None
    per_source: _Number | None = None
    rate: Annotated[int, pydantic.Field(ge=1, le=100_000)] | None = None
    allow_from: Many[str] = ()

    def __post_init__(self) -> None:
        """Refuse what is no range, and what another mode would need."""
        path = f"Listener({self.port})"
        for source in self.allow_from:
            ipv4_network(source, f"{path}: allow_from")
        for field in fields(self):
            said = getattr(self, field.name)
            if self.mode == "tcp" and field.name in _HTTP_ONLY and said != field.default:
                raise ConfigError(
                    f"says {field.name}, which only HTTP has",
                    path=path,
                    got=said,
                    do='write mode="http", or leave it out',
                )
            if self.redirect_to and field.name in _LEADING and said != field.default:
                raise ConfigError(
                    f"says {field.name}, and sends every request elsewhere",
                    path=path,
                    got=f"redirect_to={self.redirect_to}",
                    do=f"say it in the listener at port {self.redirect_to}, or leave it out",
                )
        size = len((self.maintenance or "").encode())
        if size > _MOST_PAGE_BYTES:
            raise ConfigError(
                "the maintenance page is longer than HAProxy can answer with",
                path=path,
                got=f"{size} bytes",
                want=f"at most {_MOST_PAGE_BYTES}",
                do="leave images and styles to a server elsewhere",
            )


@value
class Listener(ListenerFields):
    """A TCP port of the balancers that leads to one service, or by routes to several.

    Attributes:
        to: the service; of an HTTP listener, where all requests go that no route matches.
        routes: requests that go elsewhere (`mode="http"`). The most specific one that matches wins,
            in whatever order they stand: a whole host before a wildcard before none, then the
            longest path. What else there is, is in `ListenerFields`.
        release: a new version of `to`, which takes a part of its traffic; default None.

    Raises:
        ConfigError: two routes match the same, two services have one name, an HTTP listener
            leads to a service of another protocol, a release speaks another than `to`, or parts
            requests of a client that is to come back.

    """

    to: Service
    routes: Many[Route] = ()
    release: Release | None = None

    def __post_init__(self) -> None:
        """Refuse routes of which one would never be taken, and services that cannot be told."""
        super().__post_init__()
        path = f"Listener({self.port})"
        refuse_twins(self.routes, path)
        if self.release is not None:
            _refuse_no_release(self.to, self.release.to, path)
            if self.sticky and self.release.by != "client":
                raise ConfigError(
                    "a client that comes back would meet the other version",
                    path=f"{path}: sticky",
                    got=f"release of each {self.release.by}",
                    do='part the traffic by client: Release(..., by="client")',
                )
        names = [service.name for service in self.services]
        for service in self.services:
            if names.count(service.name) > 1:
                raise ConfigError(
                    "two of its services have one name",
                    path=path,
                    got=service.name,
                    do="share one Service object, or give the two different names",
                )
            if self.mode == "http" and service.protocol not in _SPOKEN:
                raise ConfigError(
                    f"the service {service.name!r} does not speak HTTP",
                    path=path,
                    got=f'mode="http" to protocol={service.protocol!r}',
                    do='write mode="tcp", or, if it does, protocol="http" in the service',
                )

    @property
    def parts_sources(self) -> bool:
        """Whether it matters from which address a client comes."""
        by_client = self.release is not None and self.release.by == "client"
        return by_client or self.counts_sources or self.remembers_sources

    @property
    def remembers_sources(self) -> bool:
        """Whether it leads each address where it was led before."""
        return self.sticky and self.mode == "tcp"

    @property
    def counts_sources(self) -> bool:
        """Whether it counts what each address opens."""
        return self.per_source is not None or self.rate is not None

    @property
    def services(self) -> Sequence[Service]:
        """Every service that it leads to, once."""
        if self.redirect_to is not None:
            return ()
        found: list[Service] = []
        released = () if self.release is None else (self.release.to,)
        for service in (self.to, *released, *(route.to for route in self.routes)):
            if service not in found:
                found.append(service)
        return tuple(found)


def _refuse_no_release(before: Service, after: Service, path: str) -> None:
    if before == after:
        raise ConfigError(
            "the new version is the one before",
            path=f"{path}: release",
            got=after.name,
            want="another Service, with a name and a group of its own",
        )
    if before.protocol != after.protocol:
        raise ConfigError(
            "the new version speaks another protocol than the one before",
            path=f"{path}: release",
            got=after.protocol,
            want=before.protocol,
            do="give it a listener, or a route, of its own",
        )


def refuse_twins(routes: Sequence[RouteFields], path: str) -> None:
    """Raise where two routes match the same requests.

    Raises:
        ConfigError: there are two.

    """
    places = [(route.host, route.prefix) for route in routes]
    for number, place in enumerate(places):
        first = places.index(place)
        if first != number:
            raise ConfigError(
                f"routes[{number}] matches the same requests as routes[{first}]",
                path=path,
                got=str(routes[number]),
                want="each host with each path once",
            )
