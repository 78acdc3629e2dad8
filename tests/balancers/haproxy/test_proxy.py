"""The PROXY protocol, in and out, at a real HAProxy and in what is asked of the clouds."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossgate import (
    ANYWHERE,
    AutoScalingGroup,
    ConfigError,
    ConsulServers,
    HAProxyNodes,
    NullCloud,
    PolicyError,
)
from crossgate.balancers.haproxy.config import configuration
from crossgate.discovery.consul.registration import check
from crossgate.model.check import Check, GrpcCheck, HttpCheck, TcpCheck, ThriftCheck
from crossgate.model.listener import Listener
from crossgate.model.service import Service
from crossgate.model.text import Text
from crossgate.specs import EntrySpec, ServerLines
from tests.balancers.haproxy.conftest import HAProxy
from tests.balancers.haproxy.examples import Loopback, all_named, refused

if TYPE_CHECKING:
    from crossgate.balancers.haproxy.settings import Layout

WEB = Service(name="web", port=8080, protocol="http", command=["/usr/bin/web"], check=TcpCheck())
CHECKS = [TcpCheck(), HttpCheck(), ThriftCheck(), GrpcCheck()]
CLIENT = "203.0.113.7"
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def header(source: str, port: int = 40000) -> bytes:
    """Return a header of version 2, as the entries write it (PROXY, TCP over IPv4)."""
    addresses = ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address("192.0.2.1").packed
    return (
        _SIGNATURE + b"\x21\x11" + struct.pack(">H", 12) + addresses + struct.pack(">HH", port, 1)
    )


LOCAL = _SIGNATURE + b"\x20\x00\0\0"
"""What a load balancer's own question begins with."""


def text_of(*listeners: Listener) -> str:
    pieces = configuration(listeners).pieces
    return "".join(str(piece) if isinstance(piece, Text) else piece.line for piece in pieces)


