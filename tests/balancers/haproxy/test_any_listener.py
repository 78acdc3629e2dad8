"""Whatever listeners and services say together, HAProxy takes the file without a warning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossgate.balancers.haproxy.config import configuration
from crossgate.model.check import GrpcCheck, HttpCheck, TcpCheck, ThriftCheck
from crossgate.model.listener import Listener
from crossgate.model.release import Release
from crossgate.model.route import Route
from crossgate.model.service import Service
from crossgate.model.tls import Tls
from tests.balancers.haproxy.conftest import write_certificates, write_pages
from tests.balancers.haproxy.examples import Authority, refused

if TYPE_CHECKING:
    from pathlib import Path

    from crossgate import TerraformStack
    from crossgate.balancers.haproxy.settings import Layout

CHECKS = st.one_of(
    st.just(TcpCheck()),
    st.builds(HttpCheck, path=st.from_regex(r"/[!-~]{0,40}", fullmatch=True)),
    st.builds(
        ThriftCheck,
        call=st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]{0,127}", fullmatch=True),
        transport=st.sampled_from(["buffered", "framed"]),
        protocol=st.sampled_from(["binary", "compact"]),
    ),
    st.builds(
        GrpcCheck, service=st.from_regex(r"([A-Za-z_][A-Za-z0-9_.-]{0,99})?", fullmatch=True)
    ),
)
HOSTS = st.none() | st.from_regex(
    r"(\*\.)?[a-z0-9]{1,20}(\.[a-z0-9]([a-z0-9-]{0,9}[a-z0-9])?){0,3}", fullmatch=True
)
PATHS = st.from_regex(r"/([A-Za-z0-9._~-]{1,9}/){0,3}[A-Za-z0-9._~-]{0,9}", fullmatch=True)
PRINTED = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
MOST = st.none() | st.integers(1, 1_000_000)
AUTHORITY = Authority()
CERTIFICATE, KEYS = AUTHORITY.site("site.example.org")
SPOKEN = st.none() | st.builds(
    Tls,
    certificates=st.lists(st.just(CERTIFICATE), min_size=1, max_size=2),
    client_ca=st.none() | st.just(AUTHORITY.pem),
    minimum=st.sampled_from(["1.2", "1.3"]),
)


@st.composite
def services(draw: st.DrawFn, name: str, *protocols: str) -> Service:
    return Service(
        name=name,
        port=8080,
        command=["/usr/bin/x"],
        protocol=draw(st.sampled_from(protocols)),
        check=draw(CHECKS),
        agent_port=draw(st.none() | st.integers(9000, 65535)),
        send_proxy=draw(st.sampled_from([None, "v1", "v2"])),
        max_connections=draw(MOST),
    )


def releases(port: int, before: Service) -> st.SearchStrategy[Release | None]:
    return st.none() | st.builds(
        Release,
        to=st.just(replace(before, name=f"n-{port}")),
        share=st.floats(0.001, 0.999),
        by=st.sampled_from(["connection", "client"]),
    )


@st.composite
def listeners(draw: st.DrawFn, port: int) -> Listener:
    said = {
        "port": port,
        "accept_proxy": draw(st.booleans()),
        "tls": draw(SPOKEN),
        "max_connections": draw(MOST),
        "per_source": draw(MOST),
        "rate": draw(st.none() | st.integers(1, 100_000)),
    }
    if draw(st.booleans()):
        to = draw(services(f"s-{port}", "tcp", "thrift", "http", "grpc"))
        return Listener(to=to, release=draw(releases(port, to)), **said)
    to = draw(services(f"s-{port}", "http", "grpc"))
    return Listener(
        mode="http",
        to=to,
        release=draw(releases(port, to)),
        routes=[
            Route(host=host, path=path, to=draw(services(f"r-{number}", "http", "grpc")))
            for number, (host, path) in enumerate(
                draw(
                    st.lists(
                        st.tuples(HOSTS, PATHS).filter(lambda one: one[0] or one[1].rstrip("/")),
                        max_size=4,
                        unique_by=lambda one: (one[0], one[1].rstrip("/")),
                    )
                )
            )
        ],
        maintenance=draw(st.none() | st.text(PRINTED, min_size=1, max_size=200)),
        **said,
    )


@pytest.mark.live
@pytest.mark.root
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(made=st.tuples(*(listeners(port) for port in (8000, 8001))))
def test_haproxy_takes_it(
    stack: TerraformStack,
    program: Path,
    layout: Layout,
    rendered: Callable,
    tmp_path: Path,
    made: tuple[Listener, ...],
) -> None:
    write_pages(made, layout)
    write_certificates(stack, made, layout, KEYS)
    servers = {service.name: [20001] for listener in made for service in listener.services}
    config = tmp_path / "haproxy.cfg"
    file = configuration(made, layout=layout, balancers=2)
    config.write_text(rendered(file, servers), encoding="utf-8")
    assert refused(program, config) == ""
