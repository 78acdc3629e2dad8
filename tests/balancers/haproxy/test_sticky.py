"""Clients that come back to the machine they met: at a real HAProxy, and what is refused."""

from __future__ import annotations

import http.cookies
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crossgate import (
    Certificate,
    ConfigError,
    ConsulServers,
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
from crossgate.specs import MachinesSpec
from tests.balancers.haproxy.examples import KEY, refused
from tests.balancers.haproxy.test_http import asked, echoes

if TYPE_CHECKING:
    from crossgate.balancers.haproxy.settings import Layout

WEB = Service(name="web", port=8080, protocol="http", command=["/usr/bin/web"], check=TcpCheck())
SHOP = replace(WEB, name="shop")
NAMES = ("one", "two", "three")
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
SITE = Tls(certificates=[Certificate(chain=PEM, key=KEY)])


@pytest.fixture
def machines() -> Iterator[Mapping[str, int]]:
    """Return the ports of three machines by the names they say they have."""
    with echoes(*NAMES) as found:
        yield {name: port for name, (port,) in found.items()}


@pytest.fixture
def site(running: Callable, free_port: Callable[[], int]) -> Callable[..., int]:
    """Return what starts balancers of a sticky listener, one instead of the other."""
    before: list[Any] = []

    def start(ports: Sequence[int], **more: Any) -> int:
        for one in before:
            one.stop()
        listener = Listener(**{"port": free_port(), "mode": "http", "to": WEB} | more, sticky=True)
        servers = {service.name: ports for service in listener.services}
        before.append(running([listener], servers))
        before[-1].settled()
        return listener.port

    return start


def met(port: int, cookie: str = "", path: str = "/") -> tuple[str, str]:
    """Return which machine a request meets, and the cookie that comes with the answer."""
    _, headers, body = asked(port, path, **({"Cookie": cookie} if cookie else {}))
    return body.decode().split('"name": "')[1].partition('"')[0], headers.get("set-cookie", "")


@pytest.mark.live
@pytest.mark.root
def test_a_client_with_its_cookie_meets_the_same_machine(site, machines) -> None:
    port = site(list(machines.values()))
    first, given = met(port)
    cookie = given.partition(";")[0]
    assert {met(port, cookie) for _ in range(9)} == {(first, "")}
    assert {met(port)[0] for _ in range(9)} == set(NAMES)


@pytest.mark.live
@pytest.mark.root
def test_every_balancer_leads_it_there(site, machines) -> None:
    """Whatever the order in which it knows the machines, and though one is gone."""
    port = site(list(machines.values()))
    first, given = met(port)
    others = [machines[name] for name in NAMES if name != first]
    port = site([others[0], machines[first]])
    cookie = given.partition(";")[0]
    assert {met(port, cookie) for _ in range(5)} == {(first, "")}


@pytest.mark.live
@pytest.mark.root
def test_when_the_machine_is_gone_another_takes_its_place(site, machines) -> None:
    port = site(list(machines.values()))
    first, given = met(port)
    port = site([machines[name] for name in NAMES if name != first])
    second, anew = met(port, given.partition(";")[0])
    assert second != first
    assert {met(port, anew.partition(";")[0]) for _ in range(5)} == {(second, "")}


@pytest.mark.live
@pytest.mark.root
def test_each_service_of_a_site_has_a_cookie_of_its_own(site, machines) -> None:
    port = site(list(machines.values()), routes=[Route(path="/shop", to=SHOP)])
    names = [next(iter(http.cookies.SimpleCookie(met(port, path=p)[1]))) for p in ("/", "/shop")]
    assert names == ["crossgate-web", "crossgate-shop"]


@pytest.mark.live
@pytest.mark.root
def test_no_script_reads_the_cookie(site, machines) -> None:
    port = site(list(machines.values()))
    _, headers, _ = asked(port, "/")
    assert "HttpOnly" in headers["set-cookie"]


def text_of(*listeners: Listener) -> str:
    pieces = configuration(listeners).pieces
    return "".join(str(piece) for piece in pieces if isinstance(piece, Text))


def test_with_tls_the_cookie_is_sent_by_tls_alone() -> None:
    plain, secure = (
        text_of(Listener(port=443, mode="http", to=WEB, tls=tls, sticky=True))
        for tls in (None, SITE)
    )
    assert " httponly dynamic" in plain
    assert " httponly secure dynamic" in secure


def test_others_have_no_cookie() -> None:
    assert "cookie" not in text_of(Listener(port=80, mode="http", to=WEB))


@pytest.mark.root
def test_haproxy_accepts_the_file_without_a_warning(
    program: Path, layout: Layout, rendered: Callable, tmp_path: Path
) -> None:
    listener = Listener(
        port=80,
        mode="http",
        to=WEB,
        routes=[Route(path="/shop", to=SHOP)],
        release=Release(to=replace(WEB, name="next"), share=0.1, by="client"),
        sticky=True,
    )
    servers = {service.name: [20001, 20002] for service in listener.services}
    config = tmp_path / "haproxy.cfg"
    file = configuration([listener], layout=layout, cookie_key="a1B2")
    config.write_text(rendered(file, servers), encoding="utf-8")
    assert refused(program, config) == ""


def keys(stack, *listeners: Listener) -> list[set[str]]:
    """Return what secrets the configurations of two clouds hold."""
    clouds = [NullCloud(stack, "here"), NullCloud(stack, "there")]
    consul = ConsulServers(stack, "consul", clouds=clouds)
    HAProxyNodes(stack, "edge", clouds=clouds, discovery=consul, listeners=listeners)
    specs = [s for c in clouds for s in c.asked if isinstance(s, MachinesSpec)]
    return [
        {one.token for one in Text.of(file.text).references() if "password" in one.token}
        for spec in specs
        if spec.name == "test-edge"
        for _, file in spec.document.written()
        if file.path == "/etc/consul-template/haproxy.tpl"
    ]


def test_all_balancers_of_all_clouds_have_one_key(stack) -> None:
    here, there = keys(stack, Listener(port=80, mode="http", to=WEB, sticky=True))
    assert len(here) == 1
    assert here == there


def test_without_a_sticky_listener_there_is_none(stack) -> None:
    assert keys(stack, Listener(port=80, mode="http", to=WEB)) == [set(), set()]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: Listener(
                port=80, mode="http", to=WEB, sticky=True, release=Release(to=SHOP, share=0.1)
            ),
            'do:   part the traffic by client: Release(..., by="client")',
        ),
    ],
)
def test_fails_with_the_place_and_the_way_out(make: Callable[[], object], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert says in str(caught.value)
