from __future__ import annotations

import contextlib
import http.server
import re
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgate.balancers.haproxy.checks import check_lines, quoted
from crossgate.model.check import Check, GrpcCheck, HttpCheck, TcpCheck, ThriftCheck
from crossgate.model.listener import Listener
from crossgate.model.service import Service
from tests.balancers.haproxy.examples import all_named, grpc_server, serving

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator


def service(check: Check) -> Service:
    return Service(name="api", port=9190, command=["/usr/bin/api"], check=check)


def test_a_thrift_check_calls_the_method_in_strict_binary_protocol() -> None:
    # The bytes that a trial of this design used against Apache Thrift's own library.
    assert check_lines(service(ThriftCheck())) == (
        "option tcp-check",
        "tcp-check connect linger",
        "tcp-check send-binary 800100010000000470696e670000000100",
        "tcp-check expect rbinary ^800100020000000470696E67",
    )


def test_a_framed_thrift_check_says_the_length_first() -> None:
    lines = check_lines(service(ThriftCheck(call="isUp", transport="framed")))
    assert lines[2] == "tcp-check send-binary 000000118001000100000004697355700000000100"
    assert lines[3] == "tcp-check expect rbinary ^.{8}800100020000000469735570"


def test_a_tcp_check_connects() -> None:
    assert check_lines(service(TcpCheck())) == ("option tcp-check", "tcp-check connect linger")


@pytest.mark.parametrize(
    ("text", "word"),
    [("/health", "'/health'"), ("a'b", "'a'\\''b'"), ('"$HOME" #\\', "'\"$HOME\" #\\'")],
)
def test_any_text_becomes_one_word(text: str, word: str) -> None:
    assert quoted(text) == word


def test_a_compact_thrift_check_calls_the_method_in_compact_protocol() -> None:
    lines = check_lines(service(ThriftCheck(protocol="compact")))
    assert lines[2:] == (
        "tcp-check send-binary 8221010470696e6700",
        "tcp-check expect rbinary ^8241([89A-F].){0,4}[0-7].0470696E67",
    )


@given(st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]{0,127}", fullmatch=True), st.integers(0, 2**31 - 1))
def test_a_compact_reply_is_known_whatever_its_number(call: str, number: int) -> None:
    expected = check_lines(service(ThriftCheck(call=call, protocol="compact")))[3].split()[-1]
    head = varint(number) + varint(len(call)) + call.encode()
    assert re.match(expected, (b"\x82\x41" + head + b"\0").hex().upper())
    exception = (b"\x82\x61" + head + b"\0").hex().upper()
    assert not re.match(expected, exception)


def varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


def test_a_grpc_check_asks_the_standard_health_service() -> None:
    (_, _, sent, _) = check_lines(service(GrpcCheck(service="shop.v1.Orders")))
    question = bytes.fromhex(sent.split()[-1])
    assert question.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert b"/grpc.health.v1.Health/Check" in question
    assert question.endswith(b"\0\0\0\0\x10\x0a\x0eshop.v1.Orders")


# What a server of grpc-go said, frame by frame: settings, their acknowledgement, a window, a ping,
# headers, the message, trailers.
GRPC_GO = (
    "000006040000000000000500004000 000000040100000000 00000408000000000000000005"
    "0000080600000000000204101009 0e0707 00000e010400000001885f8b1d75d0620d263d4c4d6564"
    "{message} 000018010500000001 40889acac8b21234da8f01304089 9acac8b52542 07317f00"
).replace(" ", "")


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("00000700000000000100000000020801", 1),
        ("00000700010000000100000000020801", 1),
        ("00000700000000000100000000020802", 0),
        ("00000700000000000100000000020800", 0),
        ("0000050000000000010000000000", 0),
        ("00000700000000000300000000020801", 0),
        ("0000070000000000010000000002080", 0),
    ],
)
def test_serving_is_known_among_the_frames_of_an_answer(message: str, found: int) -> None:
    (_, _, _, expected) = check_lines(service(GrpcCheck()))
    said = GRPC_GO.format(message=message).upper()
    assert len(re.findall(expected.split()[-1], said)) == found


@contextlib.contextmanager
def thrift_server(port: int, kind: str, folder: Path, idl: str) -> Iterator[subprocess.Popen]:
    path = folder / f"{kind}-{port}.thrift"
    path.write_text(idl, encoding="utf-8")
    script = Path(__file__).with_name("thrift_example.py")
    command = (sys.executable, script, str(port), kind, path)
    with serving(port, *command, log=path.with_suffix(".log")) as process:
        yield process


