"""A Consul server on a real machine that takes snapshots by its timer, and brings one back."""

from __future__ import annotations

import base64
import contextlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from crossgate.boot.document import Document
from crossgate.clouds.inhouse.archive import kept
from crossgate.discovery.consul.acl import MANAGEMENT_TOKEN, Gossip
from crossgate.discovery.consul.agent import server_document
from crossgate.discovery.consul.snapshots import RESTORE, archive, snapshot_document
from crossgate.model.machine import Machine as Size
from crossgate.model.snapshots import Snapshots
from crossgate.model.text import Reference, Text
from crossgate.specs import Addresses, MachinesSpec
from tests.discovery.consul.authority import SERVER, known
from tests.live.machine import Machine, until
from tools import toolbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossgate.contracts import Reservation
    from tests.live.machine import Network

pytestmark = [pytest.mark.live, pytest.mark.root]

ADDRESS = "10.71.0.41"
GOSSIP_KEY = Reference("${random_bytes.gossip.base64}")
KEY = Reference("${random_bytes.snapshots.base64}")
KNOWN = {
    GOSSIP_KEY: base64.b64encode(bytes(range(32))).decode(),
    KEY: base64.b64encode(bytes(range(100, 132))).decode(),
    **known("here"),
}
COPIES = "/var/lib/crossgate-snapshots/copies"
SERVICE, TIMER = "crossgate-snapshot.service", "crossgate-snapshot.timer"


def document() -> Document:
    snapshots = Snapshots(every=timedelta(minutes=5))
    place = archive(snapshots, "test-consul")
    join = Addresses(addresses=(Text.of(ADDRESS),))
    server = server_document(
        datacenter="here", gossip=Gossip(key=GOSSIP_KEY), join=join, expected=1, **SERVER
    )
    taking = snapshot_document(snapshots, key=KEY, store=place.program, each=True)
    nowhere: Reservation = type("Places", (), {"join": join})()
    spec = MachinesSpec(
        name="test-consul",
        machine=Size(cpu=2, memory=4),
        document=Document.merge(server, taking),
        firewalls=(),
        count=1,
        reservation=nowhere,
    )
    return kept(replace(spec, archive=place)).document


@pytest.fixture(scope="module")
def server(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(
        network,
        tmp_path_factory.mktemp("machines"),
        "consul-1",
        ADDRESS,
        document(),
        programs={"/usr/bin/consul": toolbox.program("consul")},
        known=KNOWN,
    )
    with contextlib.ExitStack() as stack:
        found = stack.enter_context(machine)
        until(
            lambda: "Success" in kv(found, "put", "ready", "yes", check=False),
            seconds=60,
            what="the server leads",
        )
        yield found


def kv(server: Machine, *words: str, check: bool = True) -> str:
    """Return what Consul says of a key to the management."""
    token = f"CONSUL_HTTP_TOKEN_FILE={MANAGEMENT_TOKEN}"
    return server.run("env", token, "consul", "kv", *words, check=check)


def copies(server: Machine) -> list[str]:
    return server.run("ls", COPIES).split()


def test_the_timer_waits_for_the_first_one(server):
    assert server.run("systemctl", "is-active", TIMER) == "active\n"
    shown = server.run("systemctl", "show", TIMER, "--property=NextElapseUSecMonotonic")
    assert "infinity" not in shown


def test_the_drill_on_a_machine(server):
    kv(server, "put", "drill/one", "before")
    server.run("systemctl", "start", SERVICE)
    (name,) = copies(server)
    assert f"kept {name}, " in server.journal(SERVICE)
    assert server.run(RESTORE, "list") == f"{name}\n"
    kv(server, "put", "drill/one", "after")
    kv(server, "put", "drill/two", "after")
    said = server.run(RESTORE, "--yes")
    assert f"{name} is back" in said
    assert kv(server, "get", "drill/one") == "before\n"
    assert "No key exists" in kv(server, "get", "drill/two", check=False)


def test_nobody_but_root_reads_what_is_kept(server):
    assert server.run("stat", "--format=%a %U", COPIES) == "700 root\n"
    (name,) = copies(server)
    assert server.run("stat", "--format=%a %U", f"{COPIES}/{name}") == "600 root\n"


def test_whoever_watches_the_machine_reads_its_figures(server):
    place = "/var/lib/crossgate-snapshots/metrics.prom"
    assert server.run("stat", "--format=%a", place) == "644\n"
    assert "crossgate_snapshot_failed 0\n" in server.read(place)


def test_without_an_agent_the_unit_fails_and_says_why(server):
    server.run("systemctl", "stop", "consul.service")
    server.run("systemctl", "start", SERVICE, check=False)
    assert server.run("systemctl", "is-failed", SERVICE, check=False) == "failed\n"
    assert "consul snapshot failed: " in server.journal(SERVICE)
    server.run("systemctl", "start", "consul.service")
