"""Servers that come and go while HAProxy runs: it is told, and not reloaded."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from crossgate.balancers.haproxy import programs
from crossgate.balancers.haproxy.programs import haproxy_servers
from crossgate.balancers.haproxy.programs.haproxy_servers import Configuration, Gone, Left, Refused
from crossgate.model.listener import Listener
from crossgate.model.route import Route
from crossgate.model.service import Service
from lab.daemon import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from crossgate.balancers.haproxy.settings import Layout
    from tests.balancers.haproxy.conftest import HAProxy

pytestmark = pytest.mark.root

API = Service(name="api", port=9190, command=["/usr/bin/api"])
WEB = Service(name="web", port=8080, protocol="http", command=["/usr/bin/web"])
PROGRAM = Path(programs.__file__).with_name("haproxy_servers.py")
DRAIN = 1000.0


class Echo:
    """A server that says its port, and then what it is told, until it is stopped."""

    def __init__(self) -> None:
        self.port = free_port()
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take nobody any more; who is connected stays so, and hears nothing."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            client.sendall(f"{self.port}\n".encode())
            while said := client.recv(100):
                client.sendall(said)


class Agent(Echo):
    """An agent that says `ready up` to whoever asks."""

    asked = 0

    def _answer(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            client.sendall(b"ready up 100%\n")
            self.asked += 1


@pytest.fixture
def echoes() -> Iterator[list[Echo]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Echo()) for _ in range(3)]


class Told:
    """A HAProxy, and the program that tells it of servers."""

    def __init__(self, haproxy: HAProxy, layout: Layout, listener: Listener) -> None:
        self.haproxy = haproxy
        self.asked = haproxy_servers.HAProxy(layout.socket)
        self.gone = Gone(self.asked, DRAIN)
        self.place = f"api-{listener.port}"
        self._left = f"{layout.live}.left"
        self._live = Path(layout.live)
        self._port = listener.port

    @property
    def live(self) -> Configuration:
        return Configuration.of(self._live.read_text(encoding="utf-8"))

    def change(self, *servers: int, service: str = "api", **others: Sequence[int]) -> None:
        """Have it lead to these; as the script does, which then puts the file in place."""
        text = self.haproxy.text({service: servers, **others})
        self.order(text)
        self.put(text)

    def order(self, text: str) -> None:
        """Have it lead to the servers of a file, which is not put in place."""
        haproxy_servers.change(self.asked, Left(self._left), self.live, Configuration.of(text))

    def put(self, text: str) -> None:
        self._live.write_text(text, encoding="utf-8")

    def keep(self) -> list[str]:
        """Have the other program look once."""
        lock = f"{self._live}.lock"
        Path(lock).touch()
        return haproxy_servers.kept(self.asked, self.gone, self._left, str(self._live), lock)

    def forget(self, now: float) -> None:
        self.gone.forget(Left(self._left), self.live, now=now)

    def names(self) -> set[str]:
        return {name for backend, name in self.asked.servers() if backend.startswith("api")}

    @contextlib.contextmanager
    def client(self) -> Iterator[tuple[socket.socket, int]]:
        """Connect; yield the connection and the port of the server that answered."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=5) as client:
            said = b""
            while not said.endswith(b"\n"):
                said += client.recv(1)
            yield client, int(said)

    def led_to(self, clients: int = 12) -> set[int]:
        found = set()
        for _ in range(clients):
            with self.client() as (_, port):
                found.add(port)
        return found


@pytest.fixture
def told(running: Callable[..., HAProxy], layout: Layout) -> Callable[..., Told]:
    """Return what starts a HAProxy with some servers of the API."""

    def start(*servers: int, **more: object) -> Told:
        listener = Listener(port=free_port(), to=API, **more)
        made = running([listener], {"api": servers})
        return Told(made, layout, listener)

    return start


def holds(client: socket.socket) -> bool:
    """Return whether a connection still goes both ways."""
    client.sendall(b"x")
    return client.recv(1) == b"x"


def until(true: Callable[[], bool], *, seconds: float = 10.0) -> None:
    last = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < last
        time.sleep(0.05)


