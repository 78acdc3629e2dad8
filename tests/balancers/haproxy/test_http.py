"""HTTP listeners: as a file that HAProxy takes, and as clients find them at a real HAProxy."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgate import AutoScalingGroup, ConsulServers, HAProxyNodes, NullCloud
from crossgate.balancers.haproxy.config import configuration
from crossgate.balancers.haproxy.document import figures_document
from crossgate.errors import ConfigError
from crossgate.model.check import GrpcCheck, TcpCheck
from crossgate.model.listener import Listener
from crossgate.model.route import Route
from crossgate.model.service import Service
from crossgate.model.text import Text
from crossgate.specs import MachinesSpec, ServerLines
from tests.balancers.haproxy.conftest import write_pages
from tests.balancers.haproxy.examples import grpc_server, refused
from tools import toolbox

if TYPE_CHECKING:
    from crossgate.balancers.haproxy.settings import Layout


def service(name: str, **more: object) -> Service:
    return Service(name=name, port=8080, protocol="http", command=["/usr/bin/x"], **more)


WEB, API, BETA, ADMIN = (service(name, check=TcpCheck()) for name in ("web", "api", "beta", "adm"))
ROUTES = [
    Route(path="/v1", to=API),
    Route(host="beta.example.org", to=BETA),
    Route(host="*.example.org", path="/v1/admin/", to=ADMIN),
]
PAGE = "<h1>Zurück ${soon} 'am' \"Abend\" %[src]</h1>\n"


def listener(**more: object) -> Listener:
    return Listener(**{"port": 8000, "mode": "http", "to": WEB, "routes": ROUTES} | more)


def text_of(*listeners: Listener) -> str:
    pieces = configuration(listeners).pieces
    return "".join(str(piece) if isinstance(piece, Text) else piece.line for piece in pieces)


@pytest.mark.root
@pytest.mark.parametrize("ports", [(), (20001, 20002)])
def test_haproxy_accepts_the_file_without_a_warning(
    program: Path, layout: Layout, rendered: Callable, tmp_path: Path, ports: tuple[int, ...]
) -> None:
    orders = service("orders", check=GrpcCheck(), max_connections=10, agent_port=8081)
    orders = replace(orders, protocol="grpc")
    listeners = [
        listener(),
        listener(port=8001, routes=[], maintenance=PAGE),
        listener(port=8002, routes=[*ROUTES, Route(host="a.b", path="/x", to=orders)]),
        Listener(port=8003, mode="http", to=orders),
    ]
    write_pages(listeners, layout)
    servers = {one.name: ports for each in listeners for one in each.services}
    config = tmp_path / "haproxy.cfg"
    config.write_text(rendered(configuration(listeners, layout=layout), servers), encoding="utf-8")
    assert refused(program, config) == ""


def test_each_service_of_a_listener_has_a_backend_of_its_own() -> None:
    pieces = configuration([listener(routes=[*ROUTES, Route(path="/v2", to=API)])]).pieces
    lines = [piece.service.name for piece in pieces if isinstance(piece, ServerLines)]
    assert lines == ["web", "api", "beta", "adm"]
    text = text_of(listener())
    for name in ("web-8000", "api-8000", "beta-8000", "adm-8000"):
        assert text.count(f"\nbackend {name}\n    mode http\n") == 1


def test_a_service_is_limited_over_all_that_lead_to_it() -> None:
    api = replace(API, max_connections=90)
    one = listener(routes=[Route(path="/v1", to=api)])
    pieces = configuration([one, Listener(port=9000, to=api), Listener(port=9001, to=api)]).pieces
    lines = [piece.line for piece in pieces if isinstance(piece, ServerLines)]
    assert ["maxconn 30" in line for line in lines] == [False, True, True, True]


def test_figures_are_told_of_every_backend() -> None:
    document = figures_document([listener()], None)
    (settings,) = (f for _, f in document.written() if f.path.endswith("figures.json"))
    assert json.loads(Text.of(settings.text).sample())["service_of"] == {
        "web-8000": "web",
        "api-8000": "api",
        "beta-8000": "beta",
        "adm-8000": "adm",
    }


def test_a_tcp_listener_says_nothing_of_http() -> None:
    text = text_of(Listener(port=9000, to=WEB))
    assert "http-keep-alive" not in text
    assert "forwardfor" not in text
    assert "mode http" not in text.partition("frontend web-9000")[2]


def test_times_of_http_are_those_of_the_listener() -> None:
    text = text_of(listener(request=timedelta(seconds=3), keep_alive=timedelta(seconds=7)))
    assert "    timeout http-request 3000ms\n    timeout http-keep-alive 7000ms\n" in text
    text = text_of(listener())
    assert "    timeout http-request 10000ms\n    timeout http-keep-alive 60000ms\n" in text


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: Listener(port=80, to=WEB, routes=ROUTES[:1]),
            "Listener(80): says routes, which only HTTP has\n",
        ),
        (lambda: Listener(port=80, to=WEB, maintenance="x"), 'do:   write mode="http"'),
        (
            lambda: Listener(port=80, to=WEB, keep_alive=timedelta(5)),
            "Listener(80): says keep_alive, which",
        ),
        (lambda: listener(maintenance=""), "Listener: maintenance"),
        (lambda: listener(maintenance="a\0"), "Listener: maintenance"),
        (
            lambda: listener(maintenance="ü" * 6145),
            "the maintenance page is longer than HAProxy can answer with\n  got:  '12290 bytes'\n",
        ),
        (
            lambda: listener(to=Service(name="raw", port=1, command=["/x"])),
            "Listener(8000): the service 'raw' does not speak HTTP\n",
        ),
        (
            lambda: listener(routes=[Route(path="/a", to=replace(API, protocol="thrift"))]),
            "the service 'api' does not speak HTTP",
        ),
        (
            lambda: listener(routes=[Route(path="/a", to=API), Route(path="/a/", to=BETA)]),
            "Listener(8000): routes[1] matches the same requests as routes[0]\n  got:  '/a/'\n",
        ),
        (
            lambda: listener(routes=[Route(path="/a", to=replace(WEB, port=81))]),
            "Listener(8000): two of its services have one name",
        ),
        (lambda: Route(to=API), "Route: matches every request"),
        (lambda: Route(path="/", to=API), "Route: matches every request"),
        (lambda: Route(path="v1", to=API), "Route: path"),
        (lambda: Route(path="/a b", to=API), "Route: path"),
        (lambda: Route(path="/a//b", to=API), "Route: path"),
        (lambda: Route(host="Example.org", to=API), "Route: host"),
        (lambda: Route(host="example.org:80", to=API), "Route: host"),
        (lambda: Route(host="*", to=API), "Route: host"),
        (lambda: Route(host="a.*.org", to=API), "Route: host"),
        (lambda: listener(mode="h2"), "Listener: mode"),
    ],
)
def test_fails_with_the_place_and_the_way_out(make: Callable[[], object], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert says in str(caught.value)


def test_the_balancers_reach_every_service_of_a_route(stack) -> None:
    cloud = NullCloud(stack, "here")
    consul = ConsulServers(stack, "consul", clouds=[cloud])
    one = listener(routes=[Route(path="/v1", to=API)], maintenance=PAGE)
    edge = HAProxyNodes(stack, "edge", clouds=[cloud], discovery=consul, listeners=[one])
    for each in (WEB, API):
        group = AutoScalingGroup(stack, each.name, clouds=[cloud], service=each, discovery=consul)
        peers = [rule.peer for rule in group.connections.firewalls[cloud].ingress]
        assert edge.connections.firewalls[cloud] in peers
    (spec,) = (s for s in cloud.asked if isinstance(s, MachinesSpec) and s.name == "test-edge")
    files = {file.path: Text.of(file.text).sample() for _, file in spec.document.written()}
    (path,) = (path for path in files if path.startswith("/etc/haproxy/maintenance-8000-"))
    assert files[path] == PAGE
    assert f" file {path} " in files["/etc/consul-template/haproxy.tpl"]


def test_a_changed_page_is_a_changed_configuration() -> None:
    assert text_of(listener(maintenance="a")) != text_of(listener(maintenance="b"))


def test_without_a_page_there_is_no_file(stack) -> None:
    cloud = NullCloud(stack, "here")
    consul = ConsulServers(stack, "consul", clouds=[cloud])
    AutoScalingGroup(stack, "web", clouds=[cloud], service=WEB, discovery=consul)
    one = listener(routes=[])
    HAProxyNodes(stack, "edge", clouds=[cloud], discovery=consul, listeners=[one])
    (spec,) = (s for s in cloud.asked if isinstance(s, MachinesSpec) and s.name == "test-edge")
    assert not [f.path for _, f in spec.document.written() if "maintenance" in f.path]


class _Echo(http.server.BaseHTTPRequestHandler):
    """Says who it is and what it was sent."""

    name: ClassVar[str]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        said = {"name": self.name, "forwarded": self.headers.get_all("X-Forwarded-For")}
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be silent."""


