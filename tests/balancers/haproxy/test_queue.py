"""Clients that wait for a server with room, as a real HAProxy has them; what is told of them."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossgate import AutoScalingGroup, ConsulServers, HAProxyNodes, NullCloud
from crossgate.balancers.haproxy.config import configuration
from crossgate.balancers.haproxy.programs import haproxy_figures
from crossgate.balancers.haproxy.programs.haproxy_figures import (
    QUESTION,
    added_up,
    ask,
    figures,
    old_workers,
)
from crossgate.balancers.haproxy.settings import Ports
from crossgate.model.listener import Listener
from crossgate.model.service import Service
from crossgate.model.text import Text
from crossgate.specs import MachinesSpec, ServerLines
from tests.balancers.haproxy.examples import Loopback

if TYPE_CHECKING:
    from crossgate.balancers.haproxy.settings import Layout
    from crossgate.boot.document import Document

API = Service(name="api", port=9190, command=["/usr/bin/api"], max_connections=2)
FREE = Service(name="free", port=9191, command=["/usr/bin/free"])


def line_of(*listeners: Listener, **said: int) -> str:
    pieces = configuration(listeners, **said).pieces
    return next(piece.line for piece in pieces if isinstance(piece, ServerLines))


def text_of(*listeners: Listener) -> str:
    return "".join(str(p) for p in configuration(listeners).pieces if isinstance(p, Text))


@pytest.mark.parametrize(
    ("most", "balancers", "share"), [(100, 1, 100), (100, 2, 50), (100, 3, 34), (1, 3, 1)]
)
def test_each_balancer_sends_a_server_its_part_rounded_up(most, balancers, share):
    listener = Listener(port=9000, to=replace(API, max_connections=most))
    assert f" maxconn {share}\n" in line_of(listener, balancers=balancers)


def test_two_listeners_of_a_service_share_its_servers():
    api = replace(API, max_connections=100)
    assert " maxconn 25\n" in line_of(
        Listener(port=9000, to=api), Listener(port=9001, to=api), balancers=2
    )


def test_a_client_waits_as_long_as_the_listener_says():
    listener = Listener(port=9000, to=API, queue=timedelta(seconds=5))
    assert "    timeout queue 5000ms\n" in text_of(listener)
    assert "    timeout queue 30000ms\n" in text_of(Listener(port=9000, to=API))


def test_without_a_limit_nothing_is_said_of_waiting():
    assert "maxconn" not in line_of(Listener(port=9000, to=FREE))
    assert "timeout queue" not in text_of(Listener(port=9000, to=FREE))


def maxconn(document: Document) -> list[str]:
    files = {file.path: Text.of(file.text).sample() for _, file in document.written()}
    return re.findall(r" maxconn (\d+)", files["/etc/consul-template/haproxy.tpl"])


@pytest.mark.parametrize(("at_once", "share"), [(True, "34"), (False, "100")])
def test_the_balancers_that_get_clients_at_once_share_a_server(stack, at_once, share):
    class There(NullCloud):
        spreads_clients = at_once

    cloud = There(stack, "here")
    consul = ConsulServers(stack, "consul", clouds=[cloud])
    api = replace(API, max_connections=100)
    AutoScalingGroup(stack, "api", clouds=[cloud], service=api, discovery=consul)
    listener = Listener(port=9000, to=api)
    HAProxyNodes(stack, "edge", clouds=[cloud], discovery=consul, listeners=[listener], count=3)
    (spec,) = (
        asked
        for asked in cloud.asked
        if isinstance(asked, MachinesSpec) and asked.name == "test-edge"
    )
    assert maxconn(spec.document) == [share]


@pytest.mark.parametrize(("service", "there"), [(API, True), (FREE, False)])
def test_where_nobody_asks_for_figures_limits_alone_bring_the_program(stack, service, there):
    class Mute(NullCloud):
        needs_figures = False

    cloud = Mute(stack, "here")
    consul = ConsulServers(stack, "consul", clouds=[cloud])
    AutoScalingGroup(stack, "api", clouds=[cloud], service=service, discovery=consul)
    listener = Listener(port=9000, to=service)
    HAProxyNodes(stack, "edge", clouds=[cloud], discovery=consul, listeners=[listener])
    (spec,) = (
        asked
        for asked in cloud.asked
        if isinstance(asked, MachinesSpec) and asked.name == "test-edge"
    )
    units = [unit.name for unit in spec.document.units]
    assert ("crossgate-haproxy-figures.service" in units) is there


class Held(Loopback):
    """A server that greets each client and holds the connection until the client ends it."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0

    def answer(self, connection: socket.socket) -> None:
        connection.settimeout(30)
        # HAProxy's checks connect and go: who says nothing is none of the clients.
        if connection.recv(1):
            self.taken += 1
            connection.sendall(b"!")
            connection.recv(1)


@pytest.fixture
def server() -> Iterator[Held]:
    with Held() as held:
        yield held


