"""Three real Consul servers on loopback, which can be wiped and started anew."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any, Self
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from lab.daemon import free_port
from tools import toolbox

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 3


class Cluster:
    """Three servers; leave the `with` block and none of them runs.

    Args:
        folder: for their data.
        encrypt: a key for their gossip; default none.

    """

    def __init__(self, folder: Path, *, encrypt: str | None = None) -> None:
        self._folder = folder
        self._more = {} if encrypt is None else {"encrypt": encrypt}
        self._ports = [[free_port() for _ in range(4)] for _ in range(COUNT)]
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start all servers, and wait for their leader."""
        joins = [f"-retry-join=127.0.0.1:{serf}" for _, _, serf, _ in self._ports]
        for number, (http, rpc, serf, wan) in enumerate(self._ports):
            config = self._folder / f"{number}.json"
            config.write_text(
                json.dumps(
                    {
                        "performance": {"raft_multiplier": 1},
                        "disable_update_check": True,
                        "ports": {"grpc": -1, "grpc_tls": -1, "dns": -1},
                        **self._more,
                    }
                )
            )
            command = [
                toolbox.program("consul"),
                "agent",
                "-server",
                f"-bootstrap-expect={COUNT}",
                f"-node=server-{number}",
                f"-data-dir={self._folder / str(number)}",
                "-bind=127.0.0.1",
                f"-http-port={http}",
                f"-server-port={rpc}",
                f"-serf-lan-port={serf}",
                f"-serf-wan-port={wan}",
                "-log-level=error",
                "-retry-interval=1s",
                f"-config-file={config}",
                *joins,
            ]
            self._processes.append(
                subprocess.Popen(
                    command,
                    env=toolbox.environment(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
        last = time.monotonic() + 60
        while self.leader() is None:
            assert time.monotonic() < last, "no leader within a minute"
            time.sleep(0.2)

    def stop(self) -> None:
        """End all servers."""
        for process in self._processes:
            process.kill()
            process.wait(20)
        self._processes = []

    def wipe(self) -> None:
        """End all servers and lose their disks."""
        self.stop()
        for number in range(COUNT):
            shutil.rmtree(self._folder / str(number))

    @property
    def addresses(self) -> list[str]:
        """Where each server is asked."""
        return [f"http://127.0.0.1:{ports[0]}" for ports in self._ports]

    def leader(self) -> int | None:
        """Return the number of the leader, when all servers agree on it."""
        said = []
        for number in range(COUNT):
            with contextlib.suppress(OSError):
                said.append(json.loads(self.ask("/status/leader", server=number)))
        if len(said) < COUNT or len(set(said)) > 1 or not said[0]:
            return None
        by_rpc = {f"127.0.0.1:{rpc}": number for number, (_, rpc, _, _) in enumerate(self._ports)}
        return by_rpc[said[0]]

    def ask(self, path: str, put: bytes | None = None, *, server: int = 0) -> bytes:
        """Return what a server answers; a leader that has just been elected has its time."""
        method = "GET" if put is None else "PUT"
        url = f"{self.addresses[server]}/v1{path}"
        request = Request(url, data=put, method=method)  # noqa: S310  (a fixed host)
        last = time.monotonic() + 10
        while True:
            try:
                with urlopen(request, timeout=5) as answer:  # noqa: S310  (on loopback)
                    found: bytes = answer.read()
                    return found
            except HTTPError as error:
                if error.code != 500 or time.monotonic() > last:
                    raise
                time.sleep(0.2)

    def written(self) -> dict[str, Any]:
        """Return everything that is written below `drill/`."""
        try:
            found = json.loads(self.ask("/kv/drill/?recurse"))
        except HTTPError as error:
            if error.code != 404:
                raise
            return {}
        return {one["Key"]: one["Value"] for one in found}