@contextlib.contextmanager
def echoes(*names: str) -> Iterator[dict[str, list[int]]]:
    """Run a web server for each name; yields their ports."""
    with contextlib.ExitStack() as stack:
        found = {}
        for name in names:
            handler = type("Handler", (_Echo,), {"name": name})
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
            server.daemon_threads = True
            stack.enter_context(server)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            found[name] = [server.server_port]
        yield found


def asked(port: int, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Return the status, the header and the body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request(
            "GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()


def named(port: int, path: str, **headers: str) -> str:
    return str(json.loads(asked(port, path, **headers)[2])["name"])


@pytest.mark.live
@pytest.mark.root
def test_requests_go_by_host_and_path_the_most_specific_first(
    running: Callable, free_port: Callable[[], int]
) -> None:
    port = free_port()
    with echoes("web", "api", "beta", "adm") as servers:
        running([listener(port=port)], servers)
        for host, path, name in (
            ("example.org", "/", "web"),
            ("example.org", "/v1", "api"),
            ("example.org", "/v1?a=/v2", "api"),
            ("example.org", "/v1/orders", "api"),
            ("example.org", "/v10", "web"),
            ("example.org", "/V1", "web"),
            ("example.org", "/x/v1", "web"),
            ("beta.example.org", "/", "beta"),
            ("BETA.example.org:8000", "/v1", "beta"),
            ("beta.example.org", "/v1/admin", "beta"),
            ("shop.example.org", "/v1/admin", "adm"),
            ("a.b.example.org", "/v1/admin/x", "adm"),
            ("shop.example.org", "/v1/administrator", "api"),
            ("example.org", "/v1/admin", "api"),
            ("badexample.org", "/v1/admin", "api"),
        ):
            assert named(port, path, Host=host) == name, (host, path)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([None, "a.org", "*.a.org", "b.a.org"]),
            st.sampled_from(["/", "/x", "/x/y", "/z"]),
        ).filter(lambda made: made != (None, "/")),
        unique=True,
    )
)
def test_the_order_of_routes_changes_nothing(made: list[tuple[str | None, str]]) -> None:
    routes = [Route(host=host, path=path, to=API) for host, path in made]
    assert text_of(listener(routes=routes)) == text_of(listener(routes=routes[::-1]))


