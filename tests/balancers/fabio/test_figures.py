"""How many connections a Fabio has, as the machine's own table says it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgate.balancers.fabio.programs.fabio_figures import figures, open_to, own, places

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"


def row(address: str, port: int, state: str = "01") -> str:
    number = int.from_bytes(socket.inet_aton(address), "little")
    return f"   0: 0100007F:1234 {number:08X}:{port:04X} {state} 00000000:00000000 00:00000000\n"


def test_a_route_says_which_service_is_where() -> None:
    routes = [
        {"service": "api", "dst": "tcp://10.0.0.1:9190"},
        {"service": "web", "dst": "http://10.0.0.2:8080/"},
    ]
    assert places(routes) == {"10.0.0.1:9190": "api", "10.0.0.2:8080": "web"}


@given(st.ip_addresses(v=4), st.integers(1, 65535))
def test_the_other_end_is_read_as_it_is_written(address, port) -> None:
    assert open_to(HEAD + row(str(address), port)) == [f"{address}:{port}"]


def test_connections_that_are_open_are_counted_by_service() -> None:
    known = {"10.0.0.1:9190": "api", "10.0.0.2:9190": "api", "10.0.0.3:8080": "web"}
    rows = [("10.0.0.1", 9190), ("10.0.0.1", 9190), ("10.0.0.2", 9190), ("10.0.0.9", 9190)]
    table = HEAD + "".join(row(*one) for one in rows) + row("10.0.0.3", 8080, "06")
    assert figures(["api", "web"], known, table) == {
        "api": {"connections": 3, "queue": 0},
        "web": {"connections": 0, "queue": 0},
    }


def test_figures_of_its_runtime_are_left_to_others() -> None:
    page = (
        "# HELP go_gc x\n# TYPE go_gc gauge\ngo_gc 1\n"
        "# HELP fabio_tcp_conn x\n# TYPE fabio_tcp_conn counter\nfabio_tcp_conn 3\n"
        'fabio_route_rx{service="api"} 5\nprocess_open_fds 9\n'
    )
    assert own(page) == (
        "# HELP fabio_tcp_conn x\n# TYPE fabio_tcp_conn counter\nfabio_tcp_conn 3\n"
        'fabio_route_rx{service="api"} 5\n'
    )


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux")
def test_linux_writes_it_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
        with socket.create_connection(server.getsockname()[:2]):
            assert open_to(Path("/proc/net/tcp").read_text()).count(place) == 1
