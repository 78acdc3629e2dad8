"""How many clients a listener takes, in all and from each address, as a real HAProxy counts."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossgate import AutoScalingGroup, ConsulServers, HAProxyNodes, NullCloud
from crossgate.balancers.haproxy.config import configuration
from crossgate.errors import ConfigError
from crossgate.model.listener import Listener
from crossgate.model.service import Service
from crossgate.model.text import Text
from crossgate.specs import EntrySpec
from tests.balancers.haproxy.examples import Loopback, refused
from tests.balancers.haproxy.test_proxy import header
from tests.clouds.openstack.ids import by_ids, entry_spec

if TYPE_CHECKING:
    from crossgate.balancers.haproxy.settings import Layout

API = Service(name="api", port=9190, command=["/usr/bin/api"])
WEB = Service(name="web", port=8080, protocol="http", command=["/usr/bin/web"])


def text_of(listener: Listener, **said: int) -> str:
    pieces = configuration([listener], **said).pieces
    return "".join(str(piece) for piece in pieces if isinstance(piece, Text))


@pytest.mark.root
@pytest.mark.parametrize("proxied", [{}, {"accept_proxy": True}])
@pytest.mark.parametrize("mode", ["tcp", "http"])
def test_haproxy_accepts_the_file_without_a_warning(
    program: Path, layout: Layout, rendered: Callable, tmp_path: Path, mode: str, proxied: dict
) -> None:
    limits = [{"max_connections": 1}, {"per_source": 5}, {"rate": 5}, {"per_source": 1, "rate": 1}]
    listeners = [
        Listener(port=9000 + n, to=WEB, mode=mode, **proxied, **one) for n, one in enumerate(limits)
    ]
    config = tmp_path / "haproxy.cfg"
    made = rendered(configuration(listeners, layout=layout), {"web": [20001]})
    config.write_text(made, encoding="utf-8")
    assert refused(program, config) == ""


def test_without_a_limit_nothing_is_counted() -> None:
    text = text_of(Listener(port=9000, to=API))
    assert not [word for word in ("stick-table", "tcp-request", "maxconn ") if word in text]


@pytest.mark.parametrize(("most", "balancers", "part"), [(100, 1, 100), (100, 3, 34), (1, 2, 1)])
def test_each_balancer_keeps_to_its_part(most: int, balancers: int, part: int) -> None:
    text = text_of(Listener(port=9000, to=API, max_connections=most), balancers=balancers)
    assert f"    maxconn {part}\n" in text


@pytest.mark.parametrize(
    "wrong", [{"max_connections": 0}, {"per_source": 0}, {"rate": 0}, {"rate": 1.5}]
)
def test_fails_on_a_limit_that_lets_nobody_in(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"Listener: {next(iter(wrong))}"):
        Listener(port=9000, to=API, **wrong)


def test_a_cloud_is_told_where_clients_are_counted(stack) -> None:
    cloud = NullCloud(stack, "here")
    consul = ConsulServers(stack, "consul", clouds=[cloud])
    AutoScalingGroup(stack, "api", clouds=[cloud], service=API, discovery=consul)
    listeners = [
        Listener(port=9000, to=API),
        Listener(port=9001, to=API, per_source=5),
        Listener(port=9002, to=API, rate=5),
        Listener(port=9003, to=API, max_connections=5),
    ]
    HAProxyNodes(stack, "edge", clouds=[cloud], discovery=consul, listeners=listeners)
    (spec,) = (asked for asked in cloud.asked if isinstance(asked, EntrySpec))
    assert list(spec.by_source) == [9001, 9002]


def test_behind_octavia_clients_are_counted_with_the_proxy_protocol_alone(stack) -> None:
    cloud = by_ids(stack)
    spec = entry_spec(cloud, stack, by_source=(9000, 9001), proxied=(9001,))
    (refusal,) = cloud.refusals(spec)
    assert "on port 9000 all clients have its own address" in str(refusal)
    assert "accept_proxy=True" in str(refusal)


class Echo(Loopback):
    """A server that says back what it hears."""

    def answer(self, connection: socket.socket) -> None:
        connection.settimeout(30)
        while heard := connection.recv(64):
            connection.sendall(heard)


@pytest.fixture
def server() -> Iterator[Echo]:
    with Echo() as made:
        yield made


class Clients:
    """Clients of one port, from any address of the loopback network."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._made: list[socket.socket] = []

    def come(self, source: str = "127.0.0.1", begin: bytes = b"") -> socket.socket:
        made = socket.socket()
        self._made.append(made)
        made.settimeout(5)
        made.bind((source, 0))
        # Who is sent away may learn it at once.
        with contextlib.suppress(OSError):
            made.connect(("127.0.0.1", self._port))
            made.sendall(begin + b"x")
        return made

    def close(self) -> None:
        for one in self._made:
            one.close()


