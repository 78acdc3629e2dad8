"""The page with a machine's figures: what is on it, and who may read it."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from crossgate.boot import programs
from crossgate.boot.metrics import METRICS_PORT, metrics_document
from crossgate.boot.programs.metrics_page import knows, page, units
from crossgate.model.text import Reference, Text
from lab.daemon import free_port
from tests.boot import programs as checks
from tests.dashboards.watched import figures, get, settings_of, until

PROGRAM = Path(programs.__file__).with_name("metrics_page.py")
PASSWORD = Reference("${random_password.metrics.result}")


@contextmanager
def told(text: str):
    """Answer every question with `text`; yields the address."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture
def settings(tmp_path):
    return {"facts": {}, "pages": {}, "files": f"{tmp_path}/*/metrics.prom", "units": ["x*"]}


def test_all_that_the_machine_tells_is_on_one_page(settings, tmp_path):
    (tmp_path / "heat-keeper").mkdir()
    (tmp_path / "heat-keeper" / "metrics.prom").write_text("healed 3\n")
    with told("raft_peers 3") as url:
        shown = figures(page(settings | {"facts": {"wanted": 5}, "pages": {"consul": url}}))
    assert (shown["wanted"], shown["raft_peers"], shown["healed"]) == (5, 3, 3)
    assert shown['crossgate_part_up{part="consul"}'] == 1
    assert shown['crossgate_part_up{part="heat-keeper"}'] == 1


def test_what_does_not_answer_is_said_to_be_missing_and_the_rest_is_shown(settings, tmp_path):
    nobody = f"http://127.0.0.1:{free_port()}/"
    shown = figures(page(settings | {"facts": {"wanted": 5}, "pages": {"consul": nobody}}))
    assert (shown["wanted"], shown['crossgate_part_up{part="consul"}']) == (5, 0)


def test_no_proxy_of_the_environment_comes_between(settings, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with told("raft_peers 3\n") as url:
        assert "raft_peers 3\n" in page(settings | {"pages": {"consul": url}})


SHOWN = """\
Id=consul.service
LoadState=loaded
ActiveState=active
NRestarts=0

NRestarts=0
Id=haproxy.service
LoadState=not-found
ActiveState=inactive

Id=crossgate-heat-keeper.service
LoadState=loaded
ActiveState=activating
NRestarts=7
"""


def test_units_that_do_not_run_and_how_often_they_were_started_are_seen_and_no_others():
    assert figures(units(SHOWN)) == {
        'crossgate_unit_active{unit="consul.service"}': 1,
        'crossgate_unit_active{unit="crossgate-heat-keeper.service"}': 0,
        'crossgate_unit_restarts_total{unit="consul.service"}': 0,
        'crossgate_unit_restarts_total{unit="crossgate-heat-keeper.service"}': 7,
    }


def basic(login: bytes) -> str:
    return "Basic " + base64.b64encode(login).decode()


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (basic(b"stats:secret"), True),
        (basic(b"stats:secret").replace("Basic", "basic"), True),
        (basic("stats:ö".encode()), False),
        (basic(b"stats:secre"), False),
        (basic(b""), False),
        ("Bearer c3RhdHM6c2VjcmV0", False),
        ("Basic not-base64!", False),
        ("Basic", False),
        ("", False),
        (None, False),
    ],
)
def test_only_the_login_is_the_login(header, known):
    assert knows(header, b"stats:secret") == known


@pytest.fixture
def started(tmp_path, settings):
    """Return what starts the program with a login that systemd hands over."""
    running = []

    def start(login: str | None) -> int:
        port = free_port()
        path = tmp_path / "settings.json"
        path.write_text(json.dumps(settings | {"address": "127.0.0.1", "port": port}))
        environment = dict(os.environ, CREDENTIALS_DIRECTORY=str(tmp_path))
        if login is not None:
            (tmp_path / "login").write_text(login)
        running.append(subprocess.Popen([sys.executable, PROGRAM, path], env=environment))
        until(lambda: _listens(port))
        return port

    yield start
    for process in running:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.process
def test_who_knows_the_login_reads_the_page_and_nobody_else(started):
    port = started("stats:secret\n")
    for path in ("/metrics", "/metrics/machine"):
        assert get(port, path)[0] == 200
        assert get(port, path, "stats:guessed")[0] == 401
        assert get(port, path, None) == (401, "")
    assert get(port, "/../../etc/passwd")[0] == 404
    assert get(port, "/nothing", None)[0] == 401


@pytest.mark.process
def test_one_that_never_asks_keeps_nobody_waiting(started):
    port = started("stats:secret\n")
    with (
        socket.create_connection(("127.0.0.1", port)),
        socket.create_connection(("127.0.0.1", port)) as silent,
    ):
        silent.sendall(b"GET /metr")
        assert get(port, "/metrics")[0] == 200


@pytest.mark.process
def test_without_a_login_it_never_listens_for_others(tmp_path, settings):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(settings | {"address": "0.0.0.0", "port": 0}))  # noqa: S104  (as a server has it)
    done = subprocess.run(
        [sys.executable, PROGRAM, path], capture_output=True, text=True, check=False, timeout=20
    )
    assert (done.returncode, done.stderr) == (1, "no login was handed over, and others could ask\n")


def test_where_others_ask_the_login_is_a_reference_in_a_file_for_root():
    document = metrics_document(pages={}, password=PASSWORD)
    (login,) = [file for _, file in document.written() if Text.of(file.text).references()]
    assert (login.mode, login.owner) == (0o600, "root:root")
    assert login.text == Text.of("stats:", PASSWORD, "\n")
    assert settings_of(document, "metrics-page.json")["port"] == METRICS_PORT


def test_without_a_password_only_the_machine_itself_can_ask():
    settings = settings_of(metrics_document(pages={}), "metrics-page.json")
    assert settings["address"] == "127.0.0.1"


@pytest.mark.root
@pytest.mark.parametrize("password", [None, PASSWORD])
def test_systemd_accepts_the_unit(password, tmp_path):
    checks.assert_systemd_accepts(metrics_document(pages={}, password=password), tmp_path)
