"""A new version that takes a part of the traffic, as a real HAProxy parts it."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crossgate import (
    AutoScalingGroup,
    ConfigError,
    ConsulServers,
    Gateway,
    HAProxyNodes,
    Listener,
    NullCloud,
    Release,
    Route,
    Service,
    SynthesisError,
    TcpCheck,
)
from crossgate.balancers.haproxy.config import configuration
from crossgate.balancers.haproxy.listening import limits
from crossgate.specs import EntrySpec
from tests.balancers.haproxy.examples import Loopback, refused
from tests.balancers.haproxy.test_proxy import header

if TYPE_CHECKING:
    from crossgate.balancers.haproxy.settings import Layout

API = Service(name="api", port=9190, protocol="http", command=["/usr/bin/x"], check=TcpCheck())
NEXT = replace(API, name="api-next")
CALLS = 400
FEW, MANY = 60, 140
"""A quarter of the calls is a hundred, and within these bounds all but once in 100,000 times."""


class Named(Loopback):
    """Says its name, in HTTP too, and ends the connection."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._said = f"HTTP/1.1 200 OK\r\nContent-Length: {len(name)}\r\n\r\n{name}".encode()

    def answer(self, connection: socket.socket) -> None:
        if connection.recv(1024):
            connection.sendall(self._said)


@pytest.fixture
def servers() -> Iterator[dict[str, list[int]]]:
    with ExitStack() as stack:
        named = {one.name: stack.enter_context(Named(one.name)) for one in (API, NEXT)}
        yield {name: [server.port] for name, server in named.items()}