def test_a_server_that_comes_has_clients_and_is_checked_without_a_reload(told, echoes):
    one, two, _ = echoes
    gateway = told(one.port)
    worker = gateway.haproxy.worker()

    gateway.change(one.port, two.port)

    assert gateway.led_to() == {one.port, two.port}
    two.stop()
    until(lambda: gateway.haproxy.states()[f"port-{two.port}"][0] == "DOWN")
    assert gateway.led_to() == {one.port}
    assert gateway.haproxy.worker() == worker


def test_a_server_that_goes_keeps_its_sessions_and_gets_nobody_new(told, echoes):
    one, two, _ = echoes
    gateway = told(one.port, two.port)
    with gateway.client() as (first, here), gateway.client() as (second, there):
        assert {here, there} == {one.port, two.port}
        going, staying = (first, second) if here == one.port else (second, first)

        gateway.change(two.port)
        gateway.forget(now=0)

        assert gateway.led_to() == {two.port}
        assert holds(going)
        assert holds(staying)


def test_it_is_forgotten_when_its_sessions_have_ended(told, echoes):
    one, two, _ = echoes
    gateway = told(one.port, two.port)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(gateway.client()) for _ in range(2)]
        gateway.change(two.port)
        gateway.forget(now=0)
        assert f"port-{one.port}" in gateway.names()
        assert all(holds(client) for client, _ in clients)

    def forgotten() -> bool:
        gateway.forget(now=1)
        return gateway.names() == {f"port-{two.port}"}

    until(forgotten)


def test_a_session_has_its_time_and_no_more(told, echoes):
    one, two, _ = echoes
    gateway = told(one.port)
    with gateway.client() as (client, _):
        gateway.change(two.port)
        gateway.forget(now=0)
        gateway.forget(now=DRAIN)
        assert holds(client)
        gateway.forget(now=DRAIN + 1)
        assert client.recv(1) == b""


def test_one_that_comes_back_is_led_to_again(told, echoes):
    one, two, _ = echoes
    gateway = told(one.port, two.port)
    with gateway.client() as (first, _), gateway.client() as (second, _):
        gateway.change(two.port)
        gateway.forget(now=0)
        gateway.change(one.port, two.port)
        assert gateway.led_to() == {one.port, two.port}
        assert holds(first)
        assert holds(second)


def test_sessions_of_one_that_fails_are_ended_as_for_those_of_the_file(told, echoes):
    one, two, three = echoes
    gateway = told(one.port)
    gateway.change(two.port, three.port)
    with gateway.client() as (client, there):
        next(echo for echo in (two, three) if echo.port == there).stop()
        assert client.recv(1) == b""


def test_after_a_reload_the_same_servers_are_there_and_who_was_down_is_down(
    told, echoes, layout, program
):
    one, two, three = echoes
    gateway = told(one.port)
    gateway.change(one.port, two.port, three.port)
    two.stop()
    until(lambda: gateway.haproxy.states()[f"port-{two.port}"][0] == "DOWN")
    worker = gateway.haproxy.worker()
    carried = PROGRAM.with_name("haproxy_process.py")
    places = [layout.socket, layout.states]

    subprocess.run([sys.executable, carried, "save", *places], check=True)
    gateway.haproxy.reload()
    subprocess.run([sys.executable, carried, "await", *places], check=True)

    assert gateway.haproxy.worker() != worker
    assert gateway.haproxy.states()[f"port-{two.port}"][0] == "DOWN"
    assert gateway.led_to() == {one.port, three.port}


def test_what_was_said_to_a_process_that_ended_is_made_good(told, echoes):
    one, two, _ = echoes
    gateway = told(one.port)
    gateway.put(gateway.haproxy.text({"api": [two.port]}))

    assert gateway.keep() == []

    assert gateway.led_to() == {two.port}


def test_who_drains_a_server_by_hand_is_let_be(told, echoes):
    one, two, _ = echoes
    gateway = told(one.port, two.port)
    gateway.asked.tell(f"set server {gateway.place}/port-{one.port} state drain")
    assert gateway.keep() == []
    assert gateway.led_to() == {two.port}


