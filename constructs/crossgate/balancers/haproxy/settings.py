"""What HAProxy is on a machine, as facts: its ports, its files, its timers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import pydantic

from crossgate.boot.metrics import LOOPBACK_METRICS_PORT, METRICS_PORT
from crossgate.model.value import value

STATS_PORT = METRICS_PORT
"""The stats page and /metrics; on the loopback address unless said otherwise."""

HEALTH_PORT = 8405
"""Where an entry asks whether this balancer is fit."""

PROXIED_HEALTH_PORT = 8408
"""The same behind a header of the PROXY protocol; only where a listener wants that header."""

HEALTH_PATH = "/healthz"
"""What an entry asks for; answered with 200 while HAProxy serves its listeners."""

PEERS_PORT = 8410
"""Where balancers of a cloud tell each other where clients were led."""

BETWEEN_PORT = 8409
"""Where balancers of other clouds ask which services have machines here, if there are others."""

LOG_PORT = 8407
"""UDP, on the loopback address: there sessions that did not end well are counted."""


@value
class Seen:
    """What can be seen of balancers, by those whom `connections.allow_from` lets in.

    Attributes:
        metrics: figures for Prometheus, of HAProxy, of its list of servers and of the discovery's
            agent; default True.
        page: HAProxy's own page of statistics; default True.
        logs: each session that did not end well in the journal, with its termination state; default
            True.

    """

    metrics: bool = True
    page: bool = True
    logs: bool = True


@value
class SpillOver:
    """While no machine of a service works in a cloud, its balancers lead clients to other clouds.

    Each listener has a second port in every cloud, where the balancers of the others come: they
    are let in by their clouds' `ways_out`, and by certificates that nobody else has.

    Attributes:
        offset: what is added to a listener's port for that one; default 10,000: 19000 for 9000.

    """

    offset: Annotated[int, pydantic.Field(ge=1, le=65534)] = 10_000


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where a balancer listens beside its listeners, and tells others.

    Attributes:
        stats: the stats page and /metrics; default 8404.
        health: the question of an entry; default 8405.
        proxied_health: the same behind a header of the PROXY protocol, where a listener wants that;
            default 8408.
        metrics: where this machine shows its own figures, on the loopback address.
        log: where sessions that did not end well are counted, on the loopback address.

    """

    stats: int = STATS_PORT
    health: int = HEALTH_PORT
    proxied_health: int = PROXIED_HEALTH_PORT
    metrics: int = LOOPBACK_METRICS_PORT
    log: int = LOG_PORT


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where HAProxy's files lie.

    Attributes:
        staged: what discovery writes; HAProxy never reads it.
        live: what HAProxy runs with: the last file that passed its own check.
        login: the stats page's `user:password`, readable by root only.
        apply: the script that makes a staged file the live one.
        pages: how the names of pages begin that are shown when no machine works.
        tls: how the names of files begin that hold certificates and keys, for root only.
        process: the program that carries sockets and servers' states over to the next process.
        peers: the program that waits until other balancers have heard of this one.
        servers: the program that changes the servers of the process that runs.
        figures: the program that looks at all processes: keeps servers to their limits, and tells
            the cluster how many connections each service has.
        figures_settings: the limits, what it is to tell, and to whom.
        seen: the program that tells Prometheus of the list and of old processes.
        seen_settings: where it looks, and whom it asks.
        counts: how often `apply` did what, a file for each; gone with a reboot. Below /run.
        left: which servers have left by its orders, in the same folder.
        states: which servers were fit when HAProxy was last reloaded.
        chroot: an empty directory in which HAProxy locks itself up; Debian's package makes it.
        master: the master process's own, for its old workers; Debian's unit makes it.
        socket: the runtime API, for root only; Debian's package makes its directory.

    """

    staged: str = "/var/lib/crossgate/haproxy.cfg"
    live: str = "/etc/haproxy/live.cfg"
    login: str = "/etc/haproxy/stats.login"
    apply: str = "/usr/local/sbin/haproxy-apply"
    pages: str = "/etc/haproxy/maintenance"
    tls: str = "/etc/haproxy/tls"
    process: str = "/usr/local/lib/crossgate/haproxy_process.py"
    peers: str = "/usr/local/lib/crossgate/haproxy_peers.py"
    servers: str = "/usr/local/lib/crossgate/haproxy_servers.py"
    figures: str = "/usr/local/lib/crossgate/haproxy_figures.py"
    figures_settings: str = "/etc/crossgate/haproxy-figures.json"
    seen: str = "/usr/local/lib/crossgate/haproxy_seen.py"
    seen_settings: str = "/etc/crossgate/haproxy-seen.json"
    counts: str = "/run/haproxy-apply"
    left: str = "/run/haproxy-apply/left"
    states: str = "/var/lib/crossgate/haproxy.states"
    chroot: str = "/var/lib/haproxy"
    master: str = "/run/haproxy-master.sock"
    socket: str = "/run/haproxy/admin.sock"


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How fast a server that fails is found, and how fast one that works is taken back.

    The defaults are the fastest that proved safe in a trial: a killed process cost 2 to 3 failed
    calls, a host that vanished 4 and 0.4 s, one that hung 4 and 0.6 s. Each server is asked seven
    times a second by each balancer. A hang is found after `every` + `check` + `doubtful` + `check`
    at most: 0.56 s.

    Attributes:
        connect: a server must accept within this. Longer than the round trip to the farthest one.
            A refused session waits as long before it is tried elsewhere, and is lost when its
            server is marked down meanwhile.
        check: a check must be answered within this.
        every: time between two checks of a server that works.
        doubtful: the same while a server is failing or coming back.
        down: the same while it is down.
        fall: failed checks until it is down.
        rise: good checks until it is up.
        unacknowledged: data sent to a server and not acknowledged for this long ends the session.
            Old workers check nothing after a reload, so this is what frees their sessions. Servers
            that came without a reload are without it until the next one.
        agent: time between two questions to a service's agent, where it has one.

    """

    connect: timedelta = timedelta(milliseconds=50)
    check: timedelta = timedelta(milliseconds=180)
    every: timedelta = timedelta(milliseconds=150)
    doubtful: timedelta = timedelta(milliseconds=50)
    down: timedelta = timedelta(milliseconds=500)
    fall: int = 2
    rise: int = 2
    unacknowledged: timedelta = timedelta(milliseconds=400)
    agent: timedelta = timedelta(seconds=1)


DRAIN = timedelta(minutes=30)
"""How long sessions may go on, after a reload or with a machine that has gone from the list."""

LAYOUT = Layout()
PORTS = Ports()
TIMING = Timing()
