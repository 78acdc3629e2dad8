"""Changes the servers of a running HAProxy, so that machines come and go without a reload.

    haproxy_servers.py change SOCKET LEFT LIVE NEW            lead to the servers of NEW
    haproxy_servers.py keep SOCKET LEFT LIVE LOCK SECONDS     see that it leads to those of LIVE

`change` ends with 3 where NEW differs from LIVE, with which HAProxy runs, in more than servers, or
where HAProxy refuses: then it must be reloaded. A server that is no more in the file gets nobody
new and keeps the sessions that it has; `keep` takes it out of HAProxy when these have ended, or
ends them when they have had their time. It makes good, too, what was said to a process that was
about to end. In the file LEFT stands who has left by these orders: what somebody drains by hand
stays as it is.

A server that comes so is without `tcp-ut`, which neither 2.6 nor 2.8 takes ("option is not accepted
for dynamic server"). It is for the sessions of old processes, which check nothing any more.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import json
import re
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Key = tuple[str, str]
    """A backend, and a server in it."""

_ANSWER_SECONDS = 5.0
_LOOK_SECONDS = 5.0
_TOLD_LOOKS = 6
_YOUNG_SECONDS = 0.2
_LEARNS_SECONDS = 6
"""A process asks others for five seconds what they know. Until then it tells none that follows it:
HAProxy's "Don't start resync on reload if local peer is not up-to-date" (commit b372f16d3)."""

_RELOAD = 3
_SECTION = re.compile(r"^(?=\S)", re.MULTILINE)
_BACKEND = re.compile(r"backend (\S+)\n")
_TABLE = re.compile(r"\s*stick on src table (\S+)")
_ENTRY = re.compile(r" key=(\S+) .* server_key=(\S+)$")
_COLUMNS = 19
_KEPT_OUT, _DRAINED = 0x01, 0x08
"""Of `srv_admin_state` in HAProxy's management guide: in maintenance, and draining, by order."""

_FIXED = {"cookie", "default-server"}
"""Words that begin a line of a backend whose servers nobody changes: a client that a cookie leads
to one that drains is still led there, and what a default says HAProxy does not hear."""


class Refused(Exception):  # noqa: N818  (it is what HAProxy does)
    """HAProxy must be reloaded; the message says why."""


@dataclass(frozen=True)
class Configuration:
    """A file of HAProxy, parted into servers that may change and all else.

    Attributes:
        else_: all lines but those of these servers.
        backends: whose servers these are.
        tables: where it stands where clients of some of them were led before, by the backend.
        servers: what stands behind the name of each.

    """

    else_: Sequence[str]
    backends: frozenset[str]
    tables: Mapping[str, str]
    servers: Mapping[Key, Sequence[str]]

    @classmethod
    def of(cls, text: str) -> Configuration:
        """Return what a file says."""
        rest: list[str] = []
        backends: set[str] = set()
        tables: dict[str, str] = {}
        servers: dict[Key, Sequence[str]] = {}
        for section in _SECTION.split(text):
            rows = [(line, line.split()) for line in section.splitlines()]
            head = _BACKEND.match(section)
            if head is None or any(words[0] in _FIXED for _, words in rows if words):
                rest += [line for line, _ in rows]
                continue
            backends.add(head[1])
            for line, words in rows:
                if found := _TABLE.match(line):
                    tables[head[1]] = found[1]
                if words[:1] == ["server"]:
                    servers[head[1], words[1]] = words[2:]
                else:
                    rest.append(line)
        return cls(rest, frozenset(backends), tables, servers)


@dataclass(frozen=True)
class State:
    """What HAProxy says of a server.

    Attributes:
        place: its address and port.
        out: whether nobody new is led to it, by order.

    """

    place: str
    out: bool


