"""What Fabio is told, and what it is not asked for because it cannot."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crossgate import Certificate, ConfigError, Listener, Release, Route, Service, Tls
from crossgate.balancers.fabio.config import properties, refuse_what_fabio_has_not, tags

API = Service(name="api", port=9190, protocol="thrift", command=["/x"])
NEXT = Service(name="api-next", port=9190, protocol="thrift", command=["/x"])
WEB = Service(name="web", port=8080, protocol="http", command=["/x"])
SHOP = Service(name="shop", port=8081, protocol="http", command=["/x"])
ORDERS = Service(name="orders", port=8083, protocol="grpc", command=["/x"])
RPC = Service(name="rpc", port=8082, protocol="grpc", command=["/x"])
PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
SITE = Tls(certificates=[Certificate(chain=PEM, key_variable="site_key")])


def said(*listeners: Listener) -> list[tuple[str, str]]:
    return [(service.name, tag) for one in listeners for service, tag in tags("edge", one)]


def read(*listeners: Listener, metrics: bool = False) -> dict[str, str]:
    text = properties("edge", listeners, consul="127.0.0.1:8500", strategy="rr", metrics=metrics)
    return dict(line.split(" = ", 1) for line in text.splitlines())


def test_a_tcp_service_is_routed_by_the_listeners_port() -> None:
    assert said(Listener(port=9000, to=API)) == [("api", "urlprefix-edge=:9000 proto=tcp")]


def test_balancers_of_another_name_read_other_tags() -> None:
    assert read(Listener(port=9000, to=API))["registry.consul.tagprefix"] == "urlprefix-edge="


def test_requests_are_routed_by_host_and_path() -> None:
    routes = [Route(host="shop.example.org", to=SHOP), Route(path="/v1/", to=SHOP)]
    assert said(Listener(port=80, mode="http", to=WEB, routes=routes)) == [
        ("web", "urlprefix-edge=/*"),
        ("shop", "urlprefix-edge=shop.example.org/*"),
        ("shop", "urlprefix-edge=/v1"),
        ("shop", "urlprefix-edge=/v1/*"),
    ]


def test_a_host_is_asked_for_with_a_port_that_is_not_the_usual_one() -> None:
    routes = [Route(host="shop.example.org", to=SHOP)]
    hosts = [tag for name, tag in said(Listener(port=8080, mode="http", to=WEB, routes=routes))]
    assert "urlprefix-edge=shop.example.org:8080/*" in hosts


def test_calls_of_grpc_are_routed_as_such() -> None:
    routes = [Route(path="/shop.v1.Orders", to=ORDERS)]
    assert ("orders", "urlprefix-edge=/shop.v1.Orders/* proto=grpc") in said(
        Listener(port=50051, mode="http", to=RPC, routes=routes)
    )


def test_a_service_is_told_who_the_client_is() -> None:
    wants = Service(name="api", port=9190, command=["/x"], send_proxy="v1")
    assert said(Listener(port=9000, to=wants)) == [
        ("api", "urlprefix-edge=:9000 proto=tcp pxyproto=true")
    ]


@pytest.mark.parametrize(
    ("listener", "address"),
    [
        (Listener(port=9000, to=API), ":9000;proto=tcp"),
        (Listener(port=9000, to=API, accept_proxy=True), ":9000;proto=tcp;pxyproto=true"),
        (Listener(port=80, mode="http", to=WEB), ":80"),
        (Listener(port=443, mode="http", to=WEB, tls=SITE), ":443;cs=tls-443;tlsmin=tls12"),
        (Listener(port=443, to=API, tls=SITE), ":443;proto=tcp;cs=tls-443;tlsmin=tls12"),
        (Listener(port=50051, mode="http", to=RPC), ":50051;proto=grpc"),
        (
            Listener(port=50051, mode="http", to=RPC, tls=SITE),
            ":50051;proto=grpcs;cs=tls-50051;tlsmin=tls12",
        ),
    ],
)
def test_a_listener_is_an_address_with_what_is_spoken_there(listener, address) -> None:
    assert read(listener)["proxy.addr"] == address


def test_clients_that_must_show_a_certificate_are_asked_for_it() -> None:
    tls = Tls(certificates=SITE.certificates, client_ca=PEM)
    assert read(Listener(port=443, to=API, tls=tls))["proxy.cs"] == (
        "cs=tls-443;type=path;cert=/etc/fabio/tls-443;clientca=/etc/fabio/tls-443-clients"
    )


def test_its_page_and_its_figures_are_for_the_machine_itself() -> None:
    made = read(Listener(port=9000, to=API), metrics=True)
    assert made["ui.addr"] == "127.0.0.1:9998"
    assert made["ui.access"] == "ro"
    assert made["proxy.addr"].endswith(",127.0.0.1:9997;proto=prometheus")


@pytest.mark.parametrize(
    ("listener", "why"),
    [
        (Listener(port=9000, to=API, max_connections=10), "limits no connections"),
        (Listener(port=9000, to=API, per_source=10), "counts no connections of an address"),
        (Listener(port=9000, to=API, rate=10), "counts no connections of an address"),
        (Listener(port=9000, to=API, sticky=True), "leads nobody back"),
        (Listener(port=80, mode="http", to=WEB, maintenance="<p>x"), "one page for all"),
        (Listener(port=9000, to=API, release=Release(to=NEXT, share=0.1)), "to each machine"),
        (Listener(port=9000, to=API, idle=timedelta(minutes=5)), "ends no connection"),
        (Listener(port=9000, to=API, queue=timedelta(seconds=5)), "lets nobody wait"),
        (
            Listener(
                port=443,
                mode="http",
                to=WEB,
                tls=Tls(certificates=SITE.certificates, client_ca=PEM),
            ),
            "what their certificate says",
        ),
        (Listener(port=443, to=WEB, tls=SITE), "may not speak"),
        (
            Listener(port=80, mode="http", to=WEB, routes=[Route(path="/v1", to=RPC)]),
            "either HTTP or gRPC",
        ),
        (
            Listener(port=80, mode="http", to=RPC, routes=[Route(host="a.b", to=ORDERS)]),
            "does not look at the host",
        ),
    ],
)
def test_what_fabio_cannot_do_is_refused(listener, why) -> None:
    with pytest.raises(ConfigError, match=why) as raised:
        refuse_what_fabio_has_not([listener], "test/edge")
    assert "HAProxyNodes" in str(raised.value)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"max_connections": 5}, "lets nobody wait"),
        ({"agent_port": 9191}, "asks no agent"),
        ({"send_proxy": "v2"}, "writes version 1"),
    ],
)
def test_what_a_service_wants_of_fabio_and_does_not_get_is_refused(more, why) -> None:
    service = Service(name="api", port=9190, command=["/x"], **more)
    with pytest.raises(ConfigError, match=why):
        refuse_what_fabio_has_not([Listener(port=9000, to=service)], "test/edge")


def test_tcp_and_http_together_are_refused() -> None:
    """A request whose host is `:9000` would be led to the service of that port."""
    listeners = [Listener(port=9000, to=API), Listener(port=80, mode="http", to=WEB)]
    with pytest.raises(ConfigError, match="one table for both"):
        refuse_what_fabio_has_not(listeners, "test/edge")


def test_http_listeners_that_lead_to_different_places_are_refused() -> None:
    listeners = [Listener(port=80, mode="http", to=WEB), Listener(port=81, mode="http", to=SHOP)]
    with pytest.raises(ConfigError, match="by one table"):
        refuse_what_fabio_has_not(listeners, "test/edge")


def test_http_listeners_that_lead_to_the_same_places_may_stand_together() -> None:
    listeners = [
        Listener(port=80, mode="http", to=WEB),
        Listener(port=443, mode="http", to=WEB, tls=SITE),
    ]
    refuse_what_fabio_has_not(listeners, "test/edge")
