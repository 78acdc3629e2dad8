"""HAProxy's configuration file, for versions 2.6 and 2.8 alike, with a place for its servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.balancers.haproxy import peers, spill, tls
from crossgate.balancers.haproxy.lines import section, time
from crossgate.balancers.haproxy.listening import backend, limits, sections
from crossgate.balancers.haproxy.settings import (
    DRAIN,
    HEALTH_PATH,
    LAYOUT,
    PORTS,
    TIMING,
    Layout,
    Ports,
    Seen,
    Timing,
)
from crossgate.model.text import Text
from crossgate.specs import WatchedFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from crossgate.balancers.haproxy.peers import Peers
    from crossgate.balancers.haproxy.spill import Elsewhere
    from crossgate.model.listener import Listener
    from crossgate.model.text import TextLike
    from crossgate.specs import FellowLines, ServerLines

_OWN_DESCRIPTORS = 256
"""For listeners, checks, the runtime API and its own needs."""

_SEEN = Seen()


def configuration(
    listeners: Sequence[Listener],
    *,
    stats_address: str = "127.0.0.1",
    ports: Ports = PORTS,
    max_connections: int = 20_000,
    drain: timedelta = DRAIN,
    balancers: int = 1,
    timing: Timing = TIMING,
    layout: Layout = LAYOUT,
    seen: Seen = _SEEN,
    cookie_key: TextLike | None = None,
    elsewhere: Elsewhere | None = None,
    fellows: Peers | None = None,
) -> WatchedFile:
    """Return the configuration as a file that discovery keeps true.

    Args:
        listeners: one frontend for each, and a backend for each of its services.
        stats_address: IPv4 address of the stats page and /metrics, which ask for the login of
            `haproxy_document`; default the loopback address, "*" is every address.
        ports: where it listens beside the listeners.
        max_connections: about how many clients at the same time, above which new ones wait;
            default 20000, which may take 700 MB when all are busy. Fewer where the system grants
            fewer open files than twice as many.
        drain: how long sessions may go on in the old worker after a reload; default 30 minutes.
        balancers: how many of them lead clients to the same servers at once; each sends a server
            its part of the service's `max_connections`, rounded up. Default 1.
        timing: how fast failing servers are found.
        layout: where the files lie.
        seen: what can be seen of it; default: all.
        cookie_key: what the cookies of sticky listeners are worked out with: letters and digits,
            the same at all balancers. Default None, where no listener is sticky.
        elsewhere: the other clouds, where clients of a service are led while none of its machines
            works here; default None: nowhere.
        fellows: the balancers of this cloud; needed where a listener remembers sources.

    Raises:
        ConfigError: a duration that HAProxy cannot hold.

    """
    pieces: list[Text | ServerLines | FellowLines] = [
        _global(
            max_connections,
            drain,
            layout,
            tls.defaults(listeners, met=elsewhere is not None, told=fellows is not None),
        ),
        *([] if fellows is None else [peers.own(fellows), *peers.section_of(fellows, layout)]),
        # Before those that hold for all that does not name its own.
        *([] if elsewhere is None else [spill.defaults(layout, elsewhere)]),
        _defaults(timing),
        *([] if cookie_key is None else [Text.of("    dynamic-cookie-key ", cookie_key, "\n")]),
        _stats(f"{stats_address}:{ports.stats}", ports.metrics, layout, seen),
        _health(ports.health),
    ]
    if any(listener.accept_proxy for listener in listeners):
        pieces.append(_health(ports.proxied_health, "health-proxied", " accept-proxy"))
    if elsewhere is not None:
        led = [backend(one, service) for one in listeners for service in spill.services(one)]
        pieces.append(spill.asked(elsewhere, led, layout))
    if fellows is not None:
        remembered = [one for one in listeners if one.remembers_sources]
        led = [backend(one, service) for one in remembered for service in one.services]
        pieces.append(peers.tables(led))
    most = limits(listeners, balancers)
    for listener in listeners:
        logged = _sessions(seen, ports.log)
        pieces += sections(listener, most, balancers, timing, layout, logged, elsewhere)
    return WatchedFile(path=layout.staged, pieces=tuple(pieces), apply=layout.apply, mode=0o600)


def _global(max_connections: int, drain: timedelta, layout: Layout, more: Sequence[str]) -> Text:
    return section(
        "# Discovery writes this file, and haproxy-apply puts it in place: edits are lost.\nglobal",
        # The journal's datagram socket never makes HAProxy wait, as its standard output might.
        "log /dev/log local0",
        f"chroot {layout.chroot}",
        "user haproxy",
        "group haproxy",
        "master-worker",
        f"stats socket {layout.socket} mode 600 level admin expose-fd listeners",
        "stats timeout 30s",
        # Two for each client. Not `maxconn`: HAProxy would rather not start than have fewer, where
        # the system grants fewer.
        f"fd-hard-limit {2 * max_connections + _OWN_DESCRIPTORS}",
        # Old workers keep their sessions, and the memory of them, no longer and no more often.
        f"hard-stop-after {time(drain, 'drain')}",
        "mworker-max-reloads 50",
        f"server-state-file {layout.states}",
        *more,
    )


def _defaults(timing: Timing) -> Text:
    return section(
        "defaults",
        "log global",
        "mode tcp",
        # A server that hangs holds its connections, so it soon gets no new ones.
        "balance leastconn",
        "retries 3",
        "option redispatch 1",
        # A server that was down before a reload is down after it, until a check says otherwise.
        "load-server-state-from-file global",
        # Found within 90 s: a client or server that went away without a word. Without these the
        # kernel asks after two hours.
        "option clitcpka",
        "clitcpka-idle 60s",
        "clitcpka-intvl 10s",
        "clitcpka-cnt 3",
        "option srvtcpka",
        "srvtcpka-idle 60s",
        "srvtcpka-intvl 10s",
        "srvtcpka-cnt 3",
        f"timeout connect {time(timing.connect, 'connect')}",
        f"timeout check {time(timing.check, 'check')}",
        "timeout client-fin 30s",
        "timeout server-fin 30s",
    )


def _stats(address: str, metrics_port: int, layout: Layout, seen: Seen) -> Text:
    if not (seen.metrics or seen.page):
        return Text.of()
    # The login is compared with a line of a file, not written here: the configuration may be shown
    # to anybody, and no quoting can go wrong.
    metrics = (
        ".if feature(PROMEX)",
        "http-request use-service prometheus-exporter if { path /metrics }",
        ".endif",
        "use_backend machine if { path /metrics/machine }",
    )
    front = section(
        "frontend stats",
        "mode http",
        "no log",
        f"bind {address}",
        "timeout client 30s",
        "timeout http-request 10s",
        f"acl known req.hdr(authorization),word(2,' '),b64dec -m str -f {layout.login}",
        'http-request auth realm "HAProxy" unless known',
        *(metrics if seen.metrics else ()),
        "default_backend page"
        if seen.page
        else "http-request return status 404 unless { path /metrics/machine }",
    )
    page = _page() if seen.page else Text.of()
    return front + page + (_machine(metrics_port) if seen.metrics else Text.of())


def _page() -> Text:
    return section(
        "backend page",
        "mode http",
        "no log",
        "timeout server 30s",
        "stats enable",
        "stats uri /",
        "stats refresh 10s",
        "stats hide-version",
    )


def _machine(port: int) -> Text:
    # What this machine shows of itself, which asks for no login there.
    return section(
        "backend machine",
        "mode http",
        "no log",
        "timeout server 30s",
        "http-request del-header authorization",
        f"server own 127.0.0.1:{port}",
    )


def _health(port: int, name: str = "health", how: str = "") -> Text:
    return section(
        f"frontend {name}",
        "mode http",
        "no log",
        f"bind *:{port}{how}",
        "timeout client 10s",
        "timeout http-request 5s",
        f"monitor-uri {HEALTH_PATH}",
        "http-request return status 404",
    )


def _sessions(seen: Seen, log_port: int) -> Sequence[str]:
    return (
        *(() if seen.logs else ("no log",)),
        # Datagrams, for which HAProxy does not wait.
        *((f"log 127.0.0.1:{log_port} local0",) if seen.metrics else ()),
    )
