"""Listeners in HAProxy's words: a frontend for each, and a backend for each of its services."""

from __future__ import annotations

import hashlib
from math import ceil
from typing import TYPE_CHECKING

from crossgate.balancers.haproxy import peers, spill, tls
from crossgate.balancers.haproxy.checks import check_lines
from crossgate.balancers.haproxy.lines import section, time
from crossgate.model.text import Text
from crossgate.specs import ServerLines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossgate.balancers.haproxy.settings import Layout, Timing
    from crossgate.balancers.haproxy.spill import Elsewhere
    from crossgate.model.listener import Listener
    from crossgate.model.route import Route
    from crossgate.model.service import Service

_BACKLOG = 4096
_HTTPS = 443
_RATE_SECONDS = 10
_SOURCES = 100_000
"""Addresses that are counted at a time, at some 100 bytes each; the oldest is forgotten first."""

_HEADER = {"v1": "send-proxy", "v2": "send-proxy-v2"}


def backend(listener: Listener, service: Service) -> str:
    """Return the name of the backend of one service of a listener."""
    return f"{service.name}-{listener.port}"


def limits(listeners: Sequence[Listener], balancers: int) -> dict[str, int]:
    """Return how many connections a backend sends to one server, by the backend's name.

    HAProxy counts a server's connections in each backend by itself, so all backends of a service
    have their part, rounded up. Backends of services without a limit are left out.
    """
    backends = [(listener, service) for listener in listeners for service in listener.services]
    return {
        backend(listener, service): ceil(
            service.max_connections / (balancers * sum(other == service for _, other in backends))
        )
        for listener, service in backends
        if service.max_connections is not None
    }


def page_path(listener: Listener, layout: Layout) -> str:
    """Return where the page of a listener without machines lies.

    Its name changes with what is in it, because HAProxy reads it only when the configuration that
    names it changes.
    """
    digest = hashlib.sha256((listener.maintenance or "").encode()).hexdigest()[:8]
    return f"{layout.pages}-{listener.port}-{digest}.html"


def sections(
    listener: Listener,
    most: dict[str, int],
    balancers: int,
    timing: Timing,
    layout: Layout,
    logged: Sequence[str] = (),
    elsewhere: Elsewhere | None = None,
) -> Iterator[Text | ServerLines]:
    """Yield the sections of one listener.

    Args:
        listener: the port, and the services it leads to.
        most: as `limits` returns it.
        balancers: how many of them have clients at once.
        timing: how fast failing servers are found.
        layout: where the files lie.
        logged: lines that say where its sessions are told.
        elsewhere: the other clouds, where clients are led while nobody works here; default None.

    Raises:
        ConfigError: a duration that HAProxy cannot hold.

    """
    spills = elsewhere is not None
    front = _frontend(listener, balancers, layout, logged, spills=spills)
    if elsewhere is not None and listener.services:
        front += _lent(listener, elsewhere, layout, logged)
        for service in spill.services(listener):
            front += spill.leading(listener, backend(listener, service), elsewhere)
    if not listener.services:
        yield front
    for service in listener.services:
        yield front + _backend(listener, service, spills=spills)
        yield _servers(listener, service, timing, most.get(backend(listener, service)))
        front = Text.of("")


def _frontend(
    listener: Listener, balancers: int, layout: Layout, logged: Sequence[str], *, spills: bool
) -> Text:
    name = backend(listener, listener.to)
    http = listener.mode == "http"
    proxied = " accept-proxy" if listener.accept_proxy else ""
    return section(
        f"frontend {name}",
        *(["mode http"] if http else []),
        *_bound(listener.port, proxied + tls.bound(listener, layout)),
        *_told(listener, logged),
        *_limited(listener, balancers),
        *(_http(listener, layout) if http else ()),
        *(_routes(listener, spills=spills)),
        *_released(listener),
        *([spill.led(name)] if spills and listener.services else []),
        *([f"default_backend {name}"] if listener.services else []),
    )