class HAProxy:
    """The process that has clients now."""

    def __init__(self, socket_path: str) -> None:
        self._path = socket_path

    def ask(self, question: str) -> str:
        """Return HAProxy's answer."""
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(_ANSWER_SECONDS)
            asked.connect(self._path)
            asked.sendall(f"{question}\n".encode())
            return b"".join(iter(lambda: asked.recv(65536), b"")).decode().strip()

    def tell(self, order: str, want: str = "") -> None:
        """Give an order; Refused when anything but `want` is answered."""
        if (said := self.ask(order)) != want:
            raise Refused(f"HAProxy answers to {order!r}: {said}")

    def age(self) -> int:
        """Return for how many seconds the process has run."""
        said = dict(line.split(": ", 1) for line in self.ask("show info").splitlines())
        return int(said["Uptime_sec"])

    def servers(self) -> dict[Key, State]:
        """Return all that it leads to."""
        rows = [line.split() for line in self.ask("show servers state").splitlines()]
        return {
            (row[1], row[3]): State(
                f"{row[4]}:{row[18]}", bool(int(row[6]) & (_KEPT_OUT | _DRAINED))
            )
            for row in rows
            if len(row) >= _COLUMNS and row[0].isdigit()
        }

    def sessions(self) -> dict[Key, int]:
        """Return how many each server has, those that wait for it too."""
        rows = csv.DictReader(self.ask("show stat -1 4 -1")[2:].splitlines())
        return {
            (row["pxname"], row["svname"]): int(row["scur"] or 0) + int(row["qcur"] or 0)
            for row in rows
            if {"pxname", "svname", "scur", "qcur"} <= row.keys()
        }


