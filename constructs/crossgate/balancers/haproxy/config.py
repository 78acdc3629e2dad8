"""HAProxy's configuration file, for versions 2.6 and 2.8 alike, with a place for its servers."""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

from crossgate.balancers.haproxy.checks import check_lines
from crossgate.balancers.haproxy.settings import (
    HEALTH_PATH,
    HEALTH_PORT,
    LAYOUT,
    LOG_PORT,
    STATS_PORT,
    TIMING,
    Layout,
    Seen,
    Timing,
)
from crossgate.boot.metrics import LOOPBACK_METRICS_PORT
from crossgate.errors import ConfigError
from crossgate.model.text import Text
from crossgate.model.units import milliseconds
from crossgate.specs import ServerLines, WatchedFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgate.model.listener import Listener

_DRAIN = timedelta(minutes=30)
_OWN_DESCRIPTORS = 256
"""For listeners, checks, the runtime API and its own needs."""

_LONGEST = timedelta(days=24)
"""HAProxy keeps milliseconds in 31 bits and refuses more than 24.8 days."""

_SEEN = Seen()


def configuration(
    listeners: Sequence[Listener],
    *,
    stats_address: str = "127.0.0.1",
    stats_port: int = STATS_PORT,
    health_port: int = HEALTH_PORT,
    max_connections: int = 20_000,
    drain: timedelta = _DRAIN,
    balancers: int = 1,
    timing: Timing = TIMING,
    layout: Layout = LAYOUT,
    seen: Seen = _SEEN,
    metrics_port: int = LOOPBACK_METRICS_PORT,
    log_port: int = LOG_PORT,
) -> WatchedFile:
    """Return the configuration as a file that discovery keeps true.

    Args:
        listeners: one frontend and one backend for each.
        stats_address: IPv4 address of the stats page and /metrics, which ask for the login of
            `haproxy_document`; default the loopback address, "*" is every address.
        stats_port: its port; default 8404.
        health_port: port of the health question; default 8405.
        max_connections: about how many clients at the same time, above which new ones wait;
            default 20000, which may take 700 MB when all are busy. Fewer where the system grants
            fewer open files than twice as many.
        drain: how long sessions may go on in the old worker after a reload; default 30 minutes.
        balancers: how many of them lead clients to the same servers at once; each sends a server
            its part of the service's `max_connections`, rounded up. Default 1.
        timing: how fast failing servers are found.
        layout: where the files lie.
        seen: what can be seen of it; default: all.
        metrics_port: where this machine shows its own figures, on the loopback address.
        log_port: where sessions that did not end well are counted, on the loopback address.

    Raises:
        ConfigError: a duration that HAProxy cannot hold.

    """
    pieces: list[Text | ServerLines] = [
        _global(max_connections, drain, layout),
        _defaults(timing),
        _stats(f"{stats_address}:{stats_port}", metrics_port, layout, seen),
        _health(health_port),
    ]
    most = limits(listeners, balancers)
    for listener in listeners:
        logged = _sessions(seen, log_port)
        pieces += [_listener(listener, logged), _servers(listener, timing, most.get(listener.port))]
    return WatchedFile(path=layout.staged, pieces=tuple(pieces), apply=layout.apply, mode=0o600)


def limits(listeners: Sequence[Listener], balancers: int) -> dict[int, int]:
    """Return how many connections a listener sends to one server, by the listener's port.

    HAProxy counts a server's connections in each backend by itself, so all backends of a service
    have their part, rounded up. Listeners of services without a limit are left out.
    """
    return {
        listener.port: ceil(
            listener.to.max_connections
            / (balancers * sum(other.to == listener.to for other in listeners))
        )
        for listener in listeners
        if listener.to.max_connections is not None
    }


def backend(listener: Listener) -> str:
    """Return the name of a listener's frontend and backend."""
    return f"{listener.to.name}-{listener.port}"


def _global(max_connections: int, drain: timedelta, layout: Layout) -> Text:
    return _section(
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
        f"hard-stop-after {_time(drain, 'drain')}",
        "mworker-max-reloads 50",
        f"server-state-file {layout.states}",
    )


def _defaults(timing: Timing) -> Text:
    return _section(
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
        f"timeout connect {_time(timing.connect, 'connect')}",
        f"timeout check {_time(timing.check, 'check')}",
        "timeout client-fin 30s",
        "timeout server-fin 30s",
        f"default-server check inter {_time(timing.every, 'every')} "
        f"fastinter {_time(timing.doubtful, 'doubtful')} downinter {_time(timing.down, 'down')} "
        f"fall {timing.fall} rise {timing.rise} "
        "observe layer4 error-limit 1 on-error fastinter on-marked-down shutdown-sessions",
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
    front = _section(
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
    return _section(
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
    return _section(
        "backend machine",
        "mode http",
        "no log",
        "timeout server 30s",
        "http-request del-header authorization",
        f"server own 127.0.0.1:{port} no-check",
    )


def _health(port: int) -> Text:
    return _section(
        "frontend health",
        "mode http",
        "no log",
        f"bind *:{port}",
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


def _listener(listener: Listener, logged: Sequence[str]) -> Text:
    name = backend(listener)
    idle = _time(listener.idle, f"Listener({listener.port}): idle")
    return _section(
        f"frontend {name}",
        *_bound(listener.port),
        # Every failed session with its termination state; those that end well are only counted. Not
        # `dontlognull`: a client that is turned away before it has said anything is one of them.
        "option tcplog",
        "option dontlog-normal",
        *logged,
        f"timeout client {idle}",
        f"default_backend {name}",
    ) + _section(
        f"backend {name}",
        f"timeout server {idle}",
        f"timeout tunnel {idle}",
        *_waiting(listener),
        *check_lines(listener.to),
    )


def _waiting(listener: Listener) -> Sequence[str]:
    if listener.to.max_connections is None:
        return ()
    return (
        # Unless it is said, HAProxy takes the time for connecting, which is far shorter.
        f"timeout queue {_time(listener.queue, f'Listener({listener.port}): queue')}",
        # Who has gone away waits no longer, nor is its place in the queue a figure to scale by.
        "option abortonclose",
    )


def _bound(port: int) -> Sequence[str]:
    # A socket that outlives this process, where one is held; a listener that is new since HAProxy
    # started, and the check of a file, have none.
    held = f"HELD_{port}"
    return (
        f".if defined({held})",
        f"bind fd@${{{held}}}",
        ".else",
        f"bind *:{port}",
        ".endif",
    )


def _servers(listener: Listener, timing: Timing, most: int | None) -> ServerLines:
    # tcp-ut is kept only beside a literal address; in default-server it is silently ignored.
    line = "server {name} {address}:{port} tcp-ut " + _time(timing.unacknowledged, "unacknowledged")
    if most is not None:
        line += f" maxconn {most}"
    return ServerLines(service=listener.to, line=f"    {line}\n")


def _section(head: str, *lines: str) -> Text:
    return Text.of(f"\n{head}\n", *(f"    {line}\n" for line in lines))


def _time(duration: timedelta, path: str) -> str:
    if duration > _LONGEST:
        raise ConfigError(
            "is longer than HAProxy can count", path=path, got=str(duration), want="24 days at most"
        )
    return f"{milliseconds(duration, path)}ms"
