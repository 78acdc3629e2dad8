"""Servers for tests on ports of the loopback address, and what HAProxy says of a file."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from crossgate import Certificate, Reference
from tools import toolbox

DAY = timedelta(days=1)
KEY = Reference("${tls_private_key.site.private_key_pem}")


class Authority:
    """Who signs the balancers' certificates, and those of clients."""

    def __init__(self) -> None:
        self.ca = trustme.CA()
        self.pem = self.ca.cert_pem.bytes().decode()
        self.issued: dict[str, trustme.LeafCert] = {}

    def site(self, name: str, key: Reference = KEY) -> tuple[Certificate, Mapping[Reference, str]]:
        """Return a certificate as a user gives it, and what its key turns out to be."""
        made = self.ca.issue_cert(name)
        chain = "".join(pem.bytes().decode() for pem in made.cert_chain_pems)
        return Certificate(chain=chain, key=key), {key: made.private_key_pem.bytes().decode()}

    def client(self, name: str | None = None, by: trustme.CA | None = None) -> ssl.SSLContext:
        """Return a client that trusts it, with a certificate of `by` where it has a name."""
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        if name is not None:
            issued = (by or self.ca).issue_cert(name, common_name=name)
            issued.configure_cert(context)
            self.issued[name] = issued
        return context

    def revoked(self, *names: str, until: timedelta = timedelta(days=1)) -> str:
        """Return the list of certificates that are revoked: those that clients got last."""
        now = datetime.now(UTC)
        authority = x509.load_pem_x509_certificate(self.pem.encode())
        made = x509.CertificateRevocationListBuilder(authority.subject, now - DAY, now + until)
        for name in names:
            pem = self.issued[name].cert_chain_pems[0].bytes()
            serial = x509.load_pem_x509_certificate(pem).serial_number
            revoked = x509.RevokedCertificateBuilder(serial, now - DAY).build()
            made = made.add_revoked_certificate(revoked)
        key = load_pem_private_key(self.ca.private_key_pem.bytes(), None)
        return made.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


@contextlib.contextmanager
def serving(port: int, *command: str | Path, log: Path | None = None) -> Iterator[subprocess.Popen]:
    """Run a server until it is needed no more; it is entered when the port accepts."""
    with (log or Path("/dev/null")).open("wb") as said:
        process = subprocess.Popen(command, stderr=said)
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


def grpc_server(port: int) -> contextlib.AbstractContextManager[subprocess.Popen]:
    """Run a server of gRPC's health service."""
    script = Path(__file__).with_name("grpc_example.js")
    return serving(port, toolbox.program("node"), script, str(port))


def all_named(ports: Sequence[int], states: Sequence[str]) -> dict[str, str]:
    """Return the states of the servers on these ports, by the servers' names."""
    return {f"port-{port}": state for port, state in zip(ports, states, strict=True)}


def refused(program: Path, config: Path, held: Mapping[int, socket.socket] | None = None) -> str:
    """Return what HAProxy has against a file, warnings too; nothing where that is nothing.

    `held` are sockets by the ports for which systemd is to have kept them.
    """
    kept = {f"HELD_{port}": one.fileno() for port, one in (held or {}).items()}
    done = subprocess.run(
        [program, "-c", "-dW", "-V", "-f", config],
        check=False, capture_output=True, text=True, pass_fds=list(kept.values()),
        env={**os.environ, **{name: str(fd) for name, fd in kept.items()}},
    )  # fmt: skip
    return done.stderr if done.returncode or "WARNING" in done.stderr else ""


class Loopback:
    """A server in this process: each connection has a thread, and none may outlive its client."""

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port: int = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._serve)]

    def answer(self, connection: socket.socket) -> None:
        """Talk with a client until one of the two ends it."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(timeout=10)
            # One that goes on without a client takes a processor from all tests after this one.
            assert not thread.is_alive()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                connection.settimeout(5)
                thread = threading.Thread(target=self._talk, args=[connection])
                self._threads.append(thread)
                thread.start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self.answer(connection)
