"""A file with everything in it: written by the real consul-template, taken by the real HAProxy."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from crossgate.balancers.haproxy.config import configuration
from crossgate.discovery.consul.template import LEFT, RIGHT, template
from crossgate.model.check import GrpcCheck, HttpCheck, ThriftCheck
from crossgate.model.listener import Listener
from crossgate.model.route import Route
from crossgate.model.service import Service
from tests.balancers.haproxy.conftest import write_pages
from tests.discovery.consul.programs import rendered, running_consul

if TYPE_CHECKING:
    from pathlib import Path

    from crossgate.balancers.haproxy.settings import Layout


def service(name: str, **more: object) -> Service:
    return Service(**{"name": name, "port": 8080, "command": ["/usr/bin/x"]} | more)


WEB = service("web", protocol="http", check=HttpCheck(), max_connections=50)
ORDERS = service("orders", protocol="grpc", check=GrpcCheck(service="shop.v1.Orders"))
API = service("api", check=ThriftCheck(protocol="compact"), agent_port=8081, send_proxy="v2")
LISTENERS = [
    Listener(
        port=8000,
        mode="http",
        to=WEB,
        routes=[
            Route(host="*.example.org", path="/shop.v1.Orders", to=ORDERS),
            Route(path="/new", to=service("new", protocol="http")),
        ],
        accept_proxy=True,
        per_source=20,
        maintenance="<p>{{ key }} [crossgate: :] ${x} %{y}</p>",
    ),
    Listener(port=9000, to=API, rate=5, max_connections=100),
]


@pytest.mark.live
@pytest.mark.root
def test_each_backend_has_the_servers_that_consul_lists(
    program: Path, layout: Layout, tmp_path: Path
) -> None:
    write_pages(LISTENERS, layout)
    text = template(configuration(LISTENERS, layout=layout).pieces).sample()
    with running_consul() as consul:
        for number, name in enumerate(["web", "web", "orders", "api"], start=1):
            body = {
                "Node": f"node-{number}",
                "Address": f"10.0.0.{number}",
                "Service": {"ID": name, "Service": name, "Port": 8080},
            }
            consul.put("/v1/catalog/register", body)
        made = rendered(tmp_path, text, consul.address, left=LEFT, right=RIGHT)
    (tmp_path / "haproxy.cfg").write_text(made, encoding="utf-8")
    done = subprocess.run(
        [program, "-c", "-dW", "-V", "-f", tmp_path / "haproxy.cfg"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, "WARNING" in done.stderr) == (0, False), done.stderr
    backends = {
        head: [line.split()[1] for line in lines if line.startswith("    server ")]
        for head, *lines in (part.splitlines() for part in made.split("\nbackend ")[1:])
    }
    assert {name: found for name, found in backends.items() if "-" in name} == {
        "web-8000": ["node-1_web", "node-2_web"],
        "orders-8000": ["node-3_orders"],
        "new-8000": [],
        "api-9000": ["node-4_api"],
    }
