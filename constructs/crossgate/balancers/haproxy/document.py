"""HAProxy on a machine: the package, its unit's drop-in, and the programs that guard its file."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from crossgate.balancers.haproxy.listening import backend, limits, page_path
from crossgate.balancers.haproxy.settings import DRAIN, LAYOUT, LOG_PORT, Layout
from crossgate.boot.document import Document, File
from crossgate.boot.metrics import METRICS_USER
from crossgate.boot.program import PYTHON, program, program_unit
from crossgate.model.text import Text
from crossgate.model.units import whole_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from crossgate.model.listener import Listener
    from crossgate.model.text import TextLike
    from crossgate.specs import Watch

_PROGRAMS = "crossgate.balancers.haproxy.programs"

_DROP_INS = "/etc/systemd/system/haproxy.service.d"
DROP_IN = f"{_DROP_INS}/crossgate.conf"
"""What is said about Debian's own unit."""

_FIGURES_SECONDS = 5
_INTRODUCED = "/run/haproxy-introduced"
"""There since the first start after a boot."""

MOST_LISTENERS = 512
"""So many sockets are kept over a restart."""


def haproxy_document(
    *,
    stats_password: TextLike | None,
    stats_user: str = METRICS_USER,
    drain: timedelta = DRAIN,
    layout: Layout = LAYOUT,
) -> Document:
    """Return what makes a machine ready for HAProxy; its configuration comes from discovery.

    HAProxy starts when discovery has answered for the first time and the file has passed
    `haproxy -c`: until then its ports, the one of the health question among them, are closed, so
    no entry sends clients to a balancer that knows no server yet. From then on the last good file
    is on the disk, and a restart or a reboot needs no discovery. Machines come and go without a
    reload.

    Args:
        stats_password: for the stats page and /metrics; printable, on one line. None where there is
            neither.
        stats_user: the user of that login; default "stats".
        drain: as for `configuration`: how long sessions may go on with a machine that has gone from
            the list.
        layout: where the files lie.

    """
    return Document(
        label="haproxy",
        packages=("haproxy", "python3"),
        files=(
            File(DROP_IN, _drop_in(layout)),
            program(layout.process, _PROGRAMS, "haproxy_process"),
            program(layout.servers, _PROGRAMS, "haproxy_servers"),
            File(layout.apply, _apply(layout), mode=0o755),
            *(
                ()
                if stats_password is None
                else (
                    File(layout.login, Text.of(f"{stats_user}:", stats_password, "\n"), mode=0o600),
                )
            ),
        ),
        makes=(
            *(f"{layout.live}{end}" for end in ("", ".lock", ".new", ".previous")),
            *(f"{layout.states}{end}" for end in ("", ".new", ".process")),
            layout.counts,
        ),
        units=(
            program_unit(
                "haproxy-servers",
                [
                    *(PYTHON, layout.servers, "keep", layout.socket, layout.left, layout.live),
                    *(f"{layout.live}.lock", str(whole_seconds(drain))),
                ],
                description="Sees that HAProxy leads to the servers of its file, and to no others",
                # As root: so are HAProxy's socket and its file.
                lines=(
                    "PrivateTmp=yes",
                    # The folder is the script's too, which makes it when it comes first.
                    f"RuntimeDirectory={PurePosixPath(layout.counts).name}",
                    "RuntimeDirectoryPreserve=yes",
                ),
            ),
        ),
    )


def peers_document(*, layout: Layout = LAYOUT) -> Document:
    """Return what balancers need besides that tell each other where clients were led.

    Who starts anew later is known to whoever was going to know it, and clients wait.
    """
    once = f"test -e {_INTRODUCED} || {PYTHON} {layout.peers} {layout.live}; touch {_INTRODUCED}"
    waits = f"[Service]\nExecStartPre=-/bin/sh -c '{once}'\n"
    return Document(
        label="haproxy-peers",
        packages=("python3",),
        files=(
            program(layout.peers, _PROGRAMS, "haproxy_peers"),
            File(f"{_DROP_INS}/crossgate-peers.conf", waits),
        ),
    )


def pages_document(listeners: Sequence[Listener], *, layout: Layout = LAYOUT) -> Document:
    """Return the pages that HAProxy shows for listeners of which no machine works."""
    return Document(
        label="haproxy-pages",
        files=[
            File(page_path(listener, layout), listener.maintenance)
            for listener in listeners
            if listener.maintenance is not None
        ],
    )


def figures_document(
    listeners: Sequence[Listener],
    watch: Watch | None,
    *,
    balancers: int = 1,
    layout: Layout = LAYOUT,
) -> Document:
    """Return what looks at all of HAProxy's processes together.

    It keeps servers to their limits after a reload, and tells the discovery how many connections
    this balancer has to each service and how many wait.

    Args:
        listeners: of the balancer.
        watch: the discovery; None where nobody asks for figures.
        balancers: as for `configuration`.
        layout: where the files lie.

    """
    settings = {
        "every": _FIGURES_SECONDS,
        "limits": limits(listeners, balancers),
        "service_of": {
            backend(listener, service): service.name
            for listener in listeners
            for service in listener.services
        },
        "master": layout.master,
        "socket": layout.socket,
        "watch": list(watch.program) if watch else [],
    }
    return Document.merge(
        *([watch.document] if watch else []),
        Document(
            label="haproxy-figures",
            packages=("python3",),
            files=(
                program(layout.figures, _PROGRAMS, "haproxy_figures"),
                File(layout.figures_settings, json.dumps(settings, indent=2) + "\n"),
            ),
            units=(
                program_unit(
                    "haproxy-figures",
                    [PYTHON, layout.figures, layout.figures_settings],
                    description="Keeps servers to their limits, tells the cluster what it sees",
                    # As root: so are HAProxy's sockets.
                    lines=("PrivateTmp=yes",),
                ),
            ),
        ),
    )