@pytest.mark.live
@pytest.mark.root
@pytest.mark.parametrize("transport", ["buffered", "framed"])
@pytest.mark.parametrize("protocol", ["binary", "compact"])
def test_a_real_thrift_server_passes_and_others_do_not(
    running: Callable, free_port: Callable[[], int], tmp_path: Path, transport: str, protocol: str
) -> None:
    good, other, hung, silent = (free_port() for _ in range(4))
    check = ThriftCheck(transport=transport, protocol=protocol)
    kind = f"{transport}-{protocol}"
    with (
        thrift_server(good, kind, tmp_path, "service Example { void ping() }"),
        thrift_server(other, kind, tmp_path, "service Example { void pong() }"),
        thrift_server(hung, kind, tmp_path, "service Example { void ping() }") as stopped,
        socket.create_server(("127.0.0.1", silent), backlog=512),
    ):
        listener = Listener(port=free_port(), to=service(check))
        haproxy = running([listener], {"api": [good, other, hung, silent]})
        names = [f"port-{port}" for port in (good, other, hung, silent)]
        assert haproxy.settled(*names) == dict(
            zip(names, ["UP", "DOWN", "UP", "DOWN"], strict=True)
        )
        stopped.send_signal(signal.SIGSTOP)
        assert haproxy.settled(names[2]) == {names[2]: "DOWN"}
        stopped.send_signal(signal.SIGCONT)
        assert haproxy.settled(names[2]) == {names[2]: "UP"}
    said = (tmp_path / f"{kind}-{good}.log").read_text(encoding="utf-8")
    assert said == "", "a check leaves no trace in the server's log"


@pytest.mark.live
@pytest.mark.root
def test_a_server_of_the_other_thrift_protocol_does_not_pass(
    running: Callable, free_port: Callable[[], int], tmp_path: Path
) -> None:
    binary, compact = free_port(), free_port()
    idl = "service Example { void ping() }"
    with (
        thrift_server(binary, "buffered-binary", tmp_path, idl),
        thrift_server(compact, "buffered-compact", tmp_path, idl),
    ):
        check = ThriftCheck(protocol="compact")
        ports = [binary, compact]
        haproxy = running([Listener(port=free_port(), to=service(check))], {"api": ports})
        assert haproxy.settled(*all_named(ports, "__")) == all_named(ports, ["DOWN", "UP"])


@pytest.mark.live
@pytest.mark.root
@pytest.mark.parametrize(
    ("asked", "state"),
    [("", "UP"), ("shop.v1.Orders", "UP"), ("shop.v1.Sick", "DOWN"), ("shop.v1.None", "DOWN")],
)
def test_a_grpc_server_is_up_while_its_health_service_says_serving(
    running: Callable, free_port: Callable[[], int], asked: str, state: str
) -> None:
    good, silent = free_port(), free_port()
    with grpc_server(good) as server, socket.create_server(("127.0.0.1", silent), backlog=512):
        check = GrpcCheck(service=asked)
        ports = [good, silent]
        haproxy = running([Listener(port=free_port(), to=service(check))], {"api": ports})
        assert haproxy.settled(*all_named(ports, "__")) == all_named(ports, [state, "DOWN"])
        server.send_signal(signal.SIGSTOP)
        assert haproxy.settled(f"port-{good}") == {f"port-{good}": "DOWN"}


class _Health(http.server.BaseHTTPRequestHandler):
    seen: str | None = None
    host: str | None = None

    def do_GET(self) -> None:
        type(self).seen, type(self).host = self.path, self.headers["Host"]
        self.send_response(204 if self.server.server_port == self.healthy else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Be silent."""


@contextlib.contextmanager
def web_server(handler: type[_Health]) -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(10)


@pytest.mark.live
@pytest.mark.root
def test_an_http_check_asks_for_the_path_and_wants_a_status_in_the_200s(
    running: Callable, free_port: Callable[[], int]
) -> None:
    path = "/he'al\"th?a=#1&b=${HOME}%[src]\\x"
    handler = type("Handler", (_Health,), {})
    closed = free_port()
    with web_server(handler) as good, web_server(handler) as bad:
        handler.healthy = good
        listener = Listener(port=free_port(), to=service(HttpCheck(path=path)))
        haproxy = running([listener], {"api": [good, bad, closed]})
        names = [f"port-{port}" for port in (good, bad, closed)]
        states = haproxy.settled(*names)
        assert states == dict(zip(names, ["UP", "DOWN", "DOWN"], strict=True))
    assert (handler.seen, handler.host) == (path, "api")


@pytest.mark.live
@pytest.mark.root
def test_a_tcp_check_wants_an_open_port(running: Callable, free_port: Callable[[], int]) -> None:
    opened, closed = free_port(), free_port()
    with socket.create_server(("127.0.0.1", opened), backlog=512):
        listener = Listener(port=free_port(), to=service(TcpCheck()))
        haproxy = running([listener], {"api": [opened, closed]})
        states = haproxy.settled(f"port-{opened}", f"port-{closed}")
        assert states == {f"port-{opened}": "UP", f"port-{closed}": "DOWN"}