def test_who_was_taken_out_in_vain_comes_back(told, echoes):
    """The script may end between its orders and the file, or the reload after them fail."""
    one, two, _ = echoes
    gateway = told(one.port, two.port)
    gateway.order(gateway.haproxy.text({"api": [two.port]}))
    assert gateway.led_to() == {two.port}

    assert gateway.keep() == []

    assert gateway.led_to() == {one.port, two.port}
    gateway.asked.tell(f"set server {gateway.place}/port-{one.port} state drain")
    gateway.keep()
    gateway.keep()
    assert gateway.led_to() == {two.port}, "this was by hand"


def test_who_comes_back_before_it_is_forgotten_is_led_to_again(told, echoes):
    """A server may be held in maintenance until nothing uses it any more."""
    one, two, _ = echoes
    gateway = told(one.port, two.port)
    gateway.change(two.port)
    gateway.asked.tell(f"set server {gateway.place}/port-{one.port} state maint")
    gateway.change(one.port, two.port)
    assert gateway.led_to() == {one.port, two.port}


def test_who_comes_back_with_other_words_wants_a_reload(told, echoes):
    one, two, _ = echoes
    gateway = told(one.port, two.port)
    gateway.change(two.port)
    text = gateway.haproxy.text({"api": [one.port, two.port]})
    other = re.sub(rf"(port-{one.port} .*) fall 2", r"\1 fall 3", text)
    with pytest.raises(Refused, match=f"port-{one.port} has changed"):
        gateway.order(other)


def test_what_is_wrong_with_one_server_keeps_no_other_from_being_forgotten(told, echoes):
    one, two, _ = echoes
    gateway = told(one.port, two.port)
    gateway.change(two.port)
    gateway.asked.ask(f"set server {gateway.place}/port-{two.port} addr 127.0.0.2")

    assert gateway.keep() == [f"the server {gateway.place}/port-{two.port} has changed"]

    assert gateway.names() == {f"port-{two.port}"}


def test_without_haproxy_it_says_so_and_goes_on(told, echoes):
    gateway = told(echoes[0].port)
    gateway.haproxy.stop()
    (said,) = gateway.keep()
    assert "No such file" in said


def test_an_agent_that_is_ready_brings_nobody_back_who_has_left(running, layout, echoes):
    one, two, _ = echoes
    with Agent() as agent:
        service = Service(name="api", port=9190, command=["/usr/bin/api"], agent_port=agent.port)
        listener = Listener(port=free_port(), to=service)
        gateway = Told(running([listener], {"api": [one.port, two.port]}), layout, listener)
        until(lambda: agent.asked > 2)

        gateway.change(two.port)

        with gateway.client():  # as somebody else on the machine, whom the agent speaks for
            asked = agent.asked
            until(lambda: agent.asked > asked + 2)
            assert gateway.led_to() == {two.port}
            gateway.change(one.port, two.port)
            assert gateway.led_to() == {one.port, two.port}


@pytest.mark.parametrize(
    "words",
    [
        {"protocol": "http"},
        {"protocol": "grpc"},
        {"max_connections": 7},
        {"send_proxy": "v1"},
        {"send_proxy": "v2"},
        {"agent_port": 9999},
    ],
    ids=str,
)
def test_haproxy_takes_every_line_that_we_write(running, layout, words):
    service = Service(name="api", port=9190, command=["/usr/bin/api"], **words)
    mode = "http" if words.get("protocol") else "tcp"
    listener = Listener(port=free_port(), to=service, mode=mode)
    gateway = Told(running([listener], {"api": [20001]}), layout, listener)
    gateway.change(20002)
    assert f"port-{20002}" in gateway.names()


def test_what_a_server_may_hold_is_as_in_the_file(running, layout):
    service = Service(name="api", port=9190, command=["/usr/bin/api"], max_connections=7)
    listener = Listener(port=free_port(), to=service)
    gateway = Told(running([listener], {"api": [20001]}), layout, listener)
    gateway.change(20001, 20002)
    said = gateway.asked.ask("show stat -1 4 -1")
    limits = {line.split(",")[1]: line.split(",")[6] for line in said.splitlines()[1:]}
    assert limits["port-20001"] == limits["port-20002"] == "7"


