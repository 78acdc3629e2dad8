"""What an entry is answered by the machine of a Fabio."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from crossgate.balancers.fabio import programs
from lab.daemon import free_port
from tests.balancers.haproxy.test_servers import until

PROGRAM = Path(programs.__file__).with_name("fabio_health.py")
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"
NAMED = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12)

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux")


class Health:
    def __init__(self, listener: int) -> None:
        self.port, self.proxied = free_port(), free_port()
        self.listener = listener

    def asked(self, path: str = "/healthz", header: bytes | None = None) -> int:
        port = self.port if header is None else self.proxied
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.connect()
        connection.sock.sendall(header or b"")
        connection.request("GET", path)
        status = connection.getresponse().status
        connection.close()
        return status


@contextlib.contextmanager
def answering(folder: str = "") -> Iterator[Health]:
    made = Health(free_port())
    ports = [str(made.port), str(made.proxied), f"{made.listener}{folder}"]
    process = subprocess.Popen([sys.executable, PROGRAM, "/healthz", *ports])
    until(lambda: answers(made.port) and answers(made.proxied))
    yield made
    process.terminate()
    process.wait(10)


@pytest.fixture
def health() -> Iterator[Health]:
    with answering() as made:
        yield made


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("header", [None, LOCAL, NAMED], ids=["bare", "local", "named"])
def test_it_is_fit_while_its_listener_is_there(health, header) -> None:
    assert health.asked(header=header) == 503
    with socket.create_server(("127.0.0.1", health.listener)):
        assert health.asked(header=header) == 200
    assert health.asked(header=header) == 503


def test_anything_else_is_not_there(health) -> None:
    assert health.asked("/") == 404


def test_it_is_not_fit_without_a_certificate_that_fits_its_key(tmp_path) -> None:
    made = trustme.CA().issue_cert("site.example.org")
    other = trustme.CA().issue_cert("site.example.org")
    made.cert_chain_pems[0].write_to_path(tmp_path / "000-cert.pem")
    for key, status in ((other, 503), (made, 200)):
        key.private_key_pem.write_to_path(tmp_path / "000-key.pem")
        with (
            answering(f"={tmp_path}") as health,
            socket.create_server(("127.0.0.1", health.listener)),
        ):
            assert health.asked() == status
