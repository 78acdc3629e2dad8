"""Shows the figures of this machine to a Prometheus, all on one page.

    metrics_page.py SETTINGS

They are what others of the machine tell on pages of their own on the loopback address, what they
write into files, whether the machine's units run, and facts. A part that does not answer is left
out, and said to be: the page always comes. It asks for the login that systemd hands over as the
credential `login`; without one it is for the loopback address.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, build_opener

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PATHS = ("/metrics", "/metrics/machine")
_SECONDS = 5
_PATIENCE_SECONDS = 10
"""A client that says nothing for so long is left."""

_TEXT = "text/plain; version=0.0.4; charset=utf-8"


def page(settings: Mapping[str, Any]) -> str:
    """Return all figures as Prometheus reads them."""
    shown = [f"{name} {number}\n" for name, number in settings["facts"].items()]
    up = {}
    for name, text in _parts(settings):
        up[name] = text is not None
        shown.append(text or "")
    parts = "".join(f'crossgate_part_up{{part="{name}"}} {int(up[name])}\n' for name in up)
    return "".join([*shown, parts])


def _parts(settings: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    for name, url in settings["pages"].items():
        yield name, _told(url)
    for path in sorted(Path("/").glob(settings["files"].lstrip("/"))):
        yield path.parent.name, _written(path)
    yield "systemd", _units(settings["units"])


def _told(url: str) -> str | None:
    """Return what another page says; whatever the environment says of proxies, from here."""
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=_SECONDS) as answer:
            text: str = answer.read().decode()
    except (OSError, ValueError):
        return None
    return text if text.endswith("\n") else f"{text}\n"


def _written(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def _units(patterns: list[str]) -> str | None:
    command = [
        "systemctl",
        "show",
        "--property=Id,LoadState,ActiveState,NRestarts",
        "--",
        *patterns,
    ]
    try:
        done = subprocess.run(  # noqa: S603  (the system's own program)
            command, check=True, capture_output=True, text=True, timeout=_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return units(done.stdout)


def units(said: str) -> str:
    """Return the figures of units.

    Args:
        said: what `systemctl show` answers: lines of a unit, and an empty one between two.

    """
    lines = []
    for block in said.strip().split("\n\n"):
        of = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        # Who asks for a unit by its whole name is told of one that is not there, too.
        if (name := of.get("Id")) and of.get("LoadState") == "loaded":
            active = int(of.get("ActiveState") in {"active", "reloading"})
            lines.append(f'crossgate_unit_active{{unit="{name}"}} {active}\n')
            restarts = of.get("NRestarts", "")
            if restarts.isdigit():
                lines.append(f'crossgate_unit_restarts_total{{unit="{name}"}} {restarts}\n')
    return "".join(sorted(lines))


def knows(header: str | None, login: bytes) -> bool:
    """Return whether an Authorization header says the login, `user:password`."""
    kind, _, said = (header or "").partition(" ")
    try:
        told = base64.b64decode(said.strip(), validate=True)
    except ValueError:
        return False
    return kind.lower() == "basic" and hmac.compare_digest(told, login)


class _Request(BaseHTTPRequestHandler):
    server: _Server
    timeout = _PATIENCE_SECONDS

    def do_GET(self) -> None:  # the standard library's name
        """Answer one question."""
        login = self.server.login
        if login and not knows(self.headers.get("Authorization"), login):
            self._answer(401, "")
        elif self.path.partition("?")[0] not in PATHS:
            self._answer(404, "")
        else:
            self._answer(200, page(self.server.settings))

    def _answer(self, status: int, text: str) -> None:
        said = text.encode()
        self.send_response(status)
        if status == 401:  # noqa: PLR2004  (HTTP's own number)
            self.send_header("WWW-Authenticate", 'Basic realm="Metrics"')
        self.send_header("Content-Type", _TEXT)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def version_string(self) -> str:
        """Tell nobody what runs here."""
        return "crossgate"

    def log_message(self, *_: object) -> None:
        """Say nothing: who scrapes does it every few seconds."""


# Not http.server's own, which asks DNS what it is called before it listens.
class _Server(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, settings: Mapping[str, Any], login: bytes) -> None:
        super().__init__((settings["address"], settings["port"]), _Request)
        self.settings = settings
        self.login = login

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that went away."""


def main(path: str) -> None:
    """Answer until stopped.

    Raises:
        SystemExit: there is no login, and others than this machine could ask.

    """
    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    credential = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nowhere"), "login")
    login = credential.read_bytes().strip() if credential.exists() else b""
    if not login and not settings["address"].startswith("127."):
        raise SystemExit("no login was handed over, and others could ask")
    _Server(settings, login).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
