"""While no machine works in a cloud, its clients are led to another: two real HAProxies."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest
import trustme

from crossgate import (
    HttpCheck,
    Listener,
    Reference,
    Release,
    Route,
    Service,
    TcpCheck,
    Tls,
)
from crossgate.balancers.haproxy import mutual
from crossgate.balancers.haproxy.config import configuration
from crossgate.balancers.haproxy.spill import Elsewhere
from crossgate.model.text import Text
from lab.daemon import free_port
from tests.balancers.haproxy.conftest import HAProxy, layout_in, write_certificates
from tests.balancers.haproxy.examples import Authority, Loopback, refused

if TYPE_CHECKING:
    from crossgate import Construct
    from crossgate.balancers.haproxy.settings import Layout

API = Service(name="api", port=9190, command=["/usr/bin/x"], check=TcpCheck())
SITE = Service(name="site", port=8080, protocol="http", command=["/usr/bin/x"], check=HttpCheck())
SHOP = replace(SITE, name="shop")
NEXT = replace(SITE, name="next")
OFFSET = 10_000
CLIENT = "127.0.0.77"
ADDRESSES = {"here": "127.0.0.2", "there": "127.0.0.3"}


class Named(Loopback):
    """Says who it is to whoever asks: `place/service`, and who the client is where that is told."""

    def __init__(self, name: str, port: int) -> None:
        super().__init__(port)
        self.name = name

    def answer(self, connection: socket.socket) -> None:
        connection.settimeout(7)
        with connection.makefile("rb") as said:
            told = b""
            while line := said.readline():
                if line.startswith(b"PROXY "):
                    told = line.split()[2]
                    continue
                if not line.startswith(b"GET "):
                    connection.sendall(self._said(told))
                    continue
                heard = list(iter(said.readline, b"\r\n"))
                sources = [one.strip().lower() for one in heard if b"forwarded-for" in one.lower()]
                body = self._said(b" ".join([*([told] if told else []), *sources]))
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode() + body)

    def _said(self, told: bytes) -> bytes:
        return f"{self.name} {told.decode()}".strip().encode() + b"\n"


class World:
    """Two clouds on this machine, each at an address of its own."""

    def __init__(
        self,
        program: Path,
        folder: Path,
        listener: Listener,
        names: Mapping[str, str],
        keys: Mapping[Reference, str],
        scope: Construct,
    ) -> None:
        self._program, self._folder, self._listener = program, folder, listener
        self._keys, self._scope = keys, scope
        self._names = {**{name: mutual.host(name) for name in ADDRESSES}, **names}
        self._stack = ExitStack()
        self.port = listener.port
        self._asked = free_port()
        self.authority = trustme.CA()
        self.authority_file = folder / "authority.pem"
        self.authority.cert_pem.write_to_path(str(self.authority_file))
        self.balancers: dict[str, HAProxy] = {}
        self._machines = {
            f"{name}/{service.name}": (ExitStack(), free_port())
            for name in ADDRESSES
            for service in listener.services
        }

    def __enter__(self) -> Self:
        with self._stack:
            for name in ADDRESSES:
                self._start(name)
            # Balancers that have not the names of theirs do not believe each other.
            strange = self._names != {name: mutual.host(name) for name in ADDRESSES}
            self._wait(self._machines, "DOWN" if strange else "UP", own=not strange)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, name: str) -> None:
        servers = {}
        for service in self._listener.services:
            machine = f"{name}/{service.name}"
            stack, port = self._machines[machine]
            self._stack.enter_context(stack)
            servers[service.name] = [port]
            self._come(machine)
        layout = self.layout(name)
        elsewhere = Elsewhere(
            entries={other: [at] for other, at in ADDRESSES.items() if other != name},
            offset=OFFSET,
            asked=self._asked,
        )
        balancer = HAProxy(
            self._program,
            layout,
            [self._listener],
            servers,
            address=ADDRESSES[name],
            elsewhere=elsewhere,
        )
        self.balancers[name] = self._stack.enter_context(balancer)

    def _come(self, machine: str) -> None:
        stack, port = self._machines[machine]
        stack.enter_context(Named(machine, port))

    def layout(self, name: str) -> Layout:
        folder = self._folder / name
        folder.mkdir()
        layout = layout_in(folder)
        write(self.authority, self._names[name], layout)
        write_certificates(self._scope, [self._listener], layout, self._keys)
        return layout

    def lose(self, *machines: str) -> None:
        """Have machines refuse whoever comes, and all balancers know it."""
        for machine in machines:
            self._machines[machine][0].close()
        self._wait(machines, "DOWN")

    def come_back(self, *machines: str) -> None:
        """Have machines that were lost work again, and all balancers know it."""
        for machine in machines:
            self._come(machine)
        self._wait(machines, "UP")

    def _wait(self, machines: Collection[str], state: str, *, own: bool = True) -> None:
        """Wait until the other balancer, and its own one, have that of each machine."""
        wanted = set()
        for machine in machines:
            name, service = machine.split("/")
            (other,) = set(ADDRESSES) - {name}
            backend = f"{service}-{self.port}"
            wanted |= {(other, f"elsewhere_{backend}"), *([(name, backend)] if own else [])}
        last = time.monotonic() + 15
        while wanted:
            seen = {name: balancer.backends() for name, balancer in self.balancers.items()}
            # A new version alone is nowhere to be led to.
            known = {(name, key) for name, key in wanted if key in seen[name]}
            wanted = {(name, key) for name, key in known if seen[name][key][0] != state}
            assert time.monotonic() < last, (wanted, seen)
            time.sleep(0.1)

    def ask(self, name: str = "here", path: str | None = None) -> str:
        """Return who answers a client of a cloud; nothing when nobody does."""
        with self.connected(name) as connection:
            connection.sendall(question(path))
            with connection.makefile("rb") as said:
                if not path:
                    return said.readline().decode().strip()
                return said.read().partition(b"\r\n\r\n")[2].decode().strip()

    def connected(self, name: str = "here") -> socket.socket:
        """Return a connection of a client, who has an address of his own."""
        place = (ADDRESSES[name], self._listener.port)
        return socket.create_connection(place, timeout=5, source_address=(CLIENT, 0))


def write(authority: trustme.CA, name: str, layout: Layout) -> None:
    """Put a balancer's certificate and its authority where HAProxy reads them."""
    made = authority.issue_cert(name, common_name=name)
    chain = "".join(pem.bytes().decode() for pem in made.cert_chain_pems)
    key = made.private_key_pem.bytes().decode()
    for file in mutual.files(authority.cert_pem.bytes().decode(), chain, key, layout):
        Path(file.path).write_text(Text.of(file.text).sample(), encoding="utf-8")


