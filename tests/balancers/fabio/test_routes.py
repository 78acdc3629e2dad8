"""The real Fabio beside the real Consul: who is led where, and what changes do to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Self
from urllib.request import urlopen

import pytest

from crossgate import Certificate, Listener, Route, Service, Tls
from crossgate.balancers.fabio import config
from crossgate.balancers.fabio.programs.fabio_health import listened, readable
from crossgate.balancers.fabio.settings import ADMIN_PORT, CERTIFICATES
from crossgate.discovery.consul.registration import own_tags
from crossgate.model.text import Text
from lab.daemon import free_port
from tests.balancers.haproxy.examples import Authority, grpc_server
from tests.balancers.haproxy.test_servers import Echo, until
from tests.discovery.consul.programs import running_consul
from tools import toolbox

if TYPE_CHECKING:
    from tests.discovery.consul.programs import Consul

pytestmark = pytest.mark.live


class Fabio:
    """A Fabio that reads its routes from a Consul."""

    def __init__(
        self, folder: Path, consul: Consul, *listeners: Listener, certificates: Path | None = None
    ) -> None:
        self._ports = {listener.port for listener in listeners}
        self.admin = free_port()
        text = config.properties(
            "edge", listeners, consul=consul.address, strategy="rr", metrics=False
        )
        for listener in listeners:
            text = text.replace(f"{CERTIFICATES}-{listener.port}", str(certificates))
        self._properties = folder / "fabio.properties"
        self._properties.write_text(text.replace(f":{ADMIN_PORT}", f":{self.admin}"))
        self._said = folder / "fabio.log"

    def __enter__(self) -> Self:
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [toolbox.program("fabio"), "-cfg", self._properties], stdout=said, stderr=said
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)

    @property
    def fit(self) -> bool:
        """Whether it takes clients, as the entry is told."""
        return self._ports <= listened()

    @property
    def routes(self) -> list[str]:
        """Where it leads clients."""
        with contextlib.suppress(OSError), urlopen(self._page, timeout=5) as answer:  # noqa: S310  (on loopback)
            return [one["dst"] for one in json.loads(answer.read()) or ()]
        return []

    @property
    def _page(self) -> str:
        return f"http://127.0.0.1:{self.admin}/api/routes"


def announce(consul: Consul, service: Service, listener: Listener, port: int, name: str) -> None:
    """Have Consul list a machine of a service, with what the listener has it say."""
    own = [tag for one, tag in config.tags("edge", listener) if one == service]
    body = {
        "ID": name,
        "Name": service.name,
        "Address": "127.0.0.1",
        "Port": port,
        "Tags": [*own_tags(service), *own],
        "Check": {
            "TCP": f"127.0.0.1:{port}",
            "Interval": "1s",
            "Timeout": "500ms",
            "Status": "passing",
        },
    }
    consul.put("/v1/agent/service/register", body)


class Site:
    """Machines of a TCP service before a Fabio."""

    def __init__(self, consul: Consul, service: Service, listener: Listener) -> None:
        self._consul = consul
        self._service = service
        self.listener = listener

    def announce(self, echo: Echo, name: str) -> None:
        announce(self._consul, self._service, self.listener, echo.port, name)

    def maintain(self, name: str, *, enable: bool) -> None:
        path = f"/v1/agent/service/maintenance/{name}?enable={json.dumps(enable)}"
        self._consul.put(path, None)

    def met(self) -> int:
        """Return the port of the machine that a new client meets; 0: none."""
        with socket.create_connection(("127.0.0.1", self.listener.port), timeout=2) as made:
            return int(made.recv(10) or b"0")

    def all_met(self) -> set[int]:
        met = set()
        for _ in range(12):
            with contextlib.suppress(OSError):
                met.add(self.met())
        return met


@pytest.fixture
def consul() -> Iterator[Consul]:
    with running_consul() as made:
        yield made


@pytest.fixture
def site(consul: Consul) -> Site:
    service = Service(name="api", port=9190, command=["/x"])
    return Site(consul, service, Listener(port=free_port(), to=service))


def test_clients_meet_each_machine_in_turn(site, consul, tmp_path) -> None:
    with Echo() as one, Echo() as two, Fabio(tmp_path, consul, site.listener) as fabio:
        site.announce(one, "api-1")
        site.announce(two, "api-2")
        until(lambda: site.all_met() == {one.port, two.port})
        assert fabio.fit
        first, second = site.met(), site.met()
        assert {first, second} == {one.port, two.port}


def test_a_balancer_is_fit_when_consul_has_told_it_what_there_is_if_that_is_nothing(
    site, consul, tmp_path
) -> None:
    with Fabio(tmp_path, consul, site.listener) as fabio:
        until(lambda: fabio.fit)
        assert fabio.routes == []
    assert not fabio.fit


def test_a_balancer_that_consul_has_told_nothing_is_not_fit(site, tmp_path) -> None:
    away = SimpleNamespace(address=f"127.0.0.1:{free_port()}")
    with Fabio(tmp_path, away, site.listener) as fabio:
        time.sleep(2)
        assert not fabio.fit


def test_a_machine_in_maintenance_keeps_its_clients_and_gets_no_new_ones(
    site, consul, tmp_path
) -> None:
    with Echo() as one, Echo() as two, Fabio(tmp_path, consul, site.listener):
        site.announce(one, "api-1")
        site.announce(two, "api-2")
        until(lambda: site.all_met() == {one.port, two.port})
        held = {}
        with contextlib.ExitStack() as stack:
            while set(held) != {one.port, two.port}:
                made = stack.enter_context(
                    socket.create_connection(("127.0.0.1", site.listener.port), timeout=5)
                )
                held[int(made.recv(10))] = made
            site.maintain("api-1", enable=True)
            until(lambda: site.all_met() == {two.port})
            held[one.port].sendall(b"x")
            assert held[one.port].recv(1) == b"x"
            site.maintain("api-1", enable=False)
            until(lambda: site.all_met() == {one.port, two.port})


def test_a_machine_that_fails_its_check_is_left(site, consul, tmp_path) -> None:
    with Echo() as one, Echo() as two, Fabio(tmp_path, consul, site.listener):
        site.announce(one, "api-1")
        site.announce(two, "api-2")
        until(lambda: site.all_met() == {one.port, two.port})
        one.stop()
        until(lambda: site.all_met() == {two.port})


def test_who_says_that_it_has_said_all_loses_the_answer(site, consul, tmp_path) -> None:
    """As docs/fabio.md says: Fabio ends a connection when either side has."""
    with Echo() as one, Fabio(tmp_path, consul, site.listener):
        site.announce(one, "api-1")
        until(lambda: site.all_met() == {one.port})
        with socket.create_connection(("127.0.0.1", site.listener.port), timeout=5) as made:
            made.recv(10)
            made.shutdown(socket.SHUT_WR)
            assert made.recv(10) == b""


# Other than TCP.

WEB, SHOP = (
    Service(name=name, port=8080, protocol="http", command=["/x"]) for name in ("web", "shop")
)


class Named(ThreadingHTTPServer):
    """A server of HTTP that answers with its name."""

    def __init__(self, name: str) -> None:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(name.encode())

            def log_message(self, *_: object) -> None: ...

        super().__init__(("127.0.0.1", 0), Answer)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


def asked(port: int, host: str, path: str = "/") -> str:
    """Return what is answered to a request, or how it is refused."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        return response.read().decode() if response.status == 200 else str(response.status)


