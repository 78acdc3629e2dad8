"""Carries over what HAProxy itself loses when its process ends: sockets, and what servers are fit.

    haproxy_process.py start CONFIG STATE PROGRAM...   become PROGRAM, with the sockets of CONFIG
    haproxy_process.py save SOCKET STATE               write down which servers are fit
    haproxy_process.py await SOCKET STATE              wait until a process after that one answers

A listening socket `fd@${HELD_9000}` of the configuration is bound here and handed to systemd, which
keeps it while the unit restarts (FileDescriptorStoreMax= in systemd.service(5)): connections that
come while HAProxy is away wait in it for the next one instead of being refused. Stopping the unit
closes it. HAProxy's servers start out fit; with the file that `save` wrote just before a reload,
those that were down stay down until a check says otherwise. Whoever tells the process something
just after a reload should tell the new one: `await` ends when that is there, or after some time.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FIRST = 3  # SD_LISTEN_FDS_START
_BACKLOG = 4096
_SECONDS = 2.0
_AWAIT_SECONDS = 10.0
_LOOK_SECONDS = 0.02
_SURE = 3
"""For a moment both processes answer, by turns."""

_PLACE = re.compile(r"fd@\$\{HELD_(\d+)\}")
_PROCESS = re.compile(rb"^Pid: (\d+)$", re.MULTILINE)
_EMPTY = "1\n"
"""What a file of servers' states says that names none."""


def start(config: Path, state: Path, program: Sequence[str]) -> None:
    """Become `program`, with HELD_<port> in its environment for each socket that is held."""
    state.write_text(_EMPTY)
    kept = held(os.environ)
    wanted = set(_PLACE.findall(config.read_text(encoding="utf-8", errors="replace")))
    for port in sorted(kept.keys() - wanted):
        os.close(kept.pop(port))
        tell(f"FDSTOREREMOVE=1\nFDNAME={port}")
    for port in sorted(wanted - kept.keys()):
        # Where something else has the port, HAProxy is who says so.
        with contextlib.suppress(OSError):
            made = bound(int(port))
            tell(f"FDSTORE=1\nFDNAME={port}", made.fileno())
            kept[port] = made.detach()
    environment = {name: value for name, value in os.environ.items() if name[:7] != "LISTEN_"}
    for port, descriptor in kept.items():
        os.set_inheritable(descriptor, True)  # noqa: FBT003  (the standard library's own)
        environment[f"HELD_{port}"] = str(descriptor)
    os.execve(program[0], list(program), environment)  # noqa: S606  (HAProxy, as its unit says)


def held(environment: Mapping[str, str]) -> dict[str, int]:
    """Return the descriptors that systemd kept, by port; sd_listen_fds(3)."""
    names = environment.get("LISTEN_FDNAMES", "")
    if environment.get("LISTEN_PID") != str(os.getpid()) or not names:
        return {}
    return {name: _FIRST + number for number, name in enumerate(names.split(":"))}


def bound(port: int) -> socket.socket:
    """Return a socket that listens on `port` of every IPv4 address."""
    made = socket.socket()
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("0.0.0.0", port))  # noqa: S104  (the firewall decides who reaches a listener)
        made.listen(_BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def tell(message: str, *descriptors: int) -> None:
    """Say something to systemd; sd_notify(3)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as said:
        said.connect("\0" + address[1:] if address[0] == "@" else address)
        socket.send_fds(said, [message.encode()], descriptors)


def save(api: str, state: Path) -> None:
    """Write down what HAProxy says of its servers, and which process it is."""
    # What was said before an earlier reload must not come true again.
    state.write_text(_EMPTY)
    _before(state).write_bytes(_process(api))
    said = _asked(api, b"show servers state\n")
    if not said.startswith(_EMPTY.encode()):
        raise SystemExit(f"no states of servers: {said[:80]!r}")
    draft = state.with_name(f"{state.name}.new")
    draft.write_bytes(said)
    draft.replace(state)


def await_next(api: str, state: Path) -> None:
    """Return when another process answers than the one that was written down."""
    before, seen = _before(state).read_bytes(), 0
    last = time.monotonic() + _AWAIT_SECONDS
    while seen < _SURE:
        if time.monotonic() > last:
            raise SystemExit(f"process {before.decode()} still answers")
        time.sleep(_LOOK_SECONDS)
        with contextlib.suppress(OSError):
            seen = 0 if _process(api) in (b"", before) else seen + 1


def _before(state: Path) -> Path:
    return state.with_name(f"{state.name}.process")


def _process(api: str) -> bytes:
    found = _PROCESS.search(_asked(api, b"show info\n"))
    return found[1] if found else b""


def _asked(api: str, question: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(_SECONDS)
        asked.connect(api)
        asked.sendall(question)
        return b"".join(iter(lambda: asked.recv(65536), b""))


def main(arguments: Sequence[str]) -> None:
    """Do what the command line says."""
    what, *rest = arguments
    if what == "start":
        start(Path(rest[0]), Path(rest[1]), rest[2:])
    elif what == "save":
        save(rest[0], Path(rest[1]))
    elif what == "await":
        await_next(rest[0], Path(rest[1]))
    else:
        raise SystemExit("start CONFIG STATE PROGRAM... | save SOCKET STATE | await SOCKET STATE")


if __name__ == "__main__":
    main(sys.argv[1:])