@pytest.mark.root
def test_haproxy_accepts_the_file_without_a_warning(
    program: Path, layout: Layout, rendered: Callable, tmp_path: Path
) -> None:
    listeners = [Listener(port=9000, to=WEB, accept_proxy=True, mode="http")]
    for version in ("v1", "v2"):
        for one in CHECKS:
            number = len(listeners)
            to = replace(WEB, name=f"s{number}", check=one, send_proxy=version)
            listeners.append(Listener(port=9000 + number, to=to, accept_proxy=number % 2 == 0))
    servers = {each.to.name: [20001, 20002] for each in listeners}
    config = tmp_path / "haproxy.cfg"
    config.write_text(rendered(configuration(listeners, layout=layout), servers), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as held:
        assert refused(program, config, held={9000: held}) == ""


def test_without_a_word_nothing_is_said_of_it() -> None:
    text = text_of(Listener(port=9000, to=WEB))
    assert not [word for word in ("accept-proxy", "send-proxy", "health-proxied") if word in text]


class Wanting(Loopback):
    """Answers HTTP and Thrift, but only who begins with a header of the PROXY protocol."""

    def __init__(self) -> None:
        super().__init__()
        self.clients: list[str] = []
        self.forwarded: list[str] = []

    def answer(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as said:
            first = said.read(6)
            if first == b"PROXY ":
                client = said.readline().split()[1].decode()
            elif first == _SIGNATURE[:6]:
                command, _, length = struct.unpack(">xxxxxxBBH", said.read(10))
                rest = said.read(length)
                client = str(ipaddress.IPv4Address(rest[:4])) if command & 1 else "local"
            else:
                return
            if said.peek(2)[:2] == b"\x80\x01":
                # A Thrift call: its reply has the name too.
                call = said.read1()
                connection.sendall(call[:3] + b"\x02" + call[4:])
                return
            lines = []
            while (line := said.readline()) != b"\r\n":
                if not line:
                    return
                lines.append(line)
            self.clients.append(client)
            for line in lines:
                if line.lower().startswith(b"x-forwarded-for:"):
                    self.forwarded.append(line.split(b":")[1].strip().decode())
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@pytest.fixture
def server() -> Iterator[Wanting]:
    with Wanting() as made:
        yield made


def asked(port: int, begin: bytes, path: str = "/") -> bytes:
    """Return what is answered to a request that comes after `begin`."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
        connection.sendall(begin + request)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(4096):
                answer += part
        return answer


@pytest.mark.live
@pytest.mark.root
@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("mode", ["tcp", "http"])
def test_the_clients_address_goes_through_the_balancer(
    running: Callable, free_port: Callable[[], int], server: Wanting, version: str, mode: str
) -> None:
    port = free_port()
    to = replace(WEB, send_proxy=version, check=HttpCheck())
    haproxy = running(
        [Listener(port=port, mode=mode, to=to, accept_proxy=True)], {"web": [server.port]}
    )
    assert haproxy.settled(*all_named([server.port], "_")) == all_named([server.port], ["UP"])
    assert asked(port, header(CLIENT)).startswith(b"HTTP/1.1 200")
    assert CLIENT in server.clients
    assert server.forwarded == ([CLIENT] if mode == "http" else [])


@pytest.mark.live
@pytest.mark.root
def test_who_writes_no_header_is_not_served(
    running: Callable, free_port: Callable[[], int], server: Wanting
) -> None:
    port = free_port()
    to = replace(WEB, send_proxy="v2")
    running([Listener(port=port, to=to, accept_proxy=True)], {"web": [server.port]})
    assert asked(port, b"") == b""
    assert asked(port, header(CLIENT)).startswith(b"HTTP/1.1 200")


@pytest.mark.live
@pytest.mark.root
@pytest.mark.parametrize("given", [HttpCheck(), ThriftCheck()], ids=lambda one: one.type)
def test_checks_begin_with_the_header_that_the_service_wants(
    running: Callable, free_port: Callable[[], int], server: Wanting, given: Check
) -> None:
    listeners = [
        Listener(port=free_port(), to=replace(WEB, name=name, check=given, send_proxy=version))
        for name, version in (("v1", "v1"), ("v2", "v2"), ("none", None))
    ]
    haproxy = running(listeners, {each.to.name: [server.port] for each in listeners})
    haproxy.settled()
    assert [state for _, (state, _) in haproxy.backends().items()] == ["UP", "UP", "DOWN"]


@pytest.mark.live
@pytest.mark.root
def test_an_entry_is_answered_with_a_header_and_without_on_ports_of_their_own(
    program: Path, layout: Layout, free_port: Callable[[], int], server: Wanting
) -> None:
    listener = Listener(port=free_port(), to=WEB, accept_proxy=True)
    with HAProxy(program, layout, [listener], {"web": [server.port]}) as haproxy:
        for port, begin, well in (
            (haproxy.proxied_health_port, LOCAL, True),
            (haproxy.proxied_health_port, header("10.0.0.1"), True),
            (haproxy.proxied_health_port, b"", False),
            (haproxy.health_port, b"", True),
        ):
            answer = asked(port, begin, "/healthz")
            assert answer.startswith(b"HTTP/1.1 200") is well, answer


@pytest.mark.parametrize("given", CHECKS, ids=lambda one: one.type)
def test_consul_only_connects_where_a_header_is_wanted(given: Check) -> None:
    found = check(replace(WEB, check=given, send_proxy="v2"))
    assert found["tcp"] == "127.0.0.1:8080"
    assert not {"http", "grpc"} & set(found)
    assert "Consul does not write" in str(found["notes"])


def edge(stack, cloud: NullCloud, *listeners: Listener) -> HAProxyNodes:
    consul = ConsulServers(stack, "consul", clouds=[cloud])
    AutoScalingGroup(stack, "web", clouds=[cloud], service=WEB, discovery=consul)
    return HAProxyNodes(stack, "edge", clouds=[cloud], discovery=consul, listeners=listeners)


def test_one_word_tells_the_entry_too(stack) -> None:
    cloud = NullCloud(stack, "here")
    edge(stack, cloud, Listener(port=9000, to=WEB, accept_proxy=True), Listener(port=9001, to=WEB))
    (spec,) = (asked for asked in cloud.asked if isinstance(asked, EntrySpec))
    assert (list(spec.proxied), spec.proxied_health_port, spec.health_port) == ([9000], 8408, 8405)


def test_without_it_the_entry_hears_nothing_and_the_port_is_free(stack) -> None:
    cloud = NullCloud(stack, "here")
    edge(stack, cloud, Listener(port=8408, to=WEB))
    (spec,) = (asked for asked in cloud.asked if isinstance(asked, EntrySpec))
    assert (list(spec.proxied), spec.proxied_health_port) == ([], None)


def test_fails_where_the_question_of_the_entry_has_the_port(stack) -> None:
    listeners = [Listener(port=9000, to=WEB, accept_proxy=True), Listener(port=8408, to=WEB)]
    with pytest.raises(ConfigError, match=r"the port is taken by the balancer itself\n.*8408"):
        edge(stack, NullCloud(stack, "here"), *listeners)


def test_the_question_of_the_entry_is_never_open_to_the_world(stack) -> None:
    made = edge(stack, NullCloud(stack, "here"), Listener(port=9000, to=WEB, accept_proxy=True))
    with pytest.raises(PolicyError):
        made.connections.allow_from(ANYWHERE, port=8408)


def test_every_server_line_of_a_service_says_its_version() -> None:
    for version, words in (("v1", " send-proxy\n"), ("v2", " send-proxy-v2\n")):
        pieces = configuration([Listener(port=1, to=replace(WEB, send_proxy=version))]).pieces
        assert [p.line.endswith(words) for p in pieces if isinstance(p, ServerLines)] == [True]
