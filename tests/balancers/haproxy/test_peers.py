"""Clients of TCP that come back to the machine they met, at any of several real HAProxies."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from crossgate import (
    AutoScalingGroup,
    ConfigError,
    ConsulServers,
    HAProxyNodes,
    Listener,
    NullCloud,
    Release,
    Service,
)
from crossgate.balancers.haproxy import mutual
from crossgate.balancers.haproxy.config import configuration
from crossgate.balancers.haproxy.peers import Peers
from crossgate.balancers.haproxy.programs import haproxy_peers, haproxy_servers
from crossgate.balancers.haproxy.programs.haproxy_servers import Configuration, Gone, Left
from crossgate.balancers.haproxy.settings import LAYOUT, PEERS_PORT
from crossgate.balancers.haproxy.spill import Elsewhere
from crossgate.boot.program import PYTHON
from crossgate.model.text import Text
from crossgate.specs import EntrySpec, MachinesSpec
from lab.daemon import free_port
from tests.balancers.haproxy.conftest import HAProxy, layout_in, rendered
from tests.balancers.haproxy.examples import refused
from tests.balancers.haproxy.test_servers import Echo, until
from tests.balancers.haproxy.test_spill import write
from tests.balancers.haproxy.test_sticky import SITE

if TYPE_CHECKING:
    from crossgate.balancers.haproxy.settings import Layout

API = Service(name="api", port=9190, command=["/usr/bin/api"])
ADDRESSES = {"one": "127.0.1.1", "two": "127.0.1.2"}
CLIENTS = [f"127.0.2.{number}" for number in range(1, 10)]


class Cloud:
    """Two balancers of a cloud that lead to the same machines."""

    def __init__(self, program: Path, folder: Path, stack: contextlib.ExitStack) -> None:
        self.machines = [stack.enter_context(Echo()) for _ in range(3)]
        self.port = free_port()
        self._listener = Listener(port=self.port, to=API, sticky=True)
        self._peers = Peers(name="edge", cloud="nova", port=free_port())
        self._authority = trustme.CA()
        self._program = program
        self._stack = stack
        self._folder = folder
        self.balancers: dict[str, HAProxy] = {}
        self.layouts: dict[str, Layout] = {}

    def start(
        self,
        name: str,
        authority: trustme.CA | None = None,
        *,
        turned: bool = False,
        alone: bool = False,
    ) -> None:
        """Start a balancer, with its servers in the order of the others or the other way round."""
        made = self._made(name, authority, turned=turned, alone=alone)
        self.balancers[name] = self._stack.enter_context(made)

    def text(self, name: str) -> str:
        """Return the file of a balancer that knows the other one."""
        return self._made(name).text({"api": [one.port for one in self.machines]})

    def _made(
        self,
        name: str,
        authority: trustme.CA | None = None,
        *,
        turned: bool = False,
        alone: bool = False,
    ) -> HAProxy:
        if name not in self.layouts:
            folder = self._folder / name
            folder.mkdir()
            self.layouts[name] = layout_in(folder)
        layout = self.layouts[name]
        write(authority or self._authority, mutual.host("nova"), layout)
        others = {} if alone else {one: place for one, place in ADDRESSES.items() if one != name}
        return HAProxy(
            self._program,
            layout,
            [self._listener],
            {"api": [one.port for one in self.machines[:: -1 if turned else 1]]},
            address=ADDRESSES[name],
            fellows=(self._peers, name, others),
        )

    def met(self, name: str, client: str) -> int:
        """Return the machine that a client meets at a balancer."""
        place = (ADDRESSES[name], self.port)
        with socket.create_connection(place, timeout=5, source_address=(client, 0)) as made:
            said = b""
            while not said.endswith(b"\n"):
                said += made.recv(10)
        return int(said)

    def remembers(self, name: str) -> int:
        """Return how many clients a balancer knows."""
        asked = haproxy_servers.HAProxy(self.layouts[name].socket)
        said = asked.ask(f"show table met_api-{self.port}")
        return len(said.splitlines()) - 1


@pytest.fixture
def cloud(program: Path, tmp_path: Path) -> Iterator[Cloud]:
    with contextlib.ExitStack() as stack:
        made = Cloud(program, tmp_path, stack)
        for name in ADDRESSES:
            # As each has heard of them in its own order: their numbers differ.
            made.start(name, turned=name == "two")
        yield made


def told(cloud: Cloud, name: str) -> None:
    until(lambda: cloud.remembers(name) >= len(CLIENTS))


@pytest.mark.root
def test_a_client_meets_the_same_machine_at_every_balancer(cloud: Cloud) -> None:
    before = {client: cloud.met("one", client) for client in CLIENTS}
    assert len(set(before.values())) == 3
    told(cloud, "two")
    for name in ADDRESSES:
        assert {client: cloud.met(name, client) for client in CLIENTS} == before


@pytest.mark.root
def test_who_has_been_away_is_told_what_the_others_know(cloud: Cloud) -> None:
    before = {client: cloud.met("one", client) for client in CLIENTS}
    told(cloud, "two")
    cloud.balancers["one"].stop()
    cloud.start("one")
    told(cloud, "one")
    assert {client: cloud.met("one", client) for client in CLIENTS} == before


@pytest.mark.root
def test_a_client_of_a_machine_that_fails_meets_another_one_and_stays_there(cloud: Cloud) -> None:
    client = CLIENTS[0]
    first = cloud.met("one", client)
    next(machine for machine in cloud.machines if machine.port == first).stop()
    until(lambda: cloud.balancers["one"].states()[f"port-{first}"][0] == "DOWN")
    second = cloud.met("one", client)
    assert second != first
    assert {cloud.met("one", client) for _ in range(9)} == {second}


@pytest.mark.root
def test_nobody_is_led_to_a_machine_that_leaves_though_he_was_before(cloud: Cloud) -> None:
    client = CLIENTS[0]
    first = cloud.met("one", client)
    layout = cloud.layouts["one"]
    live = Path(layout.live).read_text(encoding="utf-8")
    rest = [machine.port for machine in cloud.machines if machine.port != first]
    text = cloud.balancers["one"].text({"api": rest})
    asked, left = haproxy_servers.HAProxy(layout.socket), Left(f"{layout.live}.left")

    haproxy_servers.change(asked, left, Configuration.of(live), Configuration.of(text))

    assert cloud.met("one", client) != first


@pytest.mark.root
def test_what_others_tell_of_one_that_has_left_is_forgotten_too(cloud: Cloud) -> None:
    gone = cloud.machines[0].port
    layout = cloud.layouts["two"]
    live = Path(layout.live).read_text(encoding="utf-8")
    text = cloud.balancers["two"].text({"api": [one.port for one in cloud.machines[1:]]})
    asked, left = haproxy_servers.HAProxy(layout.socket), Left(f"{layout.live}.left")
    with socket.create_connection((ADDRESSES["two"], cloud.port)) as held:
        held.recv(10)
        haproxy_servers.change(asked, left, Configuration.of(live), Configuration.of(text))
        # The other balancer has not heard yet that it leaves.
        while gone not in {cloud.met("one", one) for one in CLIENTS}:
            time.sleep(0.01)
        told(cloud, "two")
        Gone(asked, 1000).forget(left, Configuration.of(text), now=0)
        assert gone not in {cloud.met("two", one) for one in CLIENTS}


@pytest.mark.root
def test_who_is_not_of_one_that_leaves_is_not_forgotten_with_it(cloud: Cloud) -> None:
    before = {client: cloud.met("one", client) for client in CLIENTS}
    told(cloud, "two")
    gone = cloud.machines[0].port
    layout = cloud.layouts["two"]
    live = Path(layout.live).read_text(encoding="utf-8")
    text = cloud.balancers["two"].text({"api": [one.port for one in cloud.machines[:0:-1]]})
    asked, left = haproxy_servers.HAProxy(layout.socket), Left(f"{layout.live}.left")

    haproxy_servers.change(asked, left, Configuration.of(live), Configuration.of(text))

    stayed = {client: machine for client, machine in before.items() if machine != gone}
    assert cloud.remembers("two") == len(stayed)
    assert {client: cloud.met("two", client) for client in stayed} == stayed


@pytest.mark.root
def test_a_reload_is_told_what_was_known(cloud: Cloud) -> None:
    before = {client: cloud.met("one", client) for client in CLIENTS}
    told(cloud, "two")
    worker = cloud.balancers["one"].worker()
    cloud.balancers["one"].reload()
    until(lambda: cloud.balancers["one"].worker() != worker)
    told(cloud, "one")
    assert {client: cloud.met("one", client) for client in CLIENTS} == before


@pytest.mark.root
def test_who_came_just_after_the_start_is_known_after_a_reload_without_others(
    program: Path, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        made = Cloud(program, tmp_path, stack)
        made.start("one")
        before = {client: made.met("one", client) for client in CLIENTS}
        layout = made.layouts["one"]
        Path(layout.staged).write_text(f"{Path(layout.live).read_text()}# more\n")
        with pytest.raises(SystemExit):
            haproxy_servers.main(
                "change", layout.socket, f"{layout.live}.left", layout.live, layout.staged
            )
        worker = made.balancers["one"].worker()
        made.balancers["one"].reload()
        until(lambda: made.balancers["one"].worker() != worker)
        told(made, "one")
        assert {client: made.met("one", client) for client in CLIENTS} == before


@pytest.mark.root
def test_a_balancer_that_comes_starts_when_the_other_has_heard_of_it_and_is_told_all(
    program: Path, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        made = Cloud(program, tmp_path, stack)
        made.start("one", alone=True)
        before = {client: made.met("one", client) for client in CLIENTS}
        layout = made.layouts["one"]
        haproxy_servers.learned(haproxy_servers.HAProxy(layout.socket))
        heard = []

        def hears() -> None:
            heard.append("two")
            Path(layout.live).write_text(made.text("one"), encoding="utf-8")
            made.balancers["one"].reload()

        timer = threading.Timer(1, hears)
        timer.start()
        haproxy_peers.introduced(made.text("two"))
        timer.join()
        assert heard == ["two"]
        made.start("two")
        told(made, "two")
        assert {client: made.met("two", client) for client in CLIENTS} == before


@pytest.mark.root
@pytest.mark.parametrize("other", ["known", "away", "no certificate"])
def test_a_balancer_waits_for_nobody_else(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    with contextlib.ExitStack() as stack:
        made = Cloud(program, tmp_path, stack)
        if other != "away":
            made.start("one", trustme.CA() if other == "no certificate" else None)
        text = made.text("two")
        monkeypatch.setattr(haproxy_peers, "time", Forbidden())
        haproxy_peers.introduced(text)


class Forbidden:
    """A clock by which nobody may sleep."""

    monotonic = staticmethod(time.monotonic)

    def sleep(self, _: float) -> None:
        raise AssertionError("it waits")


@pytest.mark.root
def test_who_has_no_certificate_of_theirs_tells_nobody_anything(
    program: Path, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        made = Cloud(program, tmp_path, stack)
        made.start("one")
        made.start("two", authority=trustme.CA())
        for client in CLIENTS:
            made.met("one", client)
        time.sleep(3)
        assert made.remembers("one") == len(CLIENTS)
        assert made.remembers("two") == 0


# What is made of it.

ELSEWHERE = Elsewhere(entries={"there": ["198.51.100.1"]}, offset=10_000, asked=8409)
FELLOWS = Peers(name="edge", cloud="nova", port=PEERS_PORT)


def text_of(*listeners: Listener, elsewhere: Elsewhere | None = None) -> str:
    made = configuration(listeners, elsewhere=elsewhere, fellows=FELLOWS)
    return "".join(str(piece) for piece in made.pieces if isinstance(piece, Text))


@pytest.fixture
def here(stack) -> NullCloud:
    return NullCloud(stack, "here")


def nodes(stack, clouds: Sequence[NullCloud], *listeners: Listener) -> HAProxyNodes:
    consul = ConsulServers(stack, "consul", clouds=clouds)
    AutoScalingGroup(stack, "api", clouds=clouds, service=API, discovery=consul)
    return HAProxyNodes(
        stack, "edge", clouds=clouds, discovery=consul, listeners=listeners, spill_over=None
    )


def documents(cloud: NullCloud) -> str:
    found = [spec for spec in cloud.asked if isinstance(spec, MachinesSpec)]
    return "".join(Text.of(file.text).sample() for _, file in found[-1].document.written())


def test_balancers_reach_each_other_and_nobody_else_does(stack, here) -> None:
    nodes(stack, [here], Listener(port=9000, to=API, sticky=True))
    peers = [
        (rule.peer is firewall, firewall.name)
        for firewall in here.firewalls
        for rule in firewall.ingress
        if rule.ports.holds(PEERS_PORT)
    ]
    assert peers == [(True, "test-edge")]


def test_a_node_says_of_which_balancers_it_is_one(stack, here) -> None:
    nodes(stack, [here], Listener(port=9000, to=API, sticky=True))
    text = documents(here)
    assert '"balancer": "test-edge"' in text
    assert 'eq (index .Meta "balancer") "test-edge"' in text
    assert f"|| {PYTHON} {LAYOUT.peers} {LAYOUT.live}; touch " in text


def test_without_such_a_listener_nothing_is_told(stack, here) -> None:
    made = nodes(stack, [here], Listener(port=9000, to=API))
    for word in (
        "peers balancers",
        "  localpeer ",
        "haproxy_peers",
        '"balancer": "',
        "tls-balancers",
    ):
        assert word not in documents(here)
    with pytest.raises(ConfigError, match="nothing listens on the port"):
        made.connections.allow_from("198.51.100.0/24", port=PEERS_PORT)


@pytest.mark.root
@pytest.mark.parametrize("more", [{}, {"rate": 5}, {"per_source": 5}], ids=str)
@pytest.mark.parametrize("elsewhere", [None, ELSEWHERE], ids=["alone", "spills"])
def test_haproxy_accepts_the_file_without_a_warning(
    program: Path, layout: Layout, more: dict, elsewhere: Elsewhere | None
) -> None:
    write(trustme.CA(), mutual.host("nova"), layout)
    newer = Service(name="api-next", port=9190, command=["/usr/bin/api"])
    listener = Listener(
        port=9000, to=API, sticky=True, release=Release(to=newer, share=0.1, by="client"), **more
    )
    file = configuration(
        [listener],
        layout=layout,
        elsewhere=elsewhere,
        fellows=FELLOWS,
    )
    config = Path(layout.live)
    servers = {"api": [20001], "api-next": [20002]}
    config.write_text(rendered(file, servers, "one", {"two": "127.0.1.2"}), encoding="utf-8")
    assert refused(program, config) == ""


def test_who_comes_from_another_cloud_is_many_clients() -> None:
    listener = Listener(port=9000, to=API, sticky=True)
    text = text_of(listener, elsewhere=ELSEWHERE)
    assert "stick on src table met_api-9000 unless { fe_name lent_9000 }\n" in text
    assert "frontend lent_9000\n" in text


def test_who_goes_on_with_a_session_of_clients_comes_to_no_balancer() -> None:
    """Nothing looks at a certificate then: sessions are not kept where both are there."""
    secured = Listener(port=443, to=API, tls=SITE)
    text = text_of(secured, Listener(port=9000, to=API, sticky=True))
    assert "tune.ssl.cachesize 0\n" in text
    assert "no-tls-tickets\n" in text


def test_its_port_is_free_where_nobody_remembers(stack, here) -> None:
    nodes(stack, [here], Listener(port=PEERS_PORT, to=API))


def test_its_port_is_taken_where_somebody_does(stack, here) -> None:
    with pytest.raises(ConfigError, match="taken by the balancer itself"):
        nodes(
            stack,
            [here],
            Listener(port=PEERS_PORT, to=API),
            Listener(port=9000, to=API, sticky=True),
        )


@pytest.mark.parametrize("rotation", [1, 3])
def test_their_certificates_are_exchanged_in_one_cloud_too(stack, here, synth, rotation) -> None:
    consul = ConsulServers(stack, "consul", clouds=[here])
    AutoScalingGroup(stack, "api", clouds=[here], service=API, discovery=consul)
    HAProxyNodes(
        stack,
        "edge",
        clouds=[here],
        discovery=consul,
        listeners=[Listener(port=9000, to=API, sticky=True)],
        rotation=rotation,
    )
    found = [one for one in synth()["resource"]["tls_self_signed_cert"] if one.startswith("edge")]
    assert len(found) == {1: 2, 3: 3}[rotation]


def test_the_world_never_reaches_it(stack, here) -> None:
    made = nodes(stack, [here], Listener(port=9000, to=API, sticky=True))
    with pytest.raises(ConfigError):
        made.connections.allow_from("0.0.0.0/0", port=PEERS_PORT)


def test_the_cloud_is_told_that_it_matters_who_the_client_is(stack, here) -> None:
    nodes(stack, [here], Listener(port=9000, to=API, sticky=True), Listener(port=9001, to=API))
    asked: list[EntrySpec] = []
    real = here.entry

    def entry(scope, id, spec):
        asked.append(spec)
        return real(scope, id, spec)

    here.entry = entry
    HAProxyNodes(
        stack,
        "more",
        clouds=[here],
        discovery=ConsulServers(stack, "other", clouds=[here]),
        listeners=[Listener(port=9002, to=API, sticky=True)],
    )
    assert [list(spec.by_source) for spec in asked] == [[9002]]


def test_a_release_must_part_the_traffic_by_client() -> None:
    newer = Service(name="api-next", port=9190, command=["/usr/bin/api"])
    with pytest.raises(ConfigError, match="would meet the other version"):
        Listener(port=9000, to=API, sticky=True, release=Release(to=newer, share=0.1))