@pytest.mark.live
@pytest.mark.root
def test_whoever_sent_a_request_stands_last_in_it(
    running: Callable, free_port: Callable[[], int]
) -> None:
    port = free_port()
    with echoes("web") as servers:
        running([listener(port=port, routes=[])], servers)
        said = json.loads(asked(port, "/", X_Forwarded_For="192.0.2.1")[2])
    assert said["forwarded"] == ["192.0.2.1", "127.0.0.1"]


@pytest.mark.live
@pytest.mark.root
def test_while_no_machine_works_the_page_is_shown(
    running: Callable, free_port: Callable[[], int]
) -> None:
    port = free_port()
    one = listener(port=port, routes=ROUTES[:1], maintenance=PAGE)
    with echoes("api") as servers:
        running([one], {**servers, "web": [free_port()]})
        time.sleep(1)
        status, headers, body = asked(port, "/")
        assert (status, body.decode()) == (503, PAGE)
        assert headers["content-type"] == "text/html; charset=utf-8"
        assert headers["cache-control"] == "no-store"
        assert named(port, "/v1") == "api"


@pytest.mark.live
@pytest.mark.root
def test_the_longest_page_is_shown_whole(running: Callable, free_port: Callable[[], int]) -> None:
    port, page = free_port(), "x" * 12288
    running([listener(port=port, routes=[], maintenance=page)], {"web": []})
    assert asked(port, "/")[2].decode() == page