class Left:
    """Who has left by our orders, with the words of its line: written down before it is ordered."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        try:
            said = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            said = []
        self.words: dict[Key, list[str]] = {(one[0], one[1]): one[2] for one in said}

    def add(self, key: Key, words: Sequence[str]) -> None:
        """Note one."""
        if words or key not in self.words:
            self.words[key] = list(words)
            self._write()

    def drop(self, keys: Iterable[Key]) -> None:
        """Forget some."""
        if gone := self.words.keys() & set(keys):
            self.words = {key: self.words[key] for key in self.words if key not in gone}
            self._write()

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps([[*key, words] for key, words in self.words.items()]))
        draft.replace(self._path)


def change(haproxy: HAProxy, left: Left, live: Configuration, new: Configuration) -> None:
    """Have HAProxy lead to the servers of `new`.

    Raises:
        Refused: it must be reloaded.

    """
    there = haproxy.servers()
    # Those that are back. First: a reload would carry it over that they are out.
    for key in ((new.servers.keys() - live.servers.keys()) | left.words.keys()) & there.keys():
        if key in new.servers and there[key].out:
            _enable(haproxy, key, new.servers[key])
    if live.else_ != new.else_:
        raise Refused("more than servers has changed")
    for key, words in new.servers.items():
        known = live.servers.get(key) or left.words.get(key) or words
        if list(known) != list(words) or (key in there and there[key].place != words[0]):
            raise Refused(f"the server {'/'.join(key)} has changed")
    for key in new.servers.keys() - there.keys():
        _add(haproxy, "/".join(key), new.servers[key])
    for key in there.keys() - new.servers.keys():
        if key[0] in new.backends and not there[key].out:
            left.add(key, live.servers.get(key, ()))
            # An agent that says "ready" would have it led to again.
            name = "/".join(key)
            haproxy.tell(f"disable agent {name}; set server {name} state drain")
    if live.servers.keys() - new.servers.keys():
        forget_clients(haproxy, new)


def forget_clients(haproxy: HAProxy, configuration: Configuration) -> None:
    """Have nobody led to a server that has gone because he was before: one that drains allows it.

    By servers' names: an entry that another balancer told has its number for the server there.
    """
    for backend, table in configuration.tables.items():
        for line in haproxy.ask(f"show table {table}").splitlines():
            found = _ENTRY.search(line)
            if found and (backend, found[2]) not in configuration.servers:
                haproxy.ask(f"clear table {table} key {found[1]}")


def _add(haproxy: HAProxy, name: str, words: Sequence[str]) -> None:
    taken = list(words)
    if "tcp-ut" in taken:
        at = taken.index("tcp-ut")
        del taken[at : at + 2]
    orders = [f"add server {name} {' '.join(taken)}", f"enable health {name}"]
    if "agent-check" in taken:
        orders.append(f"enable agent {name}")
    haproxy.tell("; ".join([*orders, f"set server {name} state ready"]), "New server registered.")


def _enable(haproxy: HAProxy, key: Key, words: Sequence[str]) -> None:
    name = "/".join(key)
    agent = f"enable agent {name}; " if "agent-check" in words else ""
    haproxy.tell(f"{agent}set server {name} state ready")


class Gone:
    """Servers that are no more in the file."""

    def __init__(self, haproxy: HAProxy, seconds: float) -> None:
        self._haproxy = haproxy
        self._seconds = seconds
        self._since: dict[Key, float] = {}
        self._seen: Configuration | None = None
        self._looks = 0

    def forget(self, left: Left, live: Configuration, now: float) -> None:
        """Take those out of HAProxy that have no session, and end the sessions that are too old."""
        there = self._haproxy.servers()
        gone = {key for key in there.keys() - live.servers.keys() if key[0] in live.backends}
        self._since = {key: self._since.get(key, now) for key in gone}
        # For a while also when none is left here: others tell what they know, to a new process all
        # of it.
        if self._seen != live:
            self._seen, self._looks = live, _TOLD_LOOKS
        if gone or self._looks > 0:
            self._looks -= 1
            forget_clients(self._haproxy, live)
        sessions = self._haproxy.sessions() if gone else {}
        for key in sorted(gone):
            name = "/".join(key)
            if sessions.get(key) == 0:
                # Connections that wait to be used again may hold it for some seconds more.
                self._haproxy.ask(f"set server {name} state maint; del server {name}")
            elif now - self._since[key] > self._seconds:
                self._haproxy.ask(f"shutdown sessions server {name}")
        # Who is back has been told so, and this process heard it.
        heard = {key for key in live.servers.keys() & there.keys() if not there[key].out}
        left.drop(heard | {key for key in left.words if key not in there})


def learned(haproxy: HAProxy) -> None:
    """Wait until HAProxy would tell the process that follows where clients were led."""
    with contextlib.suppress(OSError, LookupError, ValueError):
        while haproxy.age() < _LEARNS_SECONDS:
            time.sleep(_YOUNG_SECONDS)


def _read(path: str) -> Configuration:
    return Configuration.of(Path(path).read_text(encoding="utf-8"))


def main(what: str, socket_path: str, left: str, live: str, *rest: str) -> None:
    """Do what the command line says."""
    haproxy = HAProxy(socket_path)
    if what == "change":
        known = _read(live)
        try:
            change(haproxy, Left(left), known, _read(rest[0]))
        except (OSError, Refused) as error:
            sys.stdout.write(f"haproxy-servers: a reload, for {error}\n")
            sys.stdout.flush()
            if known.tables:
                learned(haproxy)
            sys.exit(_RELOAD)
        return
    lock, seconds = rest
    gone, trouble = Gone(haproxy, float(seconds)), ""
    while True:
        time.sleep(_LOOK_SECONDS)
        before, trouble = trouble, "; ".join(kept(haproxy, gone, left, live, lock))
        if trouble and trouble != before:
            sys.stdout.write(f"haproxy-servers: {trouble}\n")
            sys.stdout.flush()


def kept(haproxy: HAProxy, gone: Gone, left: str, live: str, lock: str) -> list[str]:
    """Keep the servers once; return what is wrong."""
    found = []
    try:
        # For reading: the unit may write nothing there.
        with Path(lock).open(encoding="utf-8") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            wanted, known = _read(live), Left(left)
            try:
                change(haproxy, known, wanted, wanted)
            except Refused as error:
                found.append(str(error))
            gone.forget(known, wanted, time.monotonic())
    except OSError as error:
        found.append(str(error))
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
