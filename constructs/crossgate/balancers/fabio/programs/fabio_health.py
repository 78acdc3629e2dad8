"""Answers an entry's question whether this balancer is fit.

    fabio_health.py PATH PORT PROXIED LISTENER...    such as /healthz 8405 0 9000 443=/etc/tls-443

200 is answered while something listens on all the listeners' ports, and those of TLS have
certificates in their folder that fit their keys: Fabio listens even where it could read none. It
opens its ports when Consul has told it its first table, whether there is a machine in it or not: a
balancer is not unfit because services are. Its own page says that it runs long before that. At the
port PROXIED, unless that is 0, each question comes behind a header of the PROXY protocol, of
version 2.
"""

from __future__ import annotations

import contextlib
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTENS = "0A"
_HEAD, _LENGTH = 16, 14
"""Of a header: its first part, where the length of the rest stands."""


def listened() -> set[int]:
    """Return the ports on which something listens here; proc(5), /proc/net/tcp."""
    found = set()
    for table in _TABLES:
        with contextlib.suppress(OSError):
            rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()[1:]]
            found |= {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == _LISTENS}
    return found


def readable(folder: str) -> bool:
    """Tell whether each certificate in a folder fits its key, as Fabio looks for them there."""
    chains = sorted(Path(folder).glob("*-cert.pem"))
    try:
        for chain in chains:
            key = chain.with_name(chain.name.replace("-cert.pem", "-key.pem"))
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key)
    except OSError as error:
        sys.stdout.write(f"{folder}: {error}\n")
        sys.stdout.flush()
        return False
    return bool(chains)


class Question(BaseHTTPRequestHandler):
    """One question."""

    path_asked = ""
    ports: frozenset[int] = frozenset()
    certified = True

    @property
    def fit(self) -> bool:
        """Whether clients are taken at all ports."""
        return self.certified and self.ports <= listened()

    def do_GET(self) -> None:
        """Answer it."""
        if self.path == self.path_asked:
            self.send_response(200 if self.fit else 503)
        else:
            self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815  (as above)

    def log_message(self, *_: object) -> None:
        """Say nothing: an entry asks all the time."""


class Proxied(Question):
    """One behind a header."""

    def handle(self) -> None:
        """Read the header first."""
        head = self.rfile.read(_HEAD)
        self.rfile.read(int.from_bytes(head[_LENGTH:], "big"))
        super().handle()


def main(path: str, port: str, proxied: str, *listeners: str) -> None:
    """Answer until stopped."""
    told = [listener.partition("=") for listener in listeners]
    Question.path_asked = path
    Question.ports = frozenset(int(port) for port, _, _ in told)
    Question.certified = all(readable(folder) for _, _, folder in told if folder)
    everybody = "0.0.0.0"  # noqa: S104  (the firewall decides who asks)
    if int(proxied):
        behind = ThreadingHTTPServer((everybody, int(proxied)), Proxied)
        threading.Thread(target=behind.serve_forever, daemon=True).start()
    with ThreadingHTTPServer((everybody, int(port)), Question) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