def _lent(listener: Listener, elsewhere: Elsewhere, layout: Layout, logged: Sequence[str]) -> Text:
    """Return the frontend for balancers of other clouds, which leads to machines of this one.

    No release is parted: whoever comes has had no luck with the version before.
    """
    http = listener.mode == "http"
    return section(
        f"frontend {_lent_name(listener)}",
        *(["mode http"] if http else []),
        *_bound(elsewhere.port(listener), spill.bound(listener, layout)),
        *_told(listener, logged),
        *spill.known(elsewhere),
        *(_as_told(listener, layout) if http else ()),
        *_routes(listener, spills=False),
        f"default_backend {backend(listener, listener.to)}",
    )


def _lent_name(listener: Listener) -> str:
    return f"lent_{listener.port}"


def _as_told(listener: Listener, layout: Layout) -> Iterator[str]:
    yield from _waits(listener)
    # Who sent the request, as the balancer saw it to which he came.
    yield "http-request set-src req.hdr_ip(x-forwarded-for,-1)"
    yield from _page(listener, layout)


def _told(listener: Listener, logged: Sequence[str]) -> Sequence[str]:
    return (
        # Every failed session with its termination state; those that end well are only counted. Not
        # `dontlognull`: a client that is turned away before it has said anything is one of them.
        "option httplog" if listener.mode == "http" else "option tcplog",
        "option dontlog-normal",
        *logged,
        f"timeout client {time(listener.idle, f'Listener({listener.port}): idle')}",
    )


def _released(listener: Listener) -> Iterator[str]:
    release = listener.release
    if release is None:
        return
    # A hash of the address is the same in every balancer, and after every reload.
    part = "src,sdbm(1),mod(1000)" if release.by == "client" else "rand(1000)"
    name = backend(listener, release.to)
    wanted = round(release.share * 1000)
    yield f"use_backend {name} if {{ {part} lt {wanted} }} {{ nbsrv({name}) gt 0 }}"


def _limited(listener: Listener, balancers: int) -> Iterator[str]:
    if listener.max_connections is not None:
        yield f"maxconn {ceil(listener.max_connections / balancers)}"
        # Who waits does so in the system's queue, which would be as short as the limit is low.
        yield f"backlog {_BACKLOG}"
    if not listener.counts_sources:
        return
    # Before the header of the PROXY protocol is read, the source is whoever wrote it.
    when = f"tcp-request {'session' if listener.accept_proxy else 'connection'}"
    yield (
        f"stick-table type ip size {_SOURCES} expire {2 * _RATE_SECONDS}s "
        f"store conn_cur,conn_rate({_RATE_SECONDS}s)"
    )
    yield f"{when} track-sc0 src"
    if listener.per_source is not None:
        yield f"{when} reject if {{ sc0_conn_cur gt {listener.per_source} }}"
    if listener.rate is not None:
        yield f"{when} reject if {{ sc0_conn_rate gt {listener.rate * _RATE_SECONDS} }}"


def _http(listener: Listener, layout: Layout) -> Iterator[str]:
    yield from _waits(listener)
    yield "option forwardfor"
    yield from tls.told(listener)
    yield from _page(listener, layout)
    if listener.redirect_to is not None:
        yield from _redirected(listener.redirect_to)


def _page(listener: Listener, layout: Layout) -> Iterator[str]:
    if listener.maintenance is not None:
        yield (
            "http-error status 503 content-type 'text/html; charset=utf-8' "
            f"file {page_path(listener, layout)} hdr Cache-Control no-store"
        )


def _waits(listener: Listener) -> Sequence[str]:
    path = f"Listener({listener.port})"
    return (
        f"timeout http-request {time(listener.request, f'{path}: request')}",
        f"timeout http-keep-alive {time(listener.keep_alive, f'{path}: keep_alive')}",
    )


def _routes(listener: Listener, *, spills: bool) -> Iterator[str]:
    for number, route in enumerate(sorted(listener.routes, key=lambda one: one.place)):
        yield from _route(listener, route, number, spills=spills)


def _redirected(port: int) -> Iterator[str]:
    # By its scheme: an address of one's own would hold the first 1,024 letters of the path alone.
    yield "http-request return status 400 unless { req.hdr(host) -m reg ^[^:] }"
    yield r"http-request replace-header Host ^(.*):[0-9]*$ \1"
    if port != _HTTPS:
        yield rf"http-request replace-header Host ^(.*)$ \1:{port}"
    yield "http-request redirect scheme https code 308"


