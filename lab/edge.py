"""A cloud's own load balancers, in the lab: one HAProxy in the router's network namespace.

It belongs to the emulator of the cloud, not to Crossgate: it knows what the cloud's API tells of
its load balancers and their targets, and it asks the targets what the API says, as often as it
says. Octavia's amphora is a HAProxy too. A network load balancer of AWS passes packets where this
passes what is in the connections: a client is connected before a target is, and targets see the
router's address. It does try one target alone, and ends the sessions of one that fails, as those
do.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lab.command import output
from lab.daemon import Daemon
from tools.toolbox import program

if TYPE_CHECKING:
    from lab.received import Entrance, Listening

# "Connection idle timeout" in the guide of AWS' network load balancers.
_IDLE = "350s"

_HEAD = """\
global
    maxconn 4000
    stats socket {socket} mode 600 level admin

defaults
    mode tcp
    timeout connect 10s
    timeout client 60s
    timeout server 60s
"""


class Edge(Daemon):
    """The load balancers of a cloud; its router answers to their addresses.

    Args:
        entrances: what they are.
        namespace: name of the router's network namespace, below /run/netns.
        folder: for its files; made when it is absent.
        more: sections of the configuration that the cloud needs beside; default none.
        own: addresses that the router has for these; default none.
        groups: files by which it joins control groups; default none.

    Attributes:
        entrances: what was given.

    Raises:
        ToolError: it does not start.

    """

    def __init__(
        self,
        entrances: Sequence[Entrance],
        namespace: str,
        folder: Path,
        *,
        more: Sequence[str] = (),
        own: Sequence[str] = (),
        groups: Sequence[Path] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.entrances = entrances
        self._namespace = namespace
        self._socket = folder / "edge.sock"
        listens = [
            self._listen(entrance, listening)
            for entrance in entrances
            for listening in entrance.listening
        ]
        path = folder / "edge.cfg"
        head = _HEAD.format(socket=self._socket)
        path.write_text("\n".join([head, *more, *listens]), encoding="utf-8")
        named = [address for entrance in entrances for address in entrance.addresses]
        self._answered = [*own, *named]
        command = (program("haproxy"), "-db", "-f", path)
        self._answer("add")
        super().__init__("edge", folder, *command, groups=groups)
        self.wait(self.fit)

    def stop(self) -> None:
        """End it, and let the router answer no more."""
        super().stop()
        self._answer("del")

    def fit(self) -> dict[str, bool]:
        """Return which targets are fit, by `entrance:port/target`."""
        with socket.socket(socket.AF_UNIX) as asked:
            asked.connect(str(self._socket))
            asked.sendall(b"show servers state\n")
            said = b"".join(iter(lambda: asked.recv(65536), b"")).decode()
        rows = [line.split() for line in said.splitlines()[2:] if line]
        # "show servers state" in HAProxy's management guide: srv_op_state, the sixth, is 2 when up.
        return {f"{row[1]}/{row[3]}": row[5] == "2" for row in rows if ":" in row[1]}

    def _answer(self, change: str) -> None:
        """Let the router answer to its addresses, or no more; `add` or `del`."""
        lines = [f"address {change} {address}/32 dev lo" for address in self._answered]
        output("ip", "-netns", self._namespace, "-batch", "-", given="\n".join(lines) + "\n")

    def _listen(self, entrance: Entrance, listening: Listening) -> str:
        inside = f"namespace {self._namespace}"
        health = listening.health
        every = f"inter {health.every.total_seconds():.0f}s"
        return "\n".join([
            f"listen {entrance.name}:{listening.port}",
            *(f"    bind {a}:{listening.port} {inside}" for a in entrance.addresses),
            "    balance random",
            "    retries 0",
            f"    timeout client {_IDLE}",
            f"    timeout server {_IDLE}",
            f"    timeout check {health.timeout.total_seconds():.0f}s",
            f"    option httpchk GET {health.path}",
            f"    http-check expect status {health.codes}",
            f"    default-server check port {health.port} {every}",
            *(["    default-server send-proxy-v2"] if listening.proxied else []),
            *(["    default-server check-send-proxy"] if health.proxied else []),
            f"    default-server rise {health.rise} fall {health.fall}",
            "    default-server on-marked-down shutdown-sessions",
            # Of a default-server, HAProxy 2.6 takes no namespace over.
            *(f"    server {t.name} {t.address}:{t.port} {inside}" for t in listening.targets),
            "",
        ])  # fmt: skip
