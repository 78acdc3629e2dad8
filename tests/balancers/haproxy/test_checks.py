from __future__ import annotations

import contextlib
import http.server
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossgate.balancers.haproxy.checks import check_lines, quoted
from crossgate.model.check import Check, HttpCheck, TcpCheck, ThriftCheck
from crossgate.model.listener import Listener
from crossgate.model.service import Service

if TYPE_CHECKING:
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


@contextlib.contextmanager
def thrift_server(port: int, transport: str, folder: Path, idl: str) -> Iterator[subprocess.Popen]:
    path = folder / f"{transport}-{port}.thrift"
    path.write_text(idl, encoding="utf-8")
    script = Path(__file__).with_name("thrift_example.py")
    with path.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen([sys.executable, script, str(port), transport, path], stderr=log)
    try:
        last = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            assert process.poll() is None
            assert time.monotonic() < last
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait(10)


@pytest.mark.live
@pytest.mark.root
@pytest.mark.parametrize("transport", ["buffered", "framed"])
def test_a_real_thrift_server_passes_and_others_do_not(
    running: Callable, free_port: Callable[[], int], tmp_path: Path, transport: str
) -> None:
    good, other, hung, silent = (free_port() for _ in range(4))
    check = ThriftCheck(transport=transport)
    with (
        thrift_server(good, transport, tmp_path, "service Example { void ping() }"),
        thrift_server(other, transport, tmp_path, "service Example { void pong() }"),
        thrift_server(hung, transport, tmp_path, "service Example { void ping() }") as stopped,
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
    said = (tmp_path / f"{transport}-{good}.log").read_text(encoding="utf-8")
    assert said == "", "a check leaves no trace in the server's log"


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