def _route(listener: Listener, route: Route, number: int, *, spills: bool) -> Iterator[str]:
    wanted = []
    if route.host is not None:
        wildcard = route.host.startswith("*")
        how, name = ("end", route.host[1:]) if wildcard else ("str", route.host)
        wanted.append(f"host-{number}")
        yield f"acl host-{number} req.hdr(host),field(1,:),lower -m {how} {name}"
    if route.prefix:
        # Two lines of one name: either may be true.
        wanted.append(f"path-{number}")
        yield f"acl path-{number} path -m str {route.prefix}"
        yield f"acl path-{number} path -m beg {route.prefix}/"
    when, name = " ".join(wanted), backend(listener, route.to)
    if spills:
        yield spill.led(name, f"{when} ")
    yield f"use_backend {name} if {when}"


def _backend(listener: Listener, service: Service, *, spills: bool) -> Text:
    idle = time(listener.idle, f"Listener({listener.port}): idle")
    return section(
        f"backend {backend(listener, service)}",
        *(["mode http"] if listener.mode == "http" else []),
        f"timeout server {idle}",
        f"timeout tunnel {idle}",
        *_sticky(listener, service, spills=spills),
        *_waiting(listener, service),
        *check_lines(service),
    )


def _sticky(listener: Listener, service: Service, *, spills: bool) -> Sequence[str]:
    if listener.remembers_sources:
        lent = _lent_name(listener) if spills else None
        return (peers.remembered(backend(listener, service), lent),)
    if not listener.sticky:
        return ()
    # What it holds is worked out from the machine's address, so no balancer needs to be told of it.
    # One of each service: a site may have several, by paths.
    secure = " secure" if listener.tls is not None else ""
    name = f"crossgate-{service.name}"
    return (f"cookie {name} insert indirect nocache httponly{secure} dynamic",)


def _waiting(listener: Listener, service: Service) -> Sequence[str]:
    if service.max_connections is None:
        return ()
    return (
        # Unless it is said, HAProxy takes the time for connecting, which is far shorter.
        f"timeout queue {time(listener.queue, f'Listener({listener.port}): queue')}",
        # Who has gone away waits no longer, nor is its place in the queue a figure to scale by.
        "option abortonclose",
    )


def _bound(port: int, how: str) -> Sequence[str]:
    # A socket that outlives this process, where one is held; a listener that is new since HAProxy
    # started, and the check of a file, have none.
    held = f"HELD_{port}"
    return (
        f".if defined({held})",
        f"bind fd@${{{held}}}{how}",
        ".else",
        f"bind *:{port}{how}",
        ".endif",
    )


def _servers(listener: Listener, service: Service, timing: Timing, most: int | None) -> ServerLines:
    # All of it here: what default-server says HAProxy does not hear for a server that it is told of
    # while it runs, and `tcp-ut` never there.
    words = [
        "server {name} {address}:{port}",
        f"tcp-ut {time(timing.unacknowledged, 'unacknowledged')}",
        f"check inter {time(timing.every, 'every')}",
        f"fastinter {time(timing.doubtful, 'doubtful')}",
        f"downinter {time(timing.down, 'down')}",
        f"fall {timing.fall} rise {timing.rise}",
        "observe layer4 error-limit 1 on-error fastinter on-marked-down shutdown-sessions",
    ]
    if most is not None:
        words.append(f"maxconn {most}")
    if listener.mode == "http" and service.protocol == "grpc":
        words.append("proto h2")
    if service.send_proxy is not None:
        words.append(_HEADER[service.send_proxy])
    if service.send_proxy == "v2" and listener.tls is not None:
        words.append("proxy-v2-options ssl,cert-cn")
    if service.agent_port is not None:
        # The agent says a part of this weight; of 1, which is the default, there are none.
        words.append(f"weight 100 agent-check agent-port {service.agent_port}")
        words.append(f"agent-inter {time(timing.agent, 'agent')}")
    return ServerLines(service=service, line=f"    {' '.join(words)}\n")