def test_requests_go_by_host_and_path(consul, tmp_path) -> None:
    routes = [Route(host="shop.example.org", to=SHOP), Route(path="/shop", to=SHOP)]
    listener = Listener(port=free_port(), mode="http", to=WEB, routes=routes)
    with Named("web") as web, Named("shop") as shop, Fabio(tmp_path, consul, listener) as fabio:
        until(lambda: answers(listener.port))
        assert asked(listener.port, "example.org") == "503"
        announce(consul, WEB, listener, web.server_port, "web-1")
        announce(consul, SHOP, listener, shop.server_port, "shop-1")
        until(lambda: asked(listener.port, "shop.example.org") == "shop")
        until(lambda: asked(listener.port, "example.org") == "web")
        assert asked(listener.port, "example.org", "/shop/1") == "shop"
        assert asked(listener.port, "example.org", "/shop") == "shop"
        assert asked(listener.port, "example.org", "/shopping") == "web"
        assert asked(listener.port, f"shop.example.org:{listener.port}") == "shop"
        assert fabio.fit


def test_a_whole_host_goes_before_one_that_stands_for_all_below_it(consul, tmp_path) -> None:
    routes = [
        Route(host="*.example.org", to=SHOP),
        Route(host="api.example.org", to=WEB),
        Route(host="*.example.org", path="/web", to=WEB),
    ]
    listener = Listener(port=free_port(), mode="http", to=WEB, routes=routes)
    with Named("web") as web, Named("shop") as shop, Fabio(tmp_path, consul, listener):
        announce(consul, WEB, listener, web.server_port, "web-1")
        announce(consul, SHOP, listener, shop.server_port, "shop-1")
        until(lambda: answers(listener.port))
        until(lambda: asked(listener.port, "one.example.org") == "shop")
        until(lambda: asked(listener.port, "example.org") == "web")
        assert asked(listener.port, f"one.example.org:{listener.port}") == "shop"
        assert asked(listener.port, "one.two.example.org") == "shop"
        assert asked(listener.port, "ONE.Example.org") == "shop"
        assert asked(listener.port, "api.example.org") == "web"
        assert asked(listener.port, "one.example.org", "/web/1") == "web"
        assert asked(listener.port, "one.example.org", "/other") == "shop"


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def test_tls_ends_there_and_clients_show_their_certificate(consul, tmp_path) -> None:
    authority = Authority()
    certificate, known = authority.site("site.example.org")
    tls = Tls(certificates=[certificate], client_ca=authority.pem)
    service = Service(name="api", port=9190, command=["/x"])
    listener = Listener(port=free_port(), to=service, tls=tls)
    shown = tmp_path / "tls"
    write(shown, certificate, known, authority)
    assert readable(str(shown))

    def met(client: ssl.SSLContext) -> bytes:
        with (
            socket.create_connection(("127.0.0.1", listener.port), timeout=5) as plain,
            client.wrap_socket(plain, server_hostname="site.example.org") as made,
        ):
            return made.recv(10)

    with Echo() as one, Fabio(tmp_path, consul, listener, certificates=shown) as fabio:
        announce(consul, service, listener, one.port, "api-1")
        until(lambda: fabio.routes)
        assert met(authority.client("me")) == f"{one.port}\n".encode()
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
            met(authority.client())


