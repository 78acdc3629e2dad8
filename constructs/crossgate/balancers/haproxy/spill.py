"""Spill-over: while no machine of a service works in a cloud, its clients are led to the others.

Each listener has a second port, where the balancers of other clouds come: it leads to machines of
its own cloud alone, so that nobody is led in circles. On one port more they ask which services
have machines there: a check that went where clients go would end at a machine, once a second, and
in TLS 1.3 it would not hear that its certificate is refused. All ends speak TLS, with certificates
of one authority that signs nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from crossgate.balancers.haproxy.lines import section, time
from crossgate.balancers.haproxy.mutual import host, secured
from crossgate.model.text import Text, TextLike

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossgate.balancers.haproxy.settings import Layout
    from crossgate.model.listener import Listener
    from crossgate.model.service import Service

# Other clouds are far away, and an answer may be that of a load balancer on the way.
_CONNECT = timedelta(seconds=2)
_CHECK = timedelta(seconds=2)
_EVERY = timedelta(seconds=1)
_DOUBTFUL = timedelta(milliseconds=300)
_UNACKNOWLEDGED = timedelta(seconds=10)

_DEFAULTS = "elsewhere"


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """The other clouds, as the balancers of one know them.

    Attributes:
        entries: addresses of the others' entries, by the cloud's name.
        offset: what is added to a listener's port for the port where others come.
        asked: where they ask which services have machines.

    """

    entries: Mapping[str, Sequence[TextLike]]
    offset: int
    asked: int

    def port(self, listener: Listener) -> int:
        """Return where the balancers of other clouds come."""
        return listener.port + self.offset


def spare(backend: str) -> str:
    """Return the name of the backend that leads to other clouds in a backend's place.

    No service has an underscore in its name.
    """
    return f"elsewhere_{backend}"


def led(backend: str, when: str = "") -> str:
    """Return the line that leads to other clouds while a backend has nobody and they have."""
    name = spare(backend)
    return f"use_backend {name} if {when}{{ nbsrv({backend}) eq 0 }} {{ nbsrv({name}) gt 0 }}"


def services(listener: Listener) -> Sequence[Service]:
    """Return what a listener leads elsewhere: of a release, the version before has all."""
    found = [listener.to, *(route.to for route in listener.routes)]
    return list({one.name: one for one in found}.values()) if listener.services else []


def bound(listener: Listener, layout: Layout) -> str:
    """Return what stands behind the address where the balancers of other clouds come."""
    words = [secured(layout)]
    if listener.mode == "http":
        words.append("alpn h2,http/1.1")
    if _tells_client(listener):
        words.append("accept-proxy")
    return " " + " ".join(words)


def known(elsewhere: Elsewhere) -> Iterator[str]:
    """Yield what turns away whoever is no balancer of another cloud.

    Sessions of TLS are kept for all listeners together, and who goes on with one is asked for no
    certificate: one that a listener for clients gave would open this port.
    """
    names = " ".join(host(cloud) for cloud in elsewhere.entries)
    yield "tcp-request session reject if { ssl_fc_is_resumed }"
    yield f"tcp-request session reject unless {{ ssl_c_s_dn(cn) -m str {names} }}"


def asked(elsewhere: Elsewhere, backends: Sequence[str], layout: Layout) -> Text:
    """Return the frontend where balancers of other clouds ask which services have machines."""
    return section(
        "frontend between",
        "mode http",
        "no log",
        f"bind *:{elsewhere.asked} {secured(layout)}",
        "timeout client 10s",
        "timeout http-request 5s",
        *known(elsewhere),
        *(
            f"http-request return status 200 if {{ path /{backend} }} {{ nbsrv({backend}) gt 0 }}"
            for backend in backends
        ),
        "http-request return status 503",
    )


def defaults(layout: Layout, elsewhere: Elsewhere) -> Text:
    """Return what the backends that lead elsewhere have in common.

    Nothing is ended when a check fails: the way between two clouds is longer than one within.
    """
    path = "spill_over"
    every = time(_EVERY, path)
    return section(
        f"defaults {_DEFAULTS}",
        "log global",
        "retries 3",
        "option redispatch 1",
        "load-server-state-from-file global",
        "option srvtcpka",
        "srvtcpka-idle 60s",
        "srvtcpka-intvl 10s",
        "srvtcpka-cnt 3",
        f"timeout connect {time(_CONNECT, path)}",
        f"timeout check {time(_CHECK, path)}",
        "timeout server-fin 30s",
        "option httpchk",
        "http-check expect status 200",
        # A session that is gone on with is refused on the other side.
        f"default-server {secured(layout)} no-ssl-reuse",
        f"default-server check port {elsewhere.asked} check-ssl check-alpn http/1.1 "
        f"inter {every} fastinter {time(_DOUBTFUL, path)} downinter {every} fall 2 rise 2 "
        # An entry may be a name, which is looked up again with every reload.
        "init-addr libc,last,none",
    )


def leading(listener: Listener, backend: str, elsewhere: Elsewhere) -> Text:
    """Return the backend that leads to other clouds' machines of one service of a listener."""
    http = listener.mode == "http"
    path = f"Listener({listener.port})"
    idle = time(listener.idle, f"{path}: idle")
    head = section(
        f"backend {spare(backend)} from {_DEFAULTS}",
        f"mode {listener.mode}",
        f"timeout server {idle}",
        f"timeout tunnel {idle}",
        f"http-check send meth GET uri /{backend} ver HTTP/1.1 hdr Host crossgate",
        *(["default-server alpn h2,http/1.1"] if http else []),
        *(["default-server send-proxy-v2"] if _tells_client(listener) else []),
    )
    lines = [
        Text.of(
            f"    server {cloud}-{number} ",
            address,
            f":{elsewhere.port(listener)} tcp-ut {time(_UNACKNOWLEDGED, path)} "
            f"verifyhost {host(cloud)}\n",
        )
        for cloud, addresses in elsewhere.entries.items()
        for number, address in enumerate(addresses, start=1)
    ]
    return Text.of(head, *lines)


def _tells_client(listener: Listener) -> bool:
    """Return whether who the client is has to go along, in a header that comes before TLS."""
    return listener.mode == "tcp" and any(one.send_proxy for one in services(listener))
