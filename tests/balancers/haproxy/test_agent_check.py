"""A service that says itself how it is, to a real HAProxy."""

from __future__ import annotations

import csv
import io
import socket
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from crossgate import AutoScalingGroup, ConsulServers, HAProxyNodes, NullCloud
from crossgate.balancers.haproxy.config import configuration
from crossgate.errors import ConfigError
from crossgate.model.listener import Listener
from crossgate.model.net import Ports
from crossgate.model.service import Service
from crossgate.specs import ServerLines
from tests.balancers.haproxy.examples import Loopback

if TYPE_CHECKING:
    from crossgate.balancers.haproxy.settings import Layout

API = Service(name="api", port=9190, command=["/usr/bin/api"], agent_port=9191)


def test_a_server_with_an_agent_is_asked_once_a_second() -> None:
    pieces = configuration([Listener(port=9000, to=API)]).pieces
    (line,) = (piece.line for piece in pieces if isinstance(piece, ServerLines))
    assert line.endswith(" weight 100 agent-check agent-port 9191 agent-inter 1000ms\n")


def test_fails_where_clients_and_the_agent_have_one_port() -> None:
    with pytest.raises(ConfigError) as caught:
        Service(name="api", port=9190, command=["/usr/bin/api"], agent_port=9190)
    assert str(caught.value) == (
        "Service('api'): agent_port: the port of the service's clients says how the service is\n"
        "  got:  9190\n"
        "  want: another port, on which nothing else is said"
    )


@pytest.mark.parametrize("port", [22, 8500, 8301])
def test_fails_where_the_machine_has_the_agents_port(stack, port) -> None:
    cloud = NullCloud(stack, "here")
    consul = ConsulServers(stack, "consul", clouds=[cloud])
    taken = Service(name="api", port=9190, command=["/usr/bin/api"], agent_port=port)
    with pytest.raises(ConfigError, match=f"the agent's port is taken on the machine\n.*{port}"):
        AutoScalingGroup(stack, "api", clouds=[cloud], service=taken, discovery=consul)


@pytest.mark.parametrize("balancers_first", [True, False])
def test_the_port_is_open_to_the_balancers_of_the_service_alone(stack, balancers_first) -> None:
    cloud = NullCloud(stack, "here")
    consul = ConsulServers(stack, "consul", clouds=[cloud])

    def balance() -> HAProxyNodes:
        listener = Listener(port=9000, to=API)
        return HAProxyNodes(stack, "edge", clouds=[cloud], discovery=consul, listeners=[listener])

    edge = balance() if balancers_first else None
    group = AutoScalingGroup(stack, "api", clouds=[cloud], service=API, discovery=consul)
    edge = edge or balance()
    there = Ports(first=9191, last=9191)
    rules = [rule for rule in group.connections.firewalls[cloud].ingress if rule.ports == there]
    assert [rule.peer for rule in rules] == [edge.connections.firewalls[cloud]]


class Agent(Loopback):
    """Says one line to whoever connects."""

    def __init__(self) -> None:
        super().__init__()
        self.says = "up"
        self.asked = 0

    def answer(self, connection: socket.socket) -> None:
        self.asked += 1
        connection.sendall(f"{self.says}\n".encode())


@pytest.fixture
def agent() -> Iterator[Agent]:
    with Agent() as made:
        yield made


def seen(layout: Layout, figure: str) -> str:
    """Return what HAProxy shows of the only server."""
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(layout.socket)
        asked.sendall(b"show stat -1 4 -1\n")
        with asked.makefile() as answer:
            rows = csv.DictReader(io.StringIO(answer.read()[2:]))
            (row,) = (row for row in rows if row["pxname"] != "machine")
            return row[figure]


def becomes(layout: Layout, figure: str, wanted: str) -> bool:
    last = time.monotonic() + 5
    while time.monotonic() < last:
        if seen(layout, figure) == wanted:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.live
@pytest.mark.root
def test_a_service_chooses_its_weight_drains_and_comes_back(
    running: Callable, layout: Layout, free_port: Callable[[], int], agent: Agent
) -> None:
    opened = free_port()
    api = Service(name="api", port=opened, command=["/usr/bin/api"], agent_port=agent.port)
    with socket.create_server(("127.0.0.1", opened), backlog=512):
        running([Listener(port=free_port(), to=api)], {"api": [opened]})
        # 100 is a whole server's, so that a part of it may be said by the hundredth.
        assert becomes(layout, "weight", "100")
        for says, figure, wanted in (
            ("25%", "weight", "25"),
            ("drain", "status", "DRAIN (agent)"),
            ("ready 100%", "status", "UP"),
            ("down", "status", "DOWN (agent)"),
            ("up", "status", "UP"),
        ):
            agent.says = says
            assert becomes(layout, figure, wanted), (says, seen(layout, figure))
        before = agent.asked
        time.sleep(3)
        assert 2 <= agent.asked - before <= 4


@pytest.mark.live
@pytest.mark.root
def test_an_agent_that_is_not_there_changes_nothing(
    running: Callable, layout: Layout, free_port: Callable[[], int]
) -> None:
    opened, closed = free_port(), free_port()
    api = Service(name="api", port=opened, command=["/usr/bin/api"], agent_port=closed)
    with socket.create_server(("127.0.0.1", opened), backlog=512):
        haproxy = running([Listener(port=free_port(), to=api)], {"api": [opened]})
        assert haproxy.settled(f"port-{opened}") == {f"port-{opened}": "UP"}