def served(client: socket.socket, seconds: float = 2.0) -> bool | None:
    """Return whether a client is answered; False when it is sent away, None while it waits."""
    client.settimeout(seconds)
    try:
        return client.recv(1) == b"x"
    except TimeoutError:
        return None
    except OSError:
        return False


@contextlib.contextmanager
def clients(port: int) -> Iterator[Clients]:
    made = Clients(port)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.live
@pytest.mark.root
def test_one_address_has_so_many_connections_and_others_have_theirs(
    running: Callable, free_port: Callable[[], int], server: Echo
) -> None:
    port = free_port()
    running([Listener(port=port, to=API, per_source=3)], {"api": [server.port]})
    with clients(port) as those:
        first = [those.come("127.0.0.2") for _ in range(3)]
        assert [served(one) for one in first] == [True] * 3
        assert served(those.come("127.0.0.2")) is False
        assert served(those.come("127.0.0.3")) is True
        first[0].close()
        time.sleep(0.3)
        assert served(those.come("127.0.0.2")) is True
        assert served(those.come("127.0.0.2")) is False


@pytest.mark.live
@pytest.mark.root
def test_one_address_opens_so_many_in_ten_seconds_and_is_let_in_again(
    running: Callable, free_port: Callable[[], int], server: Echo
) -> None:
    port = free_port()
    running([Listener(port=port, to=API, rate=1)], {"api": [server.port]})

    def come(those: Clients, source: str) -> bool | None:
        with those.come(source) as client:
            return served(client)

    with clients(port) as those:
        assert [come(those, "127.0.0.2") for _ in range(12)] == [True] * 10 + [False] * 2
        assert come(those, "127.0.0.3") is True
        time.sleep(12)
        assert come(those, "127.0.0.2") is True


@pytest.mark.live
@pytest.mark.root
@pytest.mark.parametrize("limit", [{"per_source": 2}, {"rate": 1}])
def test_behind_an_entry_the_client_in_the_header_counts(
    running: Callable, free_port: Callable[[], int], server: Echo, limit: dict[str, int]
) -> None:
    port, most = free_port(), limit.get("per_source", 10)
    listener = Listener(port=port, to=API, accept_proxy=True, **limit)
    running([listener], {"api": [server.port]})
    one, other = header("203.0.113.7"), header("203.0.113.8")
    with clients(port) as those:
        assert [served(those.come(begin=one)) for _ in range(most)] == [True] * most
        assert served(those.come(begin=one)) is False
        assert served(those.come(begin=other)) is True


@pytest.mark.live
@pytest.mark.root
def test_a_full_listener_lets_clients_wait_until_somebody_leaves(
    running: Callable, free_port: Callable[[], int], server: Echo
) -> None:
    port = free_port()
    running([Listener(port=port, to=API, max_connections=2)], {"api": [server.port]})
    with clients(port) as those:
        first = [those.come() for _ in range(2)]
        assert [served(one) for one in first] == [True, True]
        began = time.monotonic()
        waiting = [those.come() for _ in range(6)]
        assert time.monotonic() - began < 1, "the system takes them at once"
        assert [served(one, 0.3) for one in waiting] == [None] * 6
        first[0].close()
        assert served(waiting[0]) is True
        assert [served(one, 0.3) for one in waiting[1:]] == [None] * 5
