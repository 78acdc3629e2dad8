"""Swift and its Keystone on loopback, as far as the servers' program asks them.

There is no Swift among the programs that the tests bring; what is answered here is what the Object
Storage and Identity API references say, and it checks what Swift checks: token, ETag and marker.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 3
TOKEN = "a-token"  # noqa: S105  (the emulator's only one)
LOGIN = {"id": "an-id", "secret": "a-secret"}


class Swift(ThreadingHTTPServer):
    """An account with one container, and who was there.

    Attributes:
        objects: what it holds.
        region: the region of its catalogue.

    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.objects: dict[str, bytes] = {}
        self.region = "IU"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answers(BaseHTTPRequestHandler):
    server: Swift

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        asked = json.loads(self._body())["auth"]["identity"]
        if self.path != "/v3/auth/tokens" or asked.get("application_credential") != LOGIN:
            self._answer(401, b"The request you have made requires authentication.")
            return
        place = {"interface": "public", "region_id": self.server.region}
        service = {"type": "object-store", "endpoints": [place | {"url": f"{self.server.url}/v1"}]}
        said = {
            "token": {
                "catalog": [service],
                "methods": ["application_credential"],
                "user": {"id": "u", "name": "deployer", "domain": {"id": "d", "name": "d"}},
                "project": {"id": "p", "name": "gateway", "domain": {"id": "d", "name": "d"}},
                "roles": [{"id": "r", "name": "member"}],
                "issued_at": "2026-01-01T00:00:00.000000Z",
                "expires_at": "2199-01-01T00:00:00.000000Z",
            }
        }
        self._answer(201, json.dumps(said).encode(), {"X-Subject-Token": TOKEN})

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if not self._may():
            return
        if asked.path == "/v1/copies":
            query = {key: values[-1] for key, values in parse_qs(asked.query).items()}
            self._answer(200, json.dumps(self._listed(query)).encode())
        elif (body := self.server.objects.get(self._name())) is not None:
            self._answer(200, body)
        else:
            self._answer(404, b"not found")

    def do_PUT(self) -> None:
        body = self._body()
        if not self._may():
            return
        if self.headers["ETag"] != hashlib.md5(body, usedforsecurity=False).hexdigest():
            self._answer(422, b"Unprocessable Entity")
            return
        self.server.objects[self._name()] = body
        self._answer(201)

    def do_DELETE(self) -> None:
        if self._may():
            there = self.server.objects.pop(self._name(), None)
            self._answer(404 if there is None else 204)

    def _may(self) -> bool:
        path = urlsplit(self.path).path
        if self.headers["X-Auth-Token"] != TOKEN:
            self._answer(401)
        elif path.split("/")[2] != "copies":
            self._answer(404, b"no such container")
        else:
            return True
        return False

    def _listed(self, query: dict[str, str]) -> list[dict[str, Any]]:
        prefix, marker = query.get("prefix", ""), query.get("marker", "")
        names = sorted(n for n in self.server.objects if n.startswith(prefix) and n > marker)
        return [{"name": name} for name in names[:PAGE]]

    def _name(self) -> str:
        return unquote(self.path.split("/", 3)[3])

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"] or 0))

    def _answer(self, code: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def running_swift() -> Iterator[Swift]:
    """Run it, for as long as it is needed."""
    swift = Swift()
    thread = threading.Thread(target=swift.serve_forever)
    thread.start()
    try:
        yield swift
    finally:
        swift.shutdown()
        thread.join()
        swift.server_close()