class Client:
    """A client that has sent its first word."""

    def __init__(self, port: int) -> None:
        self.began = time.monotonic()
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._socket.sendall(b"?")

    def served(self, seconds: float = 2.0) -> bool:
        """Return whether it is greeted; False while it waits. Fails when it is sent away."""
        self._socket.settimeout(seconds)
        try:
            answer = self._socket.recv(1)
        except TimeoutError:
            return False
        if not answer:
            raise ConnectionResetError
        return True

    def says_no_more(self) -> None:
        """Close its own half of the connection."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def clients() -> Iterator[Callable[[int, int], list[Client]]]:
    made: list[Client] = []

    def connect(port: int, number: int) -> list[Client]:
        for _ in range(number):
            made.append(Client(port))
            time.sleep(0.05)
        return made[-number:]

    yield connect
    for client in made:
        client.close()


def seen(layout: Layout, listener: Listener) -> dict[str, int]:
    service_of = {f"api-{listener.port}": "api"}
    said = [ask(layout.socket, QUESTION), *old_workers(layout.master)]
    return added_up(figures(one, service_of) for one in said)["api"]


@contextlib.contextmanager
def looking(layout: Layout, listener: Listener, folder: Path) -> Iterator[Path]:
    """Run the program as a balancer does; what it tells comes into the file that is returned."""
    told, settings = folder / "told.json", folder / "settings.json"
    name = f"api-{listener.port}"
    hears = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read())"
    said = {
        "every": 1,
        "limits": {name: API.max_connections},
        "service_of": {name: "api"},
        "master": layout.master,
        "socket": layout.socket,
        "watch": [sys.executable, "-c", hears, str(told)],
    }
    settings.write_text(json.dumps(said))
    process = subprocess.Popen([sys.executable, haproxy_figures.__file__, settings])
    try:
        yield told
    finally:
        process.terminate()
        process.wait(10)


def limit(layout: Layout) -> str:
    """Return how many connections the newest process may send the server."""
    rows = csv.DictReader(ask(layout.socket, QUESTION).strip()[2:].splitlines())
    return next(row["slim"] for row in rows if row["svname"].startswith("port-"))


def until(true: Callable[[], bool], seconds: float = 5.0) -> bool:
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        # A master that reloads answers nobody for a moment.
        with contextlib.suppress(OSError):
            if true():
                return True
        time.sleep(0.05)
    return False


@pytest.fixture
def listening(running, free_port, server) -> Callable[..., Listener]:
    def listen(**said) -> Listener:
        listener = Listener(port=free_port(), to=API, **said)
        running([listener], {"api": [server.port]}).settled()
        return listener

    return listen


@pytest.mark.live
@pytest.mark.root
def test_who_is_too_many_waits_is_counted_and_is_served_when_one_ends(
    listening, clients, server, layout
):
    listener = listening()
    first, second, third, fourth = clients(listener.port, 4)
    assert first.served()
    assert second.served()
    assert not third.served(0.3)
    assert server.taken == 2
    assert seen(layout, listener) == {"connections": 4, "queue": 2}
    first.close()
    assert third.served()
    assert not fourth.served(0.3)
    assert seen(layout, listener) == {"connections": 3, "queue": 1}


@pytest.mark.live
@pytest.mark.root
def test_who_has_waited_too_long_is_sent_away(listening, clients, layout):
    listener = listening(queue=timedelta(seconds=1))
    *_, third = clients(listener.port, 3)
    with pytest.raises(ConnectionResetError):
        third.served(10)
    assert 0.9 < time.monotonic() - third.began < 3
    assert seen(layout, listener) == {"connections": 2, "queue": 0}


@pytest.mark.live
@pytest.mark.root
def test_who_goes_away_waits_no_longer(listening, clients, layout):
    listener = listening()
    *_, third = clients(listener.port, 3)
    assert seen(layout, listener)["queue"] == 1
    third.close()
    assert until(lambda: seen(layout, listener) == {"connections": 2, "queue": 0})


@pytest.mark.live
@pytest.mark.root
def test_who_says_it_has_no_more_to_say_waits_no_longer_either(listening, clients, layout):
    listener = listening()
    *_, third = clients(listener.port, 3)
    third.says_no_more()
    with pytest.raises(ConnectionResetError):
        third.served(5)


@pytest.mark.live
@pytest.mark.root
def test_after_a_reload_both_processes_are_counted_and_keep_to_one_limit(
    program: Path, layout: Layout, rendered, free_port, server, clients, tmp_path
):
    layout = replace(layout, master=str(Path(layout.chroot).with_name("master.sock")))
    listener = Listener(port=free_port(), to=API)
    ports = Ports(stats=free_port(), health=free_port())
    file = configuration([listener], layout=layout, ports=ports)
    Path(layout.live).write_text(rendered(file, {"api": [server.port]}), encoding="utf-8")
    process = subprocess.Popen(
        [program, "-W", "-S", layout.master, "-f", layout.live],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert until(lambda: Path(layout.socket).exists())
        first, second, third = clients(listener.port, 3)
        assert (first.served(), second.served(), third.served(0.3)) == (True, True, False)
        process.send_signal(signal.SIGUSR2)
        assert until(lambda: len(old_workers(layout.master)) == 1)
        time.sleep(1)
        assert seen(layout, listener) == {"connections": 3, "queue": 1}
        assert limit(layout) == "2", "the new process counts from none"
        with looking(layout, listener, tmp_path) as told:
            # It is told what the old one leaves, but one at least.
            assert until(lambda: limit(layout) == "1")
            fourth, fifth = clients(listener.port, 2)
            assert (fourth.served(), fifth.served(0.3)) == (True, False)
            assert server.taken == 3
            both = {"connections": 5, "queue": 2}
            assert until(lambda: json.loads(told.read_text())["services"] == {"api": both})
            first.close()
            assert third.served()
            for old in (second, third):
                old.close()
            assert until(lambda: not old_workers(layout.master), 20)
            assert until(lambda: limit(layout) == "2", 20)
            (sixth,) = clients(listener.port, 1)
            assert (fifth.served(), sixth.served(0.3)) == (True, False)
            assert server.taken == 5
    finally:
        process.terminate()
        process.wait(20)
