from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from crossgate.balancers.haproxy.config import configuration
from crossgate.balancers.haproxy.settings import Timing
from crossgate.errors import ConfigError
from crossgate.model.check import HttpCheck, TcpCheck, ThriftCheck
from crossgate.model.listener import Listener
from crossgate.model.service import Service
from crossgate.model.text import Text
from crossgate.specs import ServerLines
from tests.balancers.haproxy.examples import refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crossgate.balancers.haproxy.settings import Layout

API = Service(name="api", port=9190, protocol="thrift", command=["/usr/bin/api"])
WEB = Service(name="web", port=8080, protocol="http", command=["/usr/bin/web"])
RAW = Service(name="raw", port=7000, command=["/usr/bin/raw"])
FRAMED = Service(
    name="framed",
    port=9191,
    protocol="thrift",
    command=["/usr/bin/framed"],
    check=ThriftCheck(transport="framed"),
)
LISTENERS = [Listener(port=9000 + n, to=to) for n, to in enumerate((API, WEB, RAW, FRAMED))]


def text_of(*listeners: Listener) -> str:
    """Return the file with `{name}`, `{address}` and `{port}` where the servers go."""
    pieces = configuration(listeners).pieces
    return "".join(str(piece) if isinstance(piece, Text) else piece.line for piece in pieces)


@pytest.mark.root
@pytest.mark.parametrize("ports", [(), (20001,), (20001, 20002, 20003)])
def test_haproxy_accepts_the_file_without_a_warning(
    program: Path, layout: Layout, rendered: Callable, tmp_path: Path, ports: tuple[int, ...]
) -> None:
    servers = {listener.to.name: ports for listener in LISTENERS}
    config = tmp_path / "haproxy.cfg"
    config.write_text(rendered(configuration(LISTENERS, layout=layout), servers), encoding="utf-8")
    assert refused(program, config) == ""


def test_each_listener_has_its_own_servers() -> None:
    found = [p for p in configuration(LISTENERS).pieces if isinstance(p, ServerLines)]
    assert [lines.service for lines in found] == [API, WEB, RAW, FRAMED]


def test_two_listeners_may_lead_to_one_service() -> None:
    text = text_of(Listener(port=9000, to=API), Listener(port=9001, to=API))
    for name in ("api-9000", "api-9001"):
        assert f"\nfrontend {name}\n" in text
        assert f"\nbackend {name}\n" in text
        assert f"    default_backend {name}\n" in text


def test_a_silent_connection_lasts_as_long_as_the_listener_says() -> None:
    text = text_of(Listener(port=9000, to=API, idle=timedelta(minutes=5)))
    for which in ("client", "server", "tunnel"):
        assert f"    timeout {which} 300000ms\n" in text


def test_each_server_line_says_all_of_itself() -> None:
    """HAProxy hears no default for a server that it is told of while it runs."""
    line = next(p.line for p in configuration(LISTENERS).pieces if isinstance(p, ServerLines))
    assert line == (
        "    server {name} {address}:{port} tcp-ut 400ms "
        "check inter 150ms fastinter 50ms downinter 500ms fall 2 rise 2 "
        "observe layer4 error-limit 1 on-error fastinter on-marked-down shutdown-sessions\n"
    )
    assert "default-server" not in text_of(*LISTENERS)


def test_the_fastest_safe_timers_are_the_default() -> None:
    text = text_of(*LISTENERS)
    for line in (
        "timeout connect 50ms",
        "timeout check 180ms",
        "balance leastconn",
        "retries 3",
        "option redispatch 1",
    ):
        assert f"    {line}\n" in text


def test_the_stats_page_is_on_the_loopback_address() -> None:
    assert "\n    bind 127.0.0.1:8404\n" in text_of(*LISTENERS)


def test_old_workers_are_bounded() -> None:
    text = str(configuration(LISTENERS, drain=timedelta(minutes=10)).pieces[0])
    assert "    hard-stop-after 600000ms\n" in text


def test_fails_on_a_duration_that_haproxy_cannot_count() -> None:
    with pytest.raises(ConfigError) as caught:
        configuration([Listener(port=9000, to=API, idle=timedelta(days=30))])
    assert str(caught.value) == (
        "Listener(9000): idle: is longer than HAProxy can count\n"
        "  got:  '30 days, 0:00:00'\n"
        "  want: 24 days at most"
    )


def test_fails_on_a_fraction_of_a_millisecond() -> None:
    timing = Timing(connect=timedelta(microseconds=1500))
    with pytest.raises(ConfigError, match="connect: must be a whole number of milliseconds"):
        configuration(LISTENERS, timing=timing)


def test_each_protocol_gets_the_check_of_its_service() -> None:
    by_name = {
        listener.to.name: str(piece)
        for listener, piece in zip(LISTENERS, configuration(LISTENERS).pieces[4::2], strict=True)
        if isinstance(piece, Text)
    }
    assert isinstance(API.asked, ThriftCheck)
    assert isinstance(WEB.asked, HttpCheck)
    assert type(RAW.asked) is TcpCheck
    assert "send-binary 8001" in by_name["api"]
    assert "option httpchk" in by_name["web"]
    assert "send" not in by_name["raw"]
    assert "send-binary 000000" in by_name["framed"]
