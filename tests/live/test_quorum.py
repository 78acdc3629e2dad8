"""Two of three servers of Consul are lost, on real machines; the one that is left goes on."""

from __future__ import annotations

import base64
import contextlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossgate.discovery.consul.acl import MANAGEMENT_TOKEN, Gossip
from crossgate.discovery.consul.agent import server_document
from crossgate.model.text import Reference, Text
from crossgate.specs import Addresses
from tests.discovery.consul.authority import SERVER, known
from tests.live.machine import Machine, until
from tools import toolbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.machine import Network

pytestmark = [pytest.mark.live, pytest.mark.root]

SERVERS = ("10.71.0.71", "10.71.0.72", "10.71.0.73")
GOSSIP_KEY = Reference("${random_bytes.gossip.base64}")
KNOWN = {**known("here"), GOSSIP_KEY: base64.b64encode(bytes(range(32))).decode()}
# A leader elected just then looks at who has joined once a minute (Consul's ReconcileInterval).
VOTES_SECONDS = 120
PAGE = Path(__file__).parents[2] / "docs" / "consul.md"


class Servers:
    def __init__(self, network: Network, folder: Path, stack: contextlib.ExitStack) -> None:
        self._network = network
        self._folder = folder
        self._stack = stack
        self._made = 0

    def start(self, number: int, address: str | None = None) -> Machine:
        self._made += 1
        document = server_document(
            datacenter="here",
            gossip=Gossip(key=GOSSIP_KEY),
            join=Addresses(addresses=[Text.of(address) for address in SERVERS]),
            expected=len(SERVERS),
            **SERVER,
        )
        machine = Machine(
            self._network,
            self._folder / str(self._made),
            f"consul-{number}",
            address or SERVERS[number],
            document,
            programs={"/usr/bin/consul": toolbox.program("consul")},
            known=KNOWN,
        )
        return self._stack.enter_context(machine)


@pytest.fixture
def servers(network: Network, tmp_path: Path) -> Iterator[Servers]:
    with contextlib.ExitStack() as stack:
        yield Servers(network, tmp_path, stack)


@pytest.fixture
def left(servers: Servers) -> Machine:
    """Return the one server that is left of three, which had written something."""
    left, *lost = (servers.start(number) for number in range(3))
    until(lambda: "Success" in kv(left, "put", "kept", "yes"), seconds=60, what="somebody leads")
    until(lambda: voters(left) == 3, seconds=60, what="three vote")
    for server in lost:
        server.kill()
    until(lambda: "No cluster leader" in kv(left, "get", "kept"), seconds=30, what="nobody leads")
    return left


def kv(server: Machine, *words: str) -> str:
    token = f"CONSUL_HTTP_TOKEN_FILE={MANAGEMENT_TOKEN}"
    return server.run("env", token, "consul", "kv", *words, check=False)


def voters(server: Machine) -> int:
    return server.run("consul", "operator", "raft", "list-peers", check=False).count(" true ")


def what_the_page_says() -> str:
    (commands,) = re.findall(r"```sh\n(systemctl stop consul\n.*?)```", PAGE.read_text(), re.DOTALL)
    return str(commands)


def test_at_other_addresses_new_ones_wait_until_somebody_says_that_one_is_enough(servers, left):
    fresh = servers.start(1, "10.71.0.74")
    until(
        lambda: left.run("consul", "members", check=False).count("alive") == 2,
        seconds=60,
        what="a new one has joined",
    )
    time.sleep(5)
    assert "No cluster leader" in kv(fresh, "get", "kept"), "it may not vote, nor start a cluster"

    left.run("sh", "-ec", what_the_page_says())

    until(lambda: kv(left, "get", "kept") == "yes\n", seconds=30, what="it leads")
    servers.start(2, "10.71.0.75")
    until(lambda: voters(left) == 3, seconds=VOTES_SECONDS, what="three vote again")
    until(lambda: kv(fresh, "get", "kept") == "yes\n", seconds=30, what="the new one knows it too")


def test_at_the_same_addresses_they_go_on_by_themselves(servers, left):
    fresh, _ = servers.start(1), servers.start(2)
    # Whoever leads first strikes the dead off, and may lose the lead by that until it looks again.
    until(lambda: kv(left, "get", "kept") == "yes\n", seconds=VOTES_SECONDS, what="somebody leads")
    until(lambda: voters(left) == 3, seconds=VOTES_SECONDS, what="three vote again")
    until(lambda: kv(fresh, "get", "kept") == "yes\n", seconds=30, what="the new one knows it too")