def seen_document(
    listeners: Sequence[Listener], watch: Watch, *, layout: Layout = LAYOUT
) -> Document:
    """Return what tells Prometheus of the list of servers, of old processes and of lost sessions.

    Args:
        listeners: of the balancer.
        watch: the discovery, which is asked whether it answers.
        layout: where the files lie.

    """
    name = "haproxy-seen"
    settings = {
        "every": _FIGURES_SECONDS,
        "staged": layout.staged,
        "live": layout.live,
        "counts": layout.counts,
        "master": layout.master,
        "metrics": f"/run/{name}/metrics.prom",
        "listeners": [backend(listener, listener.to) for listener in listeners],
        "log_port": LOG_PORT,
        # A note that nobody writes: only a leader that others follow says that there is none.
        "discovery": [*watch.program, "recall", "metrics"],
    }
    return Document.merge(
        watch.document,
        Document(
            label=name,
            packages=("python3",),
            files=(
                program(layout.seen, _PROGRAMS, "haproxy_seen"),
                File(layout.seen_settings, json.dumps(settings, indent=2) + "\n"),
            ),
            units=(
                program_unit(
                    name,
                    [PYTHON, layout.seen, layout.seen_settings],
                    description="Tells Prometheus of HAProxy's list of servers and its processes",
                    # As root: so are HAProxy's sockets and its file.
                    lines=(f"RuntimeDirectory={name}", "RuntimeDirectoryMode=0755", "Nice=10"),
                ),
            ),
        ),
    )


def _drop_in(layout: Layout) -> str:
    # Debian's unit reads the file that CONFIG names, checks it before a reload and reloads with
    # USR2. The unit is enabled by its package and started by the apply script. A restart takes some
    # tenths of a second, in which connections wait in the sockets that systemd keeps.
    return f"""\
[Unit]
ConditionPathExists={layout.live}
StartLimitIntervalSec=0

[Service]
Environment=CONFIG={layout.live}
FileDescriptorStoreMax={MOST_LISTENERS}
ExecStart=
ExecStart={PYTHON} {layout.process} start {layout.live} {layout.states} \
  /usr/sbin/haproxy -Ws -f $CONFIG -p $PIDFILE $EXTRAOPTS
ExecReload=
ExecReload=/usr/sbin/haproxy -Ws -f $CONFIG -c -q $EXTRAOPTS
ExecReload=-{PYTHON} {layout.process} save {layout.socket} {layout.states}
ExecReload=/bin/kill -USR2 $MAINPID
ExecReload=-{PYTHON} {layout.process} await {layout.socket} {layout.states}
RestartSec=100ms
"""


def _apply(layout: Layout) -> str:
    return rf"""#!/bin/sh
# Makes HAProxy use the staged configuration, if HAProxy itself finds nothing wrong with it; by a
# reload where more has changed than its servers. Otherwise HAProxy, and the next start of it, go on
# with the last good file.
set -eu

staged={layout.staged}
live={layout.live}
counts={layout.counts}
unit=haproxy.service

count() {{ # WHAT: figures for whoever watches; nothing depends on them
    mkdir -p "$counts" || return 0
    before=$(cat "$counts/$1" 2>/dev/null) || before=0
    echo "$((before + 1))" >"$counts/$1.new" || return 0
    mv -f "$counts/$1.new" "$counts/$1" || return 0
}}

exec 9>"$live.lock"
flock 9

if cmp -s "$staged" "$live" && systemctl --quiet is-active "$unit"; then
    exit 0
fi

# A copy is checked, because discovery may write the staged file again at any time.
install -m 0600 "$staged" "$live.new"
if ! haproxy -c -q -f "$live.new"; then
    echo "haproxy-apply: refused $staged; the last good file stays" >&2
    count refused-haproxy
    rm -f "$live.new"
    exit 1
fi

if [ -e "$live" ] && systemctl --quiet is-active "$unit" &&
    {PYTHON} {layout.servers} change {layout.socket} {layout.left} "$live" "$live.new"; then
    mv -f "$live.new" "$live"
    count applied
    exit 0
fi

# Without a live file a running HAProxy has some other configuration: a reload would keep to that.
how=restart
rm -f "$live.previous"
if [ -e "$live" ]; then
    how=reload-or-restart
    ln "$live" "$live.previous"
fi
mv -f "$live.new" "$live"
if ! systemctl "$how" "$unit"; then
    echo "haproxy-apply: $how failed; the last good file is put back" >&2
    count refused-systemd
    rm -f "$live"
    if [ -e "$live.previous" ]; then
        mv -f "$live.previous" "$live"
    fi
    exit 1
fi
count applied
count reloaded
"""