def test_who_speaks_an_older_version_of_tls_than_the_least_is_refused(consul, tmp_path) -> None:
    authority = Authority()
    certificate, known = authority.site("site.example.org")
    service = Service(name="api", port=9190, command=["/x"])
    tls = Tls(certificates=[certificate], minimum="1.3")
    listener = Listener(port=free_port(), to=service, tls=tls)
    shown = tmp_path / "tls"
    write(shown, certificate, known, authority)

    def met(latest: ssl.TLSVersion) -> bytes:
        client = authority.client()
        client.maximum_version = latest
        with (
            socket.create_connection(("127.0.0.1", listener.port), timeout=5) as plain,
            client.wrap_socket(plain, server_hostname="site.example.org") as made,
        ):
            return made.recv(10)

    with Echo() as one, Fabio(tmp_path, consul, listener, certificates=shown) as fabio:
        announce(consul, service, listener, one.port, "api-1")
        until(lambda: fabio.routes)
        assert met(ssl.TLSVersion.TLSv1_3) == f"{one.port}\n".encode()
        with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
            met(ssl.TLSVersion.TLSv1_2)


def test_a_certificate_of_another_key_is_shown_to_nobody(consul, tmp_path) -> None:
    """Fabio listens all the same, which is why the health question looks at the files."""
    authority = Authority()
    certificate, _ = authority.site("site.example.org")
    _, strange = authority.site("other.example.org")
    service = Service(name="api", port=9190, command=["/x"])
    tls = Tls(certificates=[certificate], client_ca=authority.pem)
    listener = Listener(port=free_port(), to=service, tls=tls)
    shown = tmp_path / "tls"
    write(shown, certificate, strange, authority)
    assert not readable(str(shown))
    with Echo() as one, Fabio(tmp_path, consul, listener, certificates=shown) as fabio:
        announce(consul, service, listener, one.port, "api-1")
        until(lambda: fabio.routes)
        assert fabio.fit
        with (
            socket.create_connection(("127.0.0.1", listener.port), timeout=5) as plain,
            pytest.raises((ssl.SSLError, OSError)),
        ):
            authority.client("me").wrap_socket(plain, server_hostname="site.example.org")


