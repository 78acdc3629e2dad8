"""What is told of a balancer: of its list, of old processes, of sessions that did not end well."""

from __future__ import annotations

import contextlib
import os
import socket
import time

import pytest

from crossgate.balancers.haproxy.config import configuration
from crossgate.balancers.haproxy.programs.haproxy_seen import List, Sessions
from crossgate.balancers.haproxy.settings import Seen
from crossgate.model.listener import Listener
from crossgate.model.service import Service
from lab.daemon import free_port
from tests.dashboards.watched import Watched, get, until

API = Service(name="api", port=9190, command=["/usr/bin/api"])
FAILED = "crossgate_haproxy_failed_sessions_total"


@pytest.fixture
def watched(tmp_path):
    with Watched(tmp_path) as watched:
        yield watched


@pytest.fixture
def listener():
    return Listener(port=free_port(), to=API)


def failed(watched: Watched, listener: Listener) -> dict[str, float]:
    """Return the failed sessions of a listener, by termination state."""
    mine = f'{FAILED}{{proxy="api-{listener.port}",state="'
    return {name[len(mine) : -2]: n for name, n in watched.told().items() if name.startswith(mine)}


# As HAProxy 2.6 sends them: with `option tcplog`, and with `option httplog` over TLS.
TCP = (
    "<134>Nov 28 13:00:00 haproxy[7]: 10.0.0.9:40000 [28/Nov/2026:13:00:00.000] api-9000 "
    "api-9000/one 1/0/5000 212 SD 1/1/0/0/0 0/0"
)
HTTP = (
    "<134>Nov 28 13:00:00 haproxy[7]: 10.0.0.9:40000 [28/Nov/2026:13:00:00.000] api-9000~ "
    'api-9000/<NOSRV> 0/-1/-1/-1/0 503 217 - - SC-- 1/1/0/0/3 0/0 "GET / HTTP/1.1"'
)
NOTICE = "<133>Nov 28 13:00:00 haproxy[7]: Server api-9000/one is DOWN, reason: Layer4 timeout"


@pytest.mark.parametrize(("line", "state"), [(TCP, "SD"), (HTTP, "SC")])
def test_a_session_is_counted_by_how_it_ended(line, state):
    sessions = Sessions(["api-9000"])
    for _ in range(2):
        sessions.count(line)
    assert sessions.figures() == {f'{FAILED}{{proxy="api-9000",state="{state}"}}': 2}


@pytest.mark.parametrize("line", [NOTICE, TCP.replace("api-9000", "web-80"), "", "\ufffd"])
def test_what_is_no_session_of_a_listener_is_not_counted(line):
    sessions = Sessions(["api-9000"])
    sessions.count(line)
    assert sessions.figures() == {}


@pytest.fixture
def known(tmp_path):
    for name in ("staged", "live"):
        (tmp_path / name).write_text("servers")
    names = ("staged", "live", "counts")
    return List({name: str(tmp_path / name) for name in names})


def test_a_list_is_confirmed_when_the_discovery_answers_and_haproxy_runs_with_what_it_wrote(known):
    found = known.figures(answered=True, now=1000.0)
    assert found["crossgate_list_frozen"] == 0
    assert found["crossgate_list_confirmed_timestamp_seconds"] == 1000.0


def test_a_list_is_frozen_while_nobody_says_that_it_is_true_and_its_age_is_seen(known):
    known.figures(answered=True, now=1000.0)
    found = known.figures(answered=False, now=1060.0)
    assert (found["crossgate_list_frozen"], found["crossgate_discovery_answers"]) == (1, 0)
    assert found["crossgate_list_confirmed_timestamp_seconds"] == 1000.0


def test_a_list_that_haproxy_did_not_take_is_frozen(known, tmp_path):
    (tmp_path / "staged").write_text("nonsense")
    found = known.figures(answered=True, now=1000.0)
    assert (found["crossgate_list_frozen"], found["crossgate_discovery_answers"]) == (1, 1)


def test_a_balancer_without_any_list_is_frozen_and_says_no_age(known, tmp_path):
    (tmp_path / "live").unlink()
    found = known.figures(answered=True, now=1000.0)
    assert found["crossgate_list_frozen"] == 1
    assert not [name for name in found if "timestamp" in name]


def test_the_list_was_written_when_haproxy_took_it(known, tmp_path):
    os.utime(tmp_path / "live", (500, 500))
    found = known.figures(answered=True, now=1000.0)
    assert found["crossgate_list_written_timestamp_seconds"] == 500


def test_what_the_script_counted_is_told_from_zero_on(known, tmp_path):
    refused = 'crossgate_list_refused_total{by="haproxy"}'
    assert known.figures(answered=True, now=1.0)[refused] == 0
    (tmp_path / "counts").mkdir()
    (tmp_path / "counts" / "refused-haproxy").write_text("3\n")
    assert known.figures(answered=True, now=1.0)[refused] == 3


def sections(seen: Seen) -> str:
    pieces = configuration([Listener(port=9000, to=API)], seen=seen).pieces
    return "".join(map(str, pieces))


def test_without_figures_and_page_nothing_listens_and_no_login_is_asked_for():
    text = sections(Seen(metrics=False, page=False))
    assert "8404" not in text
    assert "stats.login" not in text
    assert "prometheus" not in text