def who(port: int, begin: bytes = b"") -> str:
    """Return which version answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(begin + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = b""
        while part := connection.recv(1024):
            answer += part
    return answer.rpartition(b"\r\n")[2].decode()


@pytest.mark.root
@pytest.mark.parametrize("mode", ["tcp", "http"])
@pytest.mark.parametrize("by", ["connection", "client"])
@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_haproxy_accepts_the_file_without_a_warning(
    program: Path,
    layout: Layout,
    rendered: Callable,
    tmp_path: Path,
    mode: str,
    by: str,
    share: float,
) -> None:
    listener = Listener(port=9000, mode=mode, to=API, release=Release(to=NEXT, share=share, by=by))
    config = tmp_path / "haproxy.cfg"
    file = configuration([listener], layout=layout)
    config.write_text(rendered(file, {"api": [20001], "api-next": []}), encoding="utf-8")
    assert refused(program, config) == ""


@pytest.mark.live
@pytest.mark.root
@pytest.mark.parametrize("mode", ["tcp", "http"])
def test_a_new_version_has_its_part_of_the_connections(
    running: Callable, free_port: Callable[[], int], servers: dict[str, list[int]], mode: str
) -> None:
    release = Release(to=NEXT, share=0.25)
    port = free_port()
    running([Listener(port=port, mode=mode, to=API, release=release)], servers).settled()
    found = Counter(who(port) for _ in range(CALLS))
    assert found.total() == CALLS
    assert FEW < found["api-next"] < MANY


@pytest.mark.live
@pytest.mark.root
def test_a_client_always_meets_the_same_version(
    running: Callable, free_port: Callable[[], int], servers: dict[str, list[int]]
) -> None:
    release = Release(to=NEXT, share=0.25, by="client")
    port = free_port()
    running([Listener(port=port, to=API, release=release, accept_proxy=True)], servers).settled()
    clients = [f"198.51.{number // 250}.{number % 250}" for number in range(CALLS)]
    first = {client: who(port, header(client)) for client in clients}
    assert FEW < list(first.values()).count("api-next") < MANY
    assert {client: who(port, header(client, 50000)) for client in clients} == first


@pytest.mark.live
@pytest.mark.root
def test_a_release_parts_what_no_route_matches(
    running: Callable, free_port: Callable[[], int], servers: dict[str, list[int]]
) -> None:
    port = free_port()
    listener = Listener(
        port=port,
        mode="http",
        to=API,
        routes=[Route(host="a", to=API)],
        release=Release(to=NEXT, share=0.999),
    )
    running([listener], servers).settled()
    assert {who(port) for _ in range(20)} == {"api"}


def test_each_version_has_its_own_limit() -> None:
    release = Release(to=replace(NEXT, max_connections=10), share=0.1)
    listener = Listener(port=9000, to=replace(API, max_connections=50), release=release)
    assert limits([listener], 2) == {"api-9000": 25, "api-next-9000": 5}


@pytest.mark.live
@pytest.mark.root
def test_where_no_machine_of_the_new_version_works_the_one_before_has_all(
    running: Callable, free_port: Callable[[], int], servers: dict[str, list[int]]
) -> None:
    release = Release(to=NEXT, share=0.999)
    port = free_port()
    down = {**servers, "api-next": [free_port()]}
    running([Listener(port=port, to=API, release=release)], down).settled()
    assert {who(port) for _ in range(20)} == {"api"}


def test_the_balancers_reach_both_versions(stack) -> None:
    cloud = NullCloud(stack, "here")
    consul = ConsulServers(stack, "consul", clouds=[cloud])
    listener = Listener(port=9000, to=API, release=Release(to=NEXT, share=0.1, by="client"))
    edge = HAProxyNodes(stack, "edge", clouds=[cloud], discovery=consul, listeners=[listener])
    for each in (API, NEXT):
        group = AutoScalingGroup(stack, each.name, clouds=[cloud], service=each, discovery=consul)
        peers = [rule.peer for rule in group.connections.firewalls[cloud].ingress]
        assert edge.connections.firewalls[cloud] in peers
    (spec,) = (asked for asked in cloud.asked if isinstance(asked, EntrySpec))
    assert list(spec.by_source) == [9000]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Release(to=NEXT, share=0.0), "Release: share"),
        (lambda: Release(to=NEXT, share=1.0), "Release: share"),
        (lambda: Release(to=NEXT, share=0.1, by="user"), "Release: by"),
        (
            lambda: Listener(port=1, to=API, release=Release(to=API, share=0.1)),
            "Listener(1): release: the new version is the one before\n  got:  'api'",
        ),
        (
            lambda: Listener(
                port=1, to=API, release=Release(to=replace(NEXT, protocol="tcp"), share=0.1)
            ),
            "Listener(1): release: the new version speaks another protocol",
        ),
        (
            lambda: Listener(
                port=1, to=API, release=Release(to=replace(API, port=9191), share=0.1)
            ),
            "two of its services have one name",
        ),
    ],
)
def test_fails_with_the_place_and_the_way_out(make: Callable[[], object], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert says in str(caught.value)


def written(tmp_path: Path, to: str) -> Path:
    service = {"port": 9190, "image": "registry.example.org/api:1"}
    cloud = {"type": "aws", "region": "eu-west-1", "zones": ["eu-west-1a", "eu-west-1b"]}
    said: dict[str, Any] = {
        "clouds": {"here": cloud},
        "services": [{"name": name, **service} for name in ("api", "api-next")],
        "listeners": [{"port": 9000, "to": "api", "release": {"to": to, "share": 0.05}}],
    }
    file = tmp_path / "gateway.json"
    file.write_text(json.dumps(said), encoding="utf-8")
    return file


def test_a_gateway_file_names_the_new_version(stack, tmp_path: Path) -> None:
    (listener,) = Gateway.from_file(stack, "gw", written(tmp_path, "api-next")).edge.listeners
    assert listener.release == Release(to=listener.release.to, share=0.05)
    assert listener.release.to.name == "api-next"


def test_a_gateway_file_that_names_a_version_that_nobody_runs_is_refused(
    stack, tmp_path: Path
) -> None:
    with pytest.raises((ConfigError, SynthesisError)) as caught:
        Gateway.from_file(stack, "gw", written(tmp_path, "api-2"))
    assert "listeners[0].release.to: leads to a service that nobody runs" in str(caught.value)