def write(folder: Path, certificate: Certificate, known: dict, authority: Authority) -> None:
    """Put a certificate where Fabio's properties say that it is."""
    folder.mkdir()
    (folder / "000-cert.pem").write_text(Text.of(certificate.chain).sample())
    (folder / "000-key.pem").write_text(Text.of(certificate.key).sample(known=known))
    clients = folder.with_name(f"{folder.name}-clients")
    clients.mkdir()
    (clients / "clients.pem").write_text(authority.pem)


@pytest.mark.parametrize("secured", [False, True], ids=["plain", "tls"])
def test_grpc_is_passed_on(consul, tmp_path, secured) -> None:
    authority = Authority()
    certificate, known = authority.site("site.example.org")
    shown = tmp_path / "tls"
    write(shown, certificate, known, authority)
    rpc = Service(name="rpc", port=50051, protocol="grpc", command=["/x"])
    tls = Tls(certificates=[certificate]) if secured else None
    listener = Listener(port=free_port(), mode="http", to=rpc, tls=tls)
    port = free_port()
    with grpc_server(port), Fabio(tmp_path, consul, listener, certificates=shown) as fabio:
        announce(consul, rpc, listener, port, "rpc-1")
        until(lambda: fabio.routes)
        # Consul itself is a client of gRPC's health service.
        check = {"Name": "through", "GRPC": f"127.0.0.1:{listener.port}", "Interval": "1s"}
        # It knows no authority but its own, and the name is not what is in question.
        check |= {"GRPCUseTLS": True, "TLSSkipVerify": True} if secured else {}
        consul.put("/v1/agent/check/register", check)
        until(lambda: consul.checks().get("", ("", ""))[0] == "passing")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_client_is_who_the_header_of_the_proxy_protocol_says(consul, tmp_path, version) -> None:
    """It is passed on in version 1, as the service wants it."""
    service = Service(name="api", port=9190, command=["/x"], send_proxy="v1")
    listener = Listener(port=free_port(), to=service, accept_proxy=True)
    header = {
        "v1": b"PROXY TCP4 203.0.113.9 127.0.0.1 1234 9000\r\n",
        "v2": SIGNATURE
        + b"\x21\x11\x00\x0c"
        + socket.inet_aton("203.0.113.9")
        + socket.inet_aton("127.0.0.1")
        + struct.pack(">HH", 1234, 9000),
    }[version]
    with Echo() as one, Fabio(tmp_path, consul, listener) as fabio:
        announce(consul, service, listener, one.port, "api-1")
        until(lambda: fabio.routes)
        with socket.create_connection(("127.0.0.1", listener.port), timeout=5) as made:
            made.sendall(header + b"x")
            said = b""
            while not said.endswith(b"x"):
                said += made.recv(200)
    assert b"PROXY TCP4 203.0.113.9 " in said


SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
