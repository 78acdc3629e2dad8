"""Servers around the machines of a lab: started apart, found by their log, ended by their pid."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from tools.toolbox import ROOT, ToolError, program

_LIFETIME_SECONDS = 6 * 3600
_START_SECONDS = 60
_STOP_SECONDS = 30
_PORTS = (10_000, 32_000)
_given: set[int] = set()
# Not Python's own generator, which can have one seed in two processes.
_draw = random.SystemRandom()


class Daemon:
    """A server of ours that runs: for six hours at most, whatever becomes of this process.

    It ends with its `with` block, by `stop`, or with the control groups that it has joined.

    Args:
        name: what it is called in messages; its log is called so too.
        folder: where its log goes; made when it is absent.
        command: the program and its arguments.
        groups: files by which it joins control groups (`lab.cgroup.make`), so that taking the lab
            down ends it; default none.
        environment: what it finds as its environment; default that of this process.

    """

    def __init__(
        self,
        name: str,
        folder: Path,
        *command: str | Path,
        groups: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.log = folder / f"{name}.log"
        join = "".join(f'echo $$ >"{group}"; ' for group in groups)
        life = ("timeout", f"--kill-after={_STOP_SECONDS}", str(_LIFETIME_SECONDS))
        with self.log.open("w", encoding="utf-8") as out:
            self._process = subprocess.Popen(  # noqa: S603  (programs of the toolbox)
                [program("sh"), "-c", f'{join}exec "$@"', "sh", *life, *command],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait(self, ready: Callable[[], object]) -> Self:
        """Return when `ready` raises no OSError any more; a server that does not start is stopped.

        Raises:
            ToolError: the server has ended, or takes longer than a minute; with the end of its log.

        """
        try:
            self._await(ready)
        except BaseException:
            self.stop()
            raise
        return self

    def _await(self, ready: Callable[[], object]) -> None:
        last = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                ready()
                return
            if self._process.poll() is not None or time.monotonic() > last:
                raise ToolError(
                    f"{self.name} does not start:",
                    do=f"read {self.log}, mend what it names and try again.",
                    output=self.log.read_text(encoding="utf-8", errors="replace"),
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """End it; it has half a minute for that. What it has started and left ends too."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        # It is the leader of its own process group, which is there as long as anybody is in it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(_STOP_SECONDS)


def free_port() -> int:
    """Return a port of the loopback address that nothing has now; never the same one twice.

    It is below those that the kernel gives to outgoing connections (from 32768 on Linux, 49152
    elsewhere), one of which the next client of anything can have before a server starts on it.
    """
    while True:
        port = _draw.randrange(*_PORTS)
        if port not in _given and not _is_taken(port):
            _given.add(port)
            return port


def _is_taken(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                return True
    return False


def connect(port: int) -> None:
    """Connect to a port of the loopback address once; OSError when nothing accepts."""
    socket.create_connection(("127.0.0.1", port), timeout=1).close()
