"""Listeners that send clients to the one with TLS: at a real HAProxy, and what is refused."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crossgate import (
    Certificate,
    ConfigError,
    ConsulServers,
    Gateway,
    HAProxyNodes,
    Listener,
    NullCloud,
    Release,
    Route,
    Service,
    TcpCheck,
    Tls,
)
from crossgate.balancers.haproxy.config import configuration
from crossgate.model.text import Text
from crossgate.specs import EntrySpec, ServerLines
from tests.balancers.haproxy.examples import KEY, refused

if TYPE_CHECKING:
    from crossgate.balancers.haproxy.settings import Layout

WEB = Service(name="web", port=8080, protocol="http", command=["/usr/bin/web"], check=TcpCheck())
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
SITE = Tls(certificates=[Certificate(chain=PEM, key=KEY)])


def redirecting(port: int = 80, to: int = 443, **more: Any) -> Listener:
    return Listener(**{"port": port, "mode": "http", "to": WEB, "redirect_to": to} | more)


@pytest.fixture
def ask(running: Callable, free_port: Callable[[], int]) -> Callable[..., http.client.HTTPResponse]:
    """Return what asks a listener that redirects."""

    def asked(to: int, path: str, host: str | None, method: str = "GET") -> Any:
        port = free_port()
        running([redirecting(port, to)], {})
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.putrequest(method, path, skip_host=True)
        if host is not None:
            connection.putheader("Host", host)
        connection.endheaders()
        answer = connection.getresponse()
        connection.close()
        return answer

    return asked


@pytest.mark.live
@pytest.mark.root
@pytest.mark.parametrize(
    ("to", "host", "place"),
    [
        (443, "site.example.org", "https://site.example.org"),
        (443, "site.example.org:80", "https://site.example.org"),
        (443, "site.example.org:", "https://site.example.org"),
        (443, "[2001:db8::1]:8080", "https://[2001:db8::1]"),
        (8443, "site.example.org", "https://site.example.org:8443"),
        (8443, "site.example.org:80", "https://site.example.org:8443"),
        (8443, "[2001:db8::1]", "https://[2001:db8::1]:8443"),
    ],
)
def test_a_request_is_sent_to_the_same_site_with_tls(ask, to: int, host: str, place: str) -> None:
    answer = ask(to, "/v1/orders?page=2", host)
    assert (answer.status, answer.getheader("Location")) == (308, f"{place}/v1/orders?page=2")


@pytest.mark.live
@pytest.mark.root
def test_a_long_path_comes_through_whole(ask) -> None:
    path = f"/{'a' * 4000}?{'b' * 4000}"
    answer = ask(443, path, "site.example.org", "POST")
    assert answer.getheader("Location") == f"https://site.example.org{path}"


@pytest.mark.live
@pytest.mark.root
@pytest.mark.parametrize("host", [None, "", ":80"])
def test_who_names_no_site_is_sent_nowhere(ask, host: str | None) -> None:
    assert ask(443, "/evil.example.org/", host).status == 400


@pytest.mark.root
def test_haproxy_accepts_the_file_without_a_warning(
    program: Path, layout: Layout, rendered: Callable, tmp_path: Path
) -> None:
    config = tmp_path / "haproxy.cfg"
    listeners = [redirecting(), redirecting(81, 8443, accept_proxy=True, rate=10)]
    config.write_text(rendered(configuration(listeners, layout=layout), {}), encoding="utf-8")
    assert refused(program, config) == ""


def test_it_leads_to_no_machine() -> None:
    pieces = configuration([redirecting()]).pieces
    assert not [piece for piece in pieces if isinstance(piece, ServerLines)]
    text = "".join(str(piece) for piece in pieces if isinstance(piece, Text))
    assert "web-80" in text
    assert "_backend web-80" not in text
    assert "\nbackend web-80" not in text


def edge(stack, *listeners: Listener) -> NullCloud:
    cloud = NullCloud(stack, "here")
    consul = ConsulServers(stack, "consul", clouds=[cloud])
    HAProxyNodes(stack, "edge", clouds=[cloud], discovery=consul, listeners=listeners)
    return cloud


def test_the_entry_leads_to_both(stack) -> None:
    site = Listener(port=443, mode="http", to=WEB, tls=SITE)
    (entry,) = (e for e in edge(stack, redirecting(), site).asked if isinstance(e, EntrySpec))
    assert list(entry.ports) == [80, 443]


@pytest.mark.parametrize(
    "other",
    [
        Listener(port=443, mode="http", to=WEB),
        Listener(port=443, to=WEB, tls=SITE),
        Listener(port=444, mode="http", to=WEB, tls=SITE),
    ],
)
def test_there_must_be_a_listener_that_speaks_http_with_tls(stack, other: Listener) -> None:
    with pytest.raises(ConfigError, match=r"where no listener speaks HTTP with TLS") as caught:
        edge(stack, redirecting(), other)
    assert "test/edge: listeners: port 80 sends requests" in str(caught.value)


def test_a_gateway_file_names_the_listeners(stack, tmp_path: Path) -> None:
    file = tmp_path / "gateway.json"
    said = {
        "clouds": {
            "here": {"type": "aws", "region": "eu-west-1", "zones": ["eu-west-1a", "eu-west-1b"]}
        },
        "services": [
            {
                "name": "web",
                "port": 8080,
                "protocol": "http",
                "image": "registry.example.org/web:1",
            }
        ],
        "listeners": [{"port": 80, "mode": "http", "to": "web", "redirect_to": 443}],
    }
    file.write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^gateway.json: listeners: .*port 80 sends requests"):
        Gateway.from_file(stack, "gw", file)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"mode": "tcp"}, "says redirect_to, which only HTTP has"),
        ({"tls": SITE}, "says tls, and sends every request elsewhere"),
        ({"maintenance": "<h1>Soon</h1>"}, "says maintenance, and sends every request elsewhere"),
        ({"routes": [Route(path="/v1", to=WEB)]}, "say it in the listener at port 443"),
        ({"release": Release(to=WEB, share=0.1)}, "say it in the listener at port 443"),
    ],
)
def test_it_says_nothing_of_where_requests_would_go(more: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        redirecting(**more)
    assert says in str(caught.value)
