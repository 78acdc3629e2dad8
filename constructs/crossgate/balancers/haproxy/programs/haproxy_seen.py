"""Tells Prometheus how the balancer's list of servers is, and what HAProxy itself does not tell.

    haproxy_seen.py SETTINGS

The list is confirmed when the discovery has just answered with a majority behind it and HAProxy
runs with what the discovery wrote; otherwise it is frozen, and serves on as it last was. A reload
leaves old workers with their sessions. HAProxy counts failed sessions, but not how they ended: that
stands in its log, which it sends here too, line by line in datagrams that it never waits for. The
figures go into a file, from which another program shows them.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

_ANSWER_SECONDS = 2.0
_DISCOVERY_SECONDS = 15
_BUFFER = 1 << 20
"""Lines that come while nobody reads: some thousands."""

# `option tcplog` and `option httplog` in HAProxy's guide, from the frontend on: names, timers, an
# HTTP status or none, bytes, cookies or none, and the termination state of two letters or four.
_SESSION = re.compile(
    r"\] (\S+?)~? \S+/\S+ (?:[-+]?\d+/)+[-+]?\d+ (?:-?\d+ )?\+?\d+ (?:\S+ \S+ )?"
    r"([-A-Za-z]{2})[-A-Za-z]{0,2} \d"
)


class Sessions:
    """Counts how sessions ended, by listener and termination state."""

    def __init__(self, listeners: Collection[str]) -> None:
        self._listeners = frozenset(listeners)
        self.counted: dict[tuple[str, str], int] = {}

    def count(self, line: str) -> None:
        """Count one line of the log, if it is of a session of a listener."""
        if (found := _SESSION.search(line)) and found[1] in self._listeners:
            key = found[1], found[2]
            self.counted[key] = self.counted.get(key, 0) + 1

    def listen(self, heard: socket.socket) -> None:
        """Count without end."""
        while True:
            self.count(heard.recv(65535).decode(errors="replace"))

    def figures(self) -> dict[str, float]:
        """Return the figures."""
        name = "crossgate_haproxy_failed_sessions_total"
        return {
            f'{name}{{proxy="{listener}",state="{state}"}}': number
            for (listener, state), number in sorted(self.counted.items())
        }


def old_workers(master: str) -> tuple[int, int]:
    """Return how many processes a reload has left, and how many connections they have."""
    _, _, old = ask(master, "show proc").partition("# old workers")
    rows = [line.split() for line in old.partition("#")[0].splitlines()]
    pids = [row[0] for row in rows if row and row[0].isdigit()]
    connections = 0
    for pid in pids:
        for line in ask(master, f"@!{pid} show info").splitlines():
            if line.startswith("CurrConns:"):
                connections += int(line.partition(":")[2])
    return len(pids), connections


def ask(path: str, question: str) -> str:
    """Return HAProxy's answer."""
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(_ANSWER_SECONDS)
        asked.connect(path)
        asked.sendall(f"{question}\n".encode())
        # The master answers as long as somebody may ask.
        asked.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: asked.recv(65536), b"")).decode()


def answers(command: Sequence[str]) -> bool:
    """Return whether the discovery answers."""
    try:
        subprocess.run(  # noqa: S603  (the cluster's own program)
            command, check=True, timeout=_DISCOVERY_SECONDS, capture_output=True
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return True


class List:
    """The balancer's list of servers, and what is known of it."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._staged = Path(settings["staged"])
        self._live = Path(settings["live"])
        self._counts = Path(settings["counts"])
        self._confirmed: float | None = None

    def figures(self, *, answered: bool, now: float) -> dict[str, float]:
        """Return the figures of the list.

        Args:
            answered: whether the discovery has just answered.
            now: the time.

        """
        confirmed = answered and self._taken()
        if confirmed:
            self._confirmed = now
        found: dict[str, float] = {
            "crossgate_discovery_answers": int(answered),
            "crossgate_list_frozen": int(not confirmed),
            "crossgate_list_applied_total": self._counted("applied"),
            "crossgate_list_reloads_total": self._counted("reloaded"),
        }
        for who in ("haproxy", "systemd"):
            name = f'crossgate_list_refused_total{{by="{who}"}}'
            found[name] = self._counted(f"refused-{who}")
        if self._confirmed is not None:
            found["crossgate_list_confirmed_timestamp_seconds"] = self._confirmed
        if self._live.exists():
            found["crossgate_list_written_timestamp_seconds"] = self._live.stat().st_mtime
        return found

    def _taken(self) -> bool:
        try:
            return self._staged.read_bytes() == self._live.read_bytes()
        except OSError:
            return False

    def _counted(self, what: str) -> int:
        try:
            return int(self._counts.joinpath(what).read_text())
        except (OSError, ValueError):
            return 0


def workers(master: str) -> dict[str, float]:
    """Return the figures of HAProxy's processes; nothing but that, where HAProxy is silent."""
    try:
        old, connections = old_workers(master)
    except OSError:
        return {"crossgate_haproxy_answers": 0}
    return {
        "crossgate_haproxy_answers": 1,
        "crossgate_haproxy_old_workers": old,
        "crossgate_haproxy_old_connections": connections,
    }


def look(
    settings: Mapping[str, Any], known: List, sessions: Sessions, clock: Callable[[], float]
) -> None:
    """Look once, and write down what was seen."""
    answered = answers(settings["discovery"])
    figures = {
        **known.figures(answered=answered, now=clock()),
        **workers(settings["master"]),
        **sessions.figures(),
    }
    metrics = Path(settings["metrics"])
    draft = metrics.with_suffix(".new")
    draft.write_text("".join(f"{name} {figures[name]:.15g}\n" for name in figures))
    draft.chmod(0o644)
    draft.replace(metrics)


def main(path: str) -> None:
    """Look until stopped."""
    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    sessions, known = Sessions(settings["listeners"]), List(settings)
    heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    heard.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    heard.bind(("127.0.0.1", settings["log_port"]))
    threading.Thread(target=sessions.listen, args=(heard,), daemon=True).start()
    while True:
        look(settings, known, sessions, time.time)
        time.sleep(settings["every"])


if __name__ == "__main__":
    main(sys.argv[1])
