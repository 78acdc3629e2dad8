"""The program that carries HAProxy's sockets and states over, run as systemd runs it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from crossgate.balancers.haproxy import programs
from crossgate.model.listener import Listener
from crossgate.model.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossgate.balancers.haproxy.settings import Layout

pytestmark = pytest.mark.process

PROGRAM = Path(programs.__file__).with_name("haproxy_process.py")
API = Service(name="api", port=9190, command=["/usr/bin/api"])

# Stands in HAProxy's place: tells what it was given, and whether that listens.
TELL = """\
import json, os, socket
given = {n: v for n, v in os.environ.items() if n[:5] == "HELD_" or n[:7] == "LISTEN_"}
ports = [socket.socket(fileno=int(v)).getsockname()[1] for n, v in given.items()]
print(json.dumps([given, ports]))
"""


class Systemd:
    """What systemd does for a unit with FileDescriptorStoreMax=: keep descriptors, pass them on."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.kept: dict[str, int] = {}
        self.config = folder / "live.cfg"
        self.states = folder / "states"

    def __enter__(self) -> Self:
        self._socket.bind(str(self._path))
        self._socket.settimeout(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        for descriptor in self.kept.values():
            os.close(descriptor)

    def start(self, *ports: int) -> tuple[dict[str, str], list[int]]:
        """Start the program for these ports; return what the next one got of it."""
        self.config.write_text("".join(f"    bind fd@${{HELD_{port}}}\n" for port in ports))
        command = [sys.executable, PROGRAM, "start", self.config, self.states]
        # As systemd: descriptors from 3 on, and the process's own number.
        launch = (
            "import os, sys\n"
            "os.environ['LISTEN_PID'] = str(os.getpid())\n"
            "for n, fd in enumerate(map(int, os.environ.pop('FDS').split())):\n"
            "    os.dup2(fd, 100 + n)\n"
            "for n in range(int(os.environ['LISTEN_FDS'])):\n"
            "    os.dup2(100 + n, 3 + n)\n"
            "os.execv(sys.argv[1], sys.argv[1:])\n"
        )
        environment = {
            "NOTIFY_SOCKET": str(self._path),
            "LISTEN_FDS": str(len(self.kept)),
            "LISTEN_FDNAMES": ":".join(self.kept),
            "FDS": " ".join(map(str, self.kept.values())),
        }
        done = subprocess.run(
            [sys.executable, "-c", launch, *command, sys.executable, "-c", TELL],
            env=environment, pass_fds=list(self.kept.values()),
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        self._listen()
        given, listening = json.loads(done.stdout)
        return given, listening

    def _listen(self) -> None:
        while True:
            try:
                said, descriptors, _, _ = socket.recv_fds(self._socket, 4096, 8)
            except TimeoutError:
                return
            words = dict(line.split("=", 1) for line in said.decode().splitlines())
            if "FDSTORE" in words:
                (self.kept[words["FDNAME"]],) = descriptors
            elif "FDSTOREREMOVE" in words:
                os.close(self.kept.pop(words["FDNAME"]))


@pytest.fixture
def systemd(tmp_path: Path):
    with Systemd(tmp_path) as systemd:
        yield systemd


def test_a_listener_is_bound_kept_and_passed_on(systemd, free_port):
    port = free_port()

    given, listening = systemd.start(port)

    assert list(given) == [f"HELD_{port}"]
    assert listening == [port]
    assert list(systemd.kept) == [str(port)]


def test_who_connects_while_haproxy_is_away_waits_in_the_kept_socket(systemd, free_port):
    port = free_port()
    systemd.start(port)

    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        systemd.start(port)
        with socket.socket(fileno=os.dup(systemd.kept[str(port)])) as again:
            accepted, address = again.accept()
            accepted.close()
        assert address == client.getsockname()


def test_a_new_listener_is_bound_beside_the_kept_one(systemd, free_port):
    first, second = free_port(), free_port()
    systemd.start(first)
    before = os.fstat(systemd.kept[str(first)]).st_ino

    given, listening = systemd.start(first, second)

    assert sorted(listening) == sorted([first, second])
    assert os.fstat(int(systemd.kept[str(first)])).st_ino == before
    assert sorted(given) == sorted([f"HELD_{first}", f"HELD_{second}"])


def test_a_listener_that_is_gone_is_closed(systemd, free_port):
    first, second = free_port(), free_port()
    systemd.start(first, second)

    _, listening = systemd.start(second)

    assert listening == [second]
    assert list(systemd.kept) == [str(second)]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", first), timeout=5)


def test_a_port_that_is_taken_is_left_for_haproxy_to_complain_of(systemd):
    with socket.create_server(("", 0)) as other:
        given, listening = systemd.start(other.getsockname()[1])

    assert (given, listening) == ({}, [])


def test_descriptors_meant_for_another_process_are_left_alone(tmp_path, free_port):
    config = tmp_path / "live.cfg"
    config.write_text(f"bind fd@${{HELD_{free_port()}}}\n")
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "9000"}
    command = [sys.executable, PROGRAM, "start", config, tmp_path / "states"]
    done = subprocess.run(
        [*command, sys.executable, "-c", TELL],
        env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "HELD_9000" not in json.loads(done.stdout)[0]


def test_a_start_begins_without_states(systemd, free_port):
    systemd.states.write_text("of a process that is long gone")
    systemd.start(free_port())
    assert systemd.states.read_text() == "1\n"


def save(layout: Layout) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, PROGRAM, "save", layout.socket, layout.states],
        check=False, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.live
@pytest.mark.root
def test_a_server_that_was_down_is_down_from_the_first_moment_after_a_reload(
    running: Callable, layout: Layout, free_port: Callable[[], int]
):
    listener, closed = Listener(port=free_port(), to=API), free_port()
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        fit = server.getsockname()[1]
        servers = {"api": [fit, closed]}
        haproxy = running([listener], servers)
        assert haproxy.settled(f"port-{closed}") == {f"port-{closed}": "DOWN"}
        assert save(layout).returncode == 0

        haproxy.stop()
        states = running([listener], servers).states()

    assert states[f"port-{closed}"][0] == "DOWN"
    assert states[f"port-{fit}"][0] == "UP"


def test_states_that_cannot_be_had_leave_none(layout: Layout):
    """Of an earlier reload they may say that a machine drains which has long come back."""
    Path(layout.states).write_text("1\nthe last ones\n")

    done = save(layout)

    assert done.returncode != 0
    assert Path(layout.states).read_text() == "1\n"
