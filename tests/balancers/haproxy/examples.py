"""Servers for tests, each a process of its own on a port of the loopback address."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools import toolbox


@contextlib.contextmanager
def serving(port: int, *command: str | Path, log: Path | None = None) -> Iterator[subprocess.Popen]:
    """Run a server until it is needed no more; it is entered when the port accepts."""
    with (log or Path("/dev/null")).open("wb") as said:
        process = subprocess.Popen(command, stderr=said)
    try:
        last = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            assert process.poll() is None
            assert time.monotonic() < last
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait(10)


def grpc_server(port: int) -> contextlib.AbstractContextManager[subprocess.Popen]:
    """Run a server of gRPC's health service."""
    script = Path(__file__).with_name("grpc_example.js")
    return serving(port, toolbox.program("node"), script, str(port))


def all_named(ports: Sequence[int], states: Sequence[str]) -> dict[str, str]:
    """Return the states of the servers on these ports, by the servers' names."""
    return {f"port-{port}": state for port, state in zip(ports, states, strict=True)}