@pytest.mark.live
@pytest.mark.root
def test_who_does_not_say_what_he_wants_is_let_go(
    running: Callable, free_port: Callable[[], int]
) -> None:
    port = free_port()
    times = {"request": timedelta(milliseconds=700), "keep_alive": timedelta(milliseconds=1500)}
    with echoes("web") as servers:
        running([listener(port=port, routes=[], **times)], servers)
        with socket.create_connection(("127.0.0.1", port), timeout=5) as slow:
            began = time.monotonic()
            slow.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
            assert b"408" in slow.recv(4096)
            assert 0.5 < time.monotonic() - began < 1.4
        with socket.create_connection(("127.0.0.1", port), timeout=5) as kept:
            for _ in range(2):
                kept.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert kept.recv(4096).startswith(b"HTTP/1.1 200")
                began = time.monotonic()
            while kept.recv(4096):
                pass
            assert 1.2 < time.monotonic() - began < 3


class _Upgrade(http.server.BaseHTTPRequestHandler):
    """Changes the protocol, as for a WebSocket, and says back what it hears."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "echo")
        self.end_headers()
        while heard := self.connection.recv(64):
            self.connection.sendall(heard)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Be silent."""


@pytest.mark.live
@pytest.mark.root
def test_a_web_socket_may_be_silent_for_as_long_as_idle_says(
    running: Callable, free_port: Callable[[], int]
) -> None:
    port = free_port()
    times = {"request": timedelta(seconds=1), "keep_alive": timedelta(seconds=1)}
    one = listener(port=port, routes=[], idle=timedelta(seconds=3), **times)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Upgrade) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running([one], {"web": [server.server_port]})
        with socket.create_connection(("127.0.0.1", port), timeout=6) as client:
            client.sendall(
                b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
            )
            assert client.recv(4096).startswith(b"HTTP/1.1 101")
            for _ in range(2):
                time.sleep(1.7)
                client.sendall(b"still here")
                assert client.recv(64) == b"still here"
            began = time.monotonic()
            assert client.recv(64) == b""
            assert 2.5 < time.monotonic() - began < 4.5
        server.shutdown()


_CALL = """
const http2 = require("node:http2");
const client = http2.connect("http://127.0.0.1:" + process.argv[1]);
const call = client.request({":method": "POST", ":path": "/grpc.health.v1.Health/Check",
  "content-type": "application/grpc", te: "trailers"});
let said = "";
call.on("data", (part) => { said += part.toString("hex"); });
call.on("trailers", (trailers) => { said += " " + trailers["grpc-status"]; });
call.on("close", () => { console.log(said); client.close(); });
call.end(Buffer.alloc(5));
"""


@pytest.mark.live
@pytest.mark.root
def test_calls_of_grpc_go_by_routes_too(running: Callable, free_port: Callable[[], int]) -> None:
    port, behind = free_port(), free_port()
    orders = replace(service("orders", check=GrpcCheck()), protocol="grpc")
    one = listener(port=port, routes=[Route(path="/grpc.health.v1.Health", to=orders)])
    with grpc_server(behind), echoes("web") as servers:
        haproxy = running([one], {**servers, "orders": [behind]})
        assert haproxy.settled(f"port-{behind}") == {f"port-{behind}": "UP"}
        said = subprocess.run(
            [toolbox.program("node"), "-e", _CALL, str(port)],
            check=True, capture_output=True, text=True, timeout=20,
        ).stdout  # fmt: skip
        assert said == "00000000020801 0\n"
        assert named(port, "/") == "web"