def question(path: str | None) -> bytes:
    """Return what a client asks, in HTTP where there is a path."""
    asked = f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" if path else "who\n"
    return asked.encode()


def asked_by_hand(
    world: World, context: ssl.SSLContext, path: str | None, session: ssl.SSLSession | None = None
) -> str:
    """Return what a client hears where balancers of other clouds come."""
    place = (ADDRESSES["here"], world.port + OFFSET)
    answer = b""
    with (
        socket.create_connection(place, timeout=5) as plain,
        contextlib.suppress(OSError),
        context.wrap_socket(
            plain, server_hostname=mutual.host("here"), session=session
        ) as connection,
    ):
        connection.settimeout(1)
        connection.sendall(question(path))
        while part := connection.recv(4096):
            answer += part
    return answer.decode()


@pytest.fixture
def world(stack, program: Path, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Return what brings up two clouds with one listener."""
    with ExitStack() as worlds:

        def start(
            names: Mapping[str, str] | None = None,
            keys: Mapping[Reference, str] | None = None,
            **said: Any,
        ) -> World:
            listener = Listener(port=free_port(), **{"to": API, **said})
            made = World(program, tmp_path, listener, names or {}, keys or {}, stack)
            return worlds.enter_context(made)

        yield start


@pytest.mark.root
@pytest.mark.parametrize("mode", ["tcp", "http"])
def test_haproxy_accepts_the_file_without_a_warning(
    program: Path, layout: Layout, rendered: Callable, tmp_path: Path, mode: str
) -> None:
    write(trustme.CA(), mutual.host("here"), layout)
    said = (
        {"routes": [Route(path="/shop", to=SHOP)], "release": Release(to=NEXT, share=0.1)}
        if mode == "http"
        else {}
    )
    to = replace(SITE, send_proxy="v2") if mode == "tcp" else SITE
    listener = Listener(port=9000, mode=mode, to=to, **said)
    entries = {"there": ["127.0.0.3", "127.0.0.4"], "yonder": ["localhost"]}
    elsewhere = Elsewhere(entries=entries, offset=OFFSET, asked=8409)
    config = tmp_path / "haproxy.cfg"
    text = rendered(
        configuration([listener], layout=layout, elsewhere=elsewhere),
        {"site": [20001], "shop": [20002], "next": [20003]},
    )
    config.write_text(text, encoding="utf-8")
    assert refused(program, config) == ""


@pytest.mark.root
def test_a_name_that_nobody_knows_today_does_not_keep_haproxy_from_starting(
    program: Path, layout: Layout, rendered: Callable, tmp_path: Path
) -> None:
    write(trustme.CA(), mutual.host("here"), layout)
    elsewhere = Elsewhere(entries={"there": ["entry.invalid"]}, offset=OFFSET, asked=8409)
    file = configuration([Listener(port=9000, to=API)], layout=layout, elsewhere=elsewhere)
    config = tmp_path / "haproxy.cfg"
    config.write_text(rendered(file, {"api": [20001]}), encoding="utf-8")
    subprocess.run([program, "-c", "-q", "-f", config], check=True)


KINDS = pytest.mark.parametrize("kind", ["tcp", "http"])
TO = {"tcp": ("api", None, {}), "http": ("site", "/", {"to": SITE, "mode": "http"})}


@pytest.mark.live
@pytest.mark.root
@KINDS
def test_a_client_stays_in_its_cloud_until_nobody_works_there_and_comes_back(world, kind) -> None:
    name, path, said = TO[kind]
    made = world(**said)
    assert made.ask(path=path).startswith(f"here/{name}")
    made.lose(f"here/{name}")
    assert made.ask(path=path).startswith(f"there/{name}")
    assert made.ask("there", path=path).startswith(f"there/{name}")
    made.come_back(f"here/{name}")
    assert made.ask(path=path).startswith(f"here/{name}")


@pytest.mark.live
@pytest.mark.root
@KINDS
def test_where_nobody_works_anywhere_nobody_is_led_in_circles(world, kind) -> None:
    name, path, said = TO[kind]
    made = world(**said)
    made.lose(f"here/{name}", f"there/{name}")
    backend = f"elsewhere_{name}-{made.port}"
    for place in ADDRESSES:
        assert made.balancers[place].backends()[backend][0] == "DOWN"
        answer = made.ask(place, path)
        assert answer == "" if kind == "tcp" else "503 Service Unavailable" in answer


@pytest.mark.live
@pytest.mark.root
def test_each_service_of_a_site_is_led_by_itself(world) -> None:
    made = world(to=SITE, mode="http", routes=[Route(path="/shop", to=SHOP)])
    made.lose("here/shop", "there/site")
    assert made.ask(path="/shop").startswith("there/shop")
    assert made.ask(path="/").startswith("here/site")
    assert made.ask("there", path="/").startswith("here/site")


@pytest.mark.live
@pytest.mark.root
def test_the_other_balancer_adds_nothing_to_who_sent_a_request(world) -> None:
    made = world(to=SITE, mode="http")
    made.lose("here/site")
    assert made.ask(path="/") == f"there/site x-forwarded-for: {CLIENT}"


@pytest.mark.live
@pytest.mark.root
def test_a_service_that_wants_to_know_the_client_is_told(world) -> None:
    made = world(to=replace(API, send_proxy="v1"))
    made.lose("here/api")
    assert made.ask() == f"there/api {CLIENT}"


@pytest.mark.live
@pytest.mark.root
def test_so_is_one_whose_requests_are_read(world) -> None:
    made = world(to=replace(SITE, send_proxy="v1"), mode="http")
    made.lose("here/site")
    assert made.ask(path="/") == f"there/site {CLIENT} x-forwarded-for: {CLIENT}"


@pytest.mark.live
@pytest.mark.root
def test_an_old_version_that_is_gone_is_met_elsewhere(world) -> None:
    """The new one has its part of the traffic, and not all of it."""
    made = world(to=SITE, mode="http", release=Release(to=NEXT, share=0.5))
    made.lose("here/site")
    seen = {made.ask(path="/").split()[0] for _ in range(40)}
    assert seen == {"here/next", "there/site"}


@pytest.mark.live
@pytest.mark.root
def test_a_new_version_alone_stands_in_for_nobody_elsewhere(world) -> None:
    made = world(release=Release(to=replace(API, name="next"), share=0.5))
    made.lose("there/api")
    assert made.balancers["here"].backends()[f"elsewhere_api-{made.port}"][0] == "DOWN"


@pytest.mark.live
@pytest.mark.root
@KINDS
@pytest.mark.parametrize("who", ["nobody", "forged", "here", "there"])
def test_only_balancers_of_other_clouds_come_by_their_port(world, kind, who) -> None:
    name, path, said = TO[kind]
    made = world(**said)
    context = ssl.create_default_context(cafile=made.authority_file)
    if who != "nobody":
        by = trustme.CA() if who == "forged" else made.authority
        host = mutual.host("there" if who == "forged" else who)
        by.issue_cert(host, common_name=host).configure_cert(context)
    answer = asked_by_hand(made, context, path)
    assert (f"here/{name}" in answer) is (who == "there")


@pytest.mark.live
@pytest.mark.root
def test_a_session_of_another_listener_does_not_open_that_port(world, tmp_path) -> None:
    clients = Authority()
    certificate, known = clients.site("localhost")
    made = world(tls=Tls(certificates=[certificate]), keys=known)
    context = clients.client()
    context.load_verify_locations(made.authority_file)
    context.check_hostname = False
    with made.connected() as plain, context.wrap_socket(plain) as connection:
        connection.sendall(question(None))
        assert b"here/api" in connection.recv(100)
        session = connection.session
    assert session is not None
    assert asked_by_hand(made, context, None, session) == ""


@pytest.mark.live
@pytest.mark.root
def test_a_certificate_that_the_other_side_refuses_is_no_way_there(world) -> None:
    made = world(names={"here": mutual.host("there")})
    backend = f"elsewhere_api-{made.port}"
    assert made.balancers["here"].backends()[backend][0] == "DOWN"


@pytest.mark.live
@pytest.mark.root
def test_while_all_is_well_nobody_comes_from_another_cloud(world) -> None:
    made = world()
    time.sleep(3)
    assert made.balancers["here"].connections(f"lent_{made.port}") == 0


@pytest.mark.live
@pytest.mark.root
def test_who_was_led_elsewhere_stays_while_the_way_there_fails_for_a_while(world) -> None:
    made = world()
    made.lose("here/api")
    with made.connected() as connection:
        connection.sendall(question(None))
        assert connection.recv(100) == b"there/api\n"
        made.balancers["there"].pause(5.5)
        assert made.balancers["here"].backends()[f"elsewhere_api-{made.port}"][0] == "DOWN"
        connection.sendall(question(None))
        assert connection.recv(100) == b"there/api\n"


@pytest.mark.live
@pytest.mark.root
def test_a_balancer_with_another_name_is_not_believed(world) -> None:
    made = world(names={"there": "elsewhere.example.org"})
    for name in ADDRESSES:
        backend = f"elsewhere_api-{made.port}"
        assert made.balancers[name].backends()[backend][0] == "DOWN"