def test_more_than_servers_is_refused(told, echoes):
    gateway = told(echoes[0].port)
    other = gateway.haproxy.text({"api": [echoes[1].port]}).replace("retries 3", "retries 2")
    with pytest.raises(Refused, match="more than servers"):
        gateway.order(other)


def test_who_is_back_does_not_drain_after_a_reload_for_more_than_servers(told, echoes):
    one, two, _ = echoes
    gateway = told(one.port, two.port)
    gateway.change(two.port)
    other = gateway.haproxy.text({"api": [one.port, two.port]}).replace("retries 3", "retries 2")
    with pytest.raises(Refused):
        gateway.order(other)
    assert not any(state.out for state in gateway.asked.servers().values())


def test_another_address_under_the_same_name_is_refused(told, echoes):
    one, two, _ = echoes
    gateway = told(one.port)
    other = gateway.haproxy.text({"api": [one.port]}).replace(f":{one.port} ", f":{two.port} ")
    with pytest.raises(Refused, match=f"port-{one.port} has changed"):
        gateway.order(other)


def test_servers_that_a_cookie_leads_to_are_changed_by_a_reload(running, layout):
    """Who has the cookie of one that drains would still be led there."""
    listener = Listener(port=free_port(), to=WEB, mode="http", sticky=True)
    gateway = Told(running([listener], {"web": [20001]}), layout, listener)
    with pytest.raises(Refused, match="more than servers"):
        gateway.change(20002, service="web")


def test_of_several_services_only_those_of_the_one_change(running, layout):
    api = Service(name="api", port=9190, protocol="http", command=["/usr/bin/api"])
    routed = Route(to=api, path="/api")
    listener = Listener(port=free_port(), to=WEB, mode="http", routes=[routed])
    gateway = Told(running([listener], {"web": [20001], "api": [20001]}), layout, listener)
    gateway.change(20002, web=[20001])
    gateway.forget(now=0)
    assert gateway.names() == {"port-20002"}
    assert len(gateway.asked.servers()) == len(["own", "web", "api"])


def test_ten_thousand_changes_take_no_memory_and_no_process(told):
    """Three servers at a time, each of which goes again."""
    gateway = told(20000)
    worker = gateway.haproxy.worker()
    before = 0
    for number in range(1, 10_001):
        gateway.change(*(20000 + (number + n) % 5000 for n in range(3)))
        gateway.forget(now=0)
        if number == 1000:  # it has what it needs for three servers and those that go
            before = memory(worker)
    assert gateway.haproxy.worker() == worker
    assert memory(worker) < 1.1 * before
    assert len(gateway.names()) == 3


def memory(process: int) -> int:
    """Return the kilobytes that a process holds."""
    said = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in said.splitlines() if line.startswith("VmRSS:"))


# What stands in a file, and where: nothing of it needs HAProxy.

FILE = """\
# A comment.
global
    log /dev/log local0

backend api-9000
    option tcp-check
    server a 10.0.0.1:9190 tcp-ut 400ms check
    server b 10.0.0.2:9190 tcp-ut 400ms check

backend web-80
    cookie x insert dynamic
    server a 10.0.0.1:80 check

backend elsewhere_api-9000 from elsewhere
    server other-1 198.51.100.1:19000

backend more-1
    default-server inter 1s
    server c 10.0.0.3:1 check
"""


def test_only_servers_that_say_all_of_themselves_may_change():
    found = Configuration.of(FILE)
    assert found.backends == {"api-9000"}
    assert found.servers.keys() == {("api-9000", "a"), ("api-9000", "b")}
    assert "    server other-1 198.51.100.1:19000" in found.else_
    assert "    server c 10.0.0.3:1 check" in found.else_


def test_nothing_of_a_file_is_lost():
    found = Configuration.of(FILE)
    assert len(found.else_) + len(found.servers) == len(FILE.splitlines())


def test_the_program_says_that_a_reload_is_needed_where_haproxy_does_not_answer(tmp_path):
    (tmp_path / "live").write_text(FILE, encoding="utf-8")
    command = [sys.executable, PROGRAM, "change", tmp_path / "none.sock", tmp_path / "left"]
    done = subprocess.run(
        [*command, tmp_path / "live", tmp_path / "live"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 3
    assert "a reload, for" in done.stdout
