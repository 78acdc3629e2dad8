"""A machine's programs on loopback: HAProxy, Consul's agent, and what shows their figures."""

from __future__ import annotations

import base64
import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from crossgate.balancers.haproxy import programs
from crossgate.balancers.haproxy.config import configuration
from crossgate.balancers.haproxy.document import seen_document
from crossgate.balancers.haproxy.settings import Layout, Ports, Seen
from crossgate.boot import programs as boot_programs
from crossgate.boot.document import Document
from crossgate.boot.metrics import metrics_document
from crossgate.discovery.consul.acl import Gossip
from crossgate.discovery.consul.agent import server_document
from crossgate.model.text import Text
from crossgate.specs import Addresses, ServerLines, Watch
from lab.daemon import free_port
from tests.discovery.consul.authority import SERVER
from tools import toolbox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossgate.model.listener import Listener

SEEN = Path(programs.__file__).with_name("haproxy_seen.py")
PAGE = Path(boot_programs.__file__).with_name("metrics_page.py")
LOGIN = "stats:secret"
_SECONDS = 20


def get(port: int, path: str, login: str | None = LOGIN) -> tuple[int, str]:
    """Ask a page; return the status and what it says."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if login is not None:
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310  (a fixed host)
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def until(what: Any, *, seconds: float = _SECONDS) -> None:
    last = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < last, "in vain"
        time.sleep(0.1)


def settings_of(document: Document, name: str) -> dict[str, Any]:
    """Return the settings that a machine would be given."""
    (text,) = (file.text for _, file in document.written() if file.path.endswith(name))
    made: dict[str, Any] = json.loads(Text.of(text).sample())
    return made


class Watched:
    """The programs of one machine, on free ports, ended together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = contextlib.ExitStack()
        self.metrics_port, self.log_port = free_port(), free_port()
        self.stats_port = free_port()
        self.layout = Layout(
            staged=str(folder / "staged.cfg"),
            live=str(folder / "live.cfg"),
            login=str(folder / "login"),
            states=str(folder / "states"),
            chroot=str(folder / "empty"),
            master=str(folder / "master.sock"),
            socket=str(folder / "admin.sock"),
            counts=str(folder / "counts"),
        )
        (folder / "login").write_text(f"{LOGIN}\n")
        (folder / "states").write_text("1\n")
        (folder / "empty").mkdir()
        self.metrics = folder / "run" / "haproxy-seen" / "metrics.prom"
        self.metrics.parent.mkdir(parents=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, *command: str | Path) -> subprocess.Popen[bytes]:
        """Start a program that ends with this."""
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._stack.callback(_end, process)
        return process

    def consul(self, kept: str = "10m") -> int:
        """Start a server of Consul as machines have it, alone; return its HTTP port.

        Args:
            kept: how long it tells a figure that has not changed.

        """
        document = server_document(
            datacenter="here",
            gossip=Gossip(key=base64.b64encode(bytes(range(32))).decode()),
            join=Addresses(addresses=()),
            expected=1,
            **SERVER,
        )
        http = free_port()
        ports = {"http": http, "dns": -1, "server": free_port(), "serf_lan": free_port()}
        settings = settings_of(document, "agent.json")
        # It is alone: nobody else has a certificate.
        del settings["tls"], settings["auto_encrypt"]
        settings |= {
            "bind_addr": "127.0.0.1",
            "data_dir": str(self.folder / "consul"),
            "ports": settings["ports"] | ports,
            "telemetry": settings["telemetry"] | {"prometheus_retention_time": kept},
        }
        path = self.folder / "agent.json"
        path.write_text(json.dumps(settings))
        self.start(toolbox.program("consul"), "agent", f"-config-file={path}")
        leader = f"http://127.0.0.1:{http}/v1/status/leader"

        def led() -> bool:
            with contextlib.suppress(OSError), urllib.request.urlopen(leader) as said:
                return said.read() not in {b"", b'""'}
            return False

        until(led)
        return http

    def haproxy(
        self,
        listeners: Sequence[Listener],
        servers: Mapping[str, Sequence[int]],
        seen: Seen | None = None,
        journal: int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start HAProxy with a master as Debian's unit does; its list counts as taken.

        Args:
            listeners: of the balancer.
            servers: their ports, by service.
            seen: what is to be seen; default: all.
            journal: a UDP port that stands where the journal's socket is.

        """
        file = configuration(
            listeners,
            ports=Ports(
                stats=self.stats_port,
                health=free_port(),
                metrics=self.metrics_port,
                log=self.log_port,
            ),
            layout=self.layout,
            seen=seen or Seen(),
        )
        text = ""
        for piece in file.pieces:
            if isinstance(piece, ServerLines):
                for port in servers[piece.service.name]:
                    text += piece.line.format(name=f"p{port}", address="127.0.0.1", port=port)
            else:
                text += str(piece)
        if journal is not None:
            text = text.replace("log /dev/log local0", f"log 127.0.0.1:{journal} local0")
        for path in (self.layout.staged, self.layout.live):
            Path(path).write_text(text)
        started = self.start(
            *(toolbox.program("haproxy"), "-W", "-f", self.layout.live, "-S", self.layout.master)
        )
        until(lambda: Path(self.layout.socket).exists() and started.poll() is None)
        return started

    def look(self, listeners: Sequence[Listener], discovery: Sequence[str]) -> None:
        """Start what tells of the list and of HAProxy's processes."""
        watch = Watch(cluster="gw", program=discovery, document=Document(label="watch"))
        document = seen_document(listeners, watch, layout=self.layout)
        settings = settings_of(document, "haproxy-seen.json")
        settings |= {"metrics": str(self.metrics), "log_port": self.log_port, "every": 0.2}
        path = self.folder / "seen.json"
        path.write_text(json.dumps(settings))
        self.start(sys.executable, SEEN, path)
        until(self.metrics.exists)

    def page(self, pages: Mapping[str, str], facts: Mapping[str, float] | None = None) -> None:
        """Start what shows all figures, on `metrics_port` of loopback."""
        settings = settings_of(metrics_document(pages=pages, facts=facts), "metrics-page.json")
        settings |= {"port": self.metrics_port, "files": f"{self.folder}/run/*/metrics.prom"}
        path = self.folder / "page.json"
        path.write_text(json.dumps(settings))
        self.start(sys.executable, PAGE, path)
        until(lambda: _listens(self.metrics_port))

    def told(self) -> dict[str, float]:
        """Return what was told of the list and of the processes."""
        return figures(self.metrics.read_text())

    def reload(self, process: subprocess.Popen[bytes]) -> None:
        """Let HAProxy start anew, as its unit does."""
        process.send_signal(signal.SIGUSR2)


def figures(text: str) -> dict[str, float]:
    """Return the figures of a page, with their labels."""
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(number) for name, _, number in lines if name}


def names(text: str) -> set[str]:
    """Return the names of the figures of a page."""
    return {name.partition("{")[0] for name in figures(text)}


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


__all__ = ["LOGIN", "Watched", "figures", "free_port", "get", "names", "until"]