def test_without_logs_no_session_is_in_the_journal_and_each_is_counted():
    front = sections(Seen(logs=False)).partition("\nfrontend api-9000\n")[2]
    assert front.index("    no log\n") < front.index("    log 127.0.0.1:8407 local0\n")


def test_without_figures_nobody_is_told_how_sessions_ended():
    assert "8407" not in sections(Seen(metrics=False))


@pytest.mark.live
@pytest.mark.root
@pytest.mark.parametrize(
    ("seen", "page", "metrics"),
    [(Seen(), 200, 200), (Seen(page=False), 404, 200), (Seen(metrics=False), 200, 200)],
)
def test_one_place_shows_page_and_figures_to_who_knows_the_login(
    watched, listener, seen, page, metrics
):
    watched.haproxy([listener], {"api": [free_port()]}, seen)
    watched.page({})
    for path in ("/", "/metrics", "/metrics/machine"):
        assert get(watched.stats_port, path, None)[0] == 401
        assert get(watched.stats_port, path, "stats:guessed")[0] == 401
    assert get(watched.stats_port, "/")[0] == page
    status, text = get(watched.stats_port, "/metrics")
    assert (status, "haproxy_process_uptime_seconds" in text) == (metrics, seen.metrics)
    assert ("crossgate_part_up" in get(watched.stats_port, "/metrics/machine")[1]) == seen.metrics


@pytest.mark.live
@pytest.mark.root
def test_a_page_of_figures_that_is_gone_leaves_the_rest(watched, listener):
    watched.haproxy([listener], {"api": [free_port()]})
    assert get(watched.stats_port, "/metrics/machine")[0] == 503
    assert get(watched.stats_port, "/metrics")[0] == 200


@pytest.mark.live
@pytest.mark.root
def test_sessions_that_find_no_server_are_counted_as_sc(watched, listener):
    watched.look([listener], ["/bin/true"])
    watched.haproxy([listener], {"api": []})
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", listener.port), timeout=5) as client:
            assert client.recv(1) == b""
    until(lambda: failed(watched, listener) == {"SC": 3})


@pytest.mark.live
@pytest.mark.root
def test_a_session_that_its_server_breaks_off_is_counted_and_one_that_ends_well_is_not(
    watched, listener
):
    watched.look([listener], ["/bin/true"])
    with socket.create_server(("127.0.0.1", 0)) as server:
        watched.haproxy([listener], {"api": [server.getsockname()[1]]})
        for broken in (False, True):
            with socket.create_connection(("127.0.0.1", listener.port), timeout=5) as client:
                client.sendall(b"?")
                with served(server) as accepted:
                    if broken:
                        accepted.setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
                        )
                with contextlib.suppress(ConnectionResetError):
                    client.recv(1)
    until(lambda: failed(watched, listener) == {"SD": 1})
    time.sleep(0.5)
    assert failed(watched, listener) == {"SD": 1}


@pytest.mark.live
@pytest.mark.root
@pytest.mark.parametrize("logs", [True, False])
def test_a_session_that_fails_is_counted_and_in_the_journal_unless_logs_are_off(
    watched, listener, logs
):
    with socket.socket(type=socket.SOCK_DGRAM) as journal:
        journal.bind(("127.0.0.1", 0))
        journal.settimeout(2)
        watched.look([listener], ["/bin/true"])
        servers = {"api": [free_port()]}
        watched.haproxy([listener], servers, Seen(logs=logs), journal.getsockname()[1])
        with socket.create_connection(("127.0.0.1", listener.port), timeout=5) as client:
            assert client.recv(1) == b""
        until(lambda: failed(watched, listener) == {"SC": 1})
        said = []
        with contextlib.suppress(TimeoutError):
            while True:
                said.append(journal.recv(65535).decode())
    lines = [line for line in said if f" api-{listener.port} " in line and " SC " in line]
    assert len(lines) == int(logs)
    assert any("has no server available" in line for line in said)


@contextlib.contextmanager
def served(server: socket.socket):
    """Accept until a connection says something: HAProxy's checks say nothing."""
    while True:
        accepted, _ = server.accept()
        with accepted:
            if accepted.recv(1):
                yield accepted
                return


@pytest.mark.live
@pytest.mark.root
def test_old_processes_and_their_connections_are_counted_until_they_end(watched, listener):
    watched.look([listener], ["/bin/true"])
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        haproxy = watched.haproxy([listener], {"api": [server.getsockname()[1]]})
        until(lambda: watched.told()["crossgate_haproxy_answers"] == 1)
        assert watched.told()["crossgate_haproxy_old_workers"] == 0
        with socket.create_connection(("127.0.0.1", listener.port), timeout=5) as client:
            client.sendall(b"?")
            with served(server):
                watched.reload(haproxy)
                until(lambda: watched.told().get("crossgate_haproxy_old_workers") == 1)
                until(lambda: watched.told().get("crossgate_haproxy_old_connections") == 1)
        until(lambda: watched.told().get("crossgate_haproxy_old_workers") == 0)


@pytest.mark.live
@pytest.mark.root
def test_a_haproxy_that_is_away_is_said_to_be(watched, listener):
    watched.look([listener], ["/bin/false"])
    told = watched.told()
    assert told["crossgate_haproxy_answers"] == 0
    assert (told["crossgate_list_frozen"], told["crossgate_discovery_answers"]) == (1, 0)
