"""Fabio on a real machine, with Consul's ACL and machines that come and go."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import time
from typing import TYPE_CHECKING

import pytest

from crossgate import Artifact
from crossgate.balancers.fabio.config import properties, tags
from crossgate.balancers.fabio.document import (
    fabio_document,
    figures_document,
    health_document,
)
from crossgate.balancers.fabio.settings import HEALTH_PATH, HEALTH_PORT
from crossgate.boot.document import Document, File
from crossgate.boot.metrics import METRICS_PORT, METRICS_USER, metrics_document
from crossgate.boot.program import PYTHON
from crossgate.discovery.consul.acl import Gossip
from crossgate.discovery.consul.agent import WATCH, watch_document
from crossgate.discovery.consul.settings import HTTP_ADDRESS, METRICS_URL
from crossgate.model.listener import Listener
from crossgate.model.service import Service
from crossgate.model.text import Reference
from crossgate.specs import Watch
from tests.discovery.consul.authority import AUTHORITY, CERTIFICATE, PRIVATE, TOKENS, known
from tests.live.cluster import COUNT, VOTES_SECONDS, Cluster, Generation
from tests.live.machine import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossgate import TerraformStack
    from tests.live.machine import Machine, Network

pytestmark = [pytest.mark.live, pytest.mark.root]

API = Service(name="api", port=9190, protocol="tcp", command=["/usr/bin/python3"])
LISTENER = Listener(port=9000, to=API)
((_, TAG),) = tags("edge", LISTENER)
SHA = "0" * 64
GOSSIP = Reference("${random_bytes.gossip.base64}")
LOGIN = Reference("${random_password.metrics.result}")
TAGS = Reference("${local.tags_api_0}")
EDGE = "10.71.0.171"
KNOWN = {
    **known("here"),
    GOSSIP: base64.b64encode(bytes(range(32))).decode(),
    LOGIN: "secret",
    TAGS: json.dumps(["tcp", TAG]),
}


class Site:
    """Consul, machines of a service and a Fabio before them."""

    def __init__(self, network: Network, cluster: Cluster) -> None:
        self._network = network
        self.cluster = cluster

    @property
    def edge(self) -> Machine:
        return self.cluster.machines["edge"]

    def connect(self) -> socket.socket:
        with self._network.entered():
            return socket.create_connection((EDGE, LISTENER.port), timeout=5)

    def met(self) -> set[str]:
        """Return the machines that new clients meet; fail if one meets none."""
        found = set()
        for _ in range(8):
            with self.connect() as made:
                said = made.recv(100).decode()
                assert said
                found.add(said)
        return found

    def meets(self, *names: str) -> bool:
        try:
            return self.met() == set(names)
        except (OSError, AssertionError):
            return False

    def get(self, port: int, path: str, password: str = "") -> tuple[int, str]:
        login = base64.b64encode(f"{METRICS_USER}:{password}".encode()).decode()
        with self._network.entered():
            connection = http.client.HTTPConnection(EDGE, port, timeout=15)
            connection.connect()
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Authorization": f"Basic {login}"})
            response = connection.getresponse()
            return response.status, response.read().decode()


@pytest.fixture(scope="module")
def site(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    born = Generation(
        tokens=TOKENS,
        gossip=Gossip(key=GOSSIP),
        trusted=AUTHORITY,
        certificate=CERTIFICATE,
        key=PRIVATE,
    )
    with contextlib.ExitStack() as stack:
        folder = tmp_path_factory.mktemp("machines")
        cluster = Cluster(network, folder, stack, first=161, born=born, known=KNOWN)
        yield Site(network, cluster)


def edge_document(scope: TerraformStack) -> Document:
    text = properties("edge", [LISTENER], consul=HTTP_ADDRESS, strategy="rr", metrics=True)
    artifact = Artifact(url="https://mirror.example.org/fabio", sha256=SHA)
    ask = Watch(cluster="here", program=(PYTHON, WATCH), document=watch_document())
    return Document.merge(
        # It is there already, which is all that this machine can have of it.
        Document(label="fabio-there", files=[File("/opt/fabio/.sha256", f"{SHA}\n")]),
        fabio_document(scope, artifact, text, [LISTENER]),
        health_document([LISTENER]),
        figures_document([LISTENER], ask, metrics=True),
        metrics_document(pages={"consul": METRICS_URL}, password=LOGIN),
    )


# In this order: each test goes on where the one before ended.


def test_a_balancer_is_not_fit_before_consul_has_told_it_anything(site, stack):
    site.cluster.balancer("edge", 171, None, edge_document(stack))
    until(lambda: answers(site), seconds=20, what="the health question is heard")
    assert site.get(HEALTH_PORT, HEALTH_PATH)[0] == 503


def answers(site: Site) -> bool:
    with contextlib.suppress(OSError):
        return site.get(HEALTH_PORT, "/")[0] == 404
    return False


def test_clients_meet_all_machines_of_the_service(site):
    for number in range(COUNT):
        site.cluster.server(number)
    for number in (1, 2):
        site.cluster.service("api", 180 + number, number=number, tags=TAGS)
    until(lambda: site.meets("api-1", "api-2"), seconds=VOTES_SECONDS, what="both are met")
    assert site.get(HEALTH_PORT, HEALTH_PATH)[0] == 200


def test_its_page_is_for_the_machine_alone(site):
    listening = site.edge.run("ss", "-Hltn")
    assert "127.0.0.1:9998" in listening
    assert "127.0.0.1:9997" in listening
    user = site.edge.run("ps", "-o", "user=", "-C", "fabio")
    assert "root" not in user.split()


def test_figures_are_for_who_knows_the_login(site):
    assert site.get(METRICS_PORT, "/metrics", "wrong")[0] == 401
    until(
        lambda: "fabio_tcp_conn" in site.get(METRICS_PORT, "/metrics", "secret")[1],
        seconds=20,
        what="they are there",
    )
    _, page = site.get(METRICS_PORT, "/metrics", "secret")
    assert 'crossgate_unit_active{unit="fabio.service"} 1' in page
    names = [line.split("{")[0].split(" ")[0] for line in page.splitlines() if line[:1] != "#"]
    assert names.count("go_goroutines") <= 1


def test_the_cluster_hears_how_many_connections_there_are(site):
    (note,) = site.cluster.consul("kv", "get", "-keys", "crossgate/figures.").split()

    def connections() -> int:
        said = json.loads(site.cluster.consul("kv", "get", note))
        found: int = said["services"]["api"]["connections"]
        return found

    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(site.connect())
        until(lambda: connections() == 3, seconds=20, what="three are told")
    until(lambda: connections() == 0, seconds=20, what="none is left")


def test_a_machine_in_maintenance_gets_no_new_clients(site):
    api = site.cluster.machines["api-1"]
    api.run("consul", "maint", "-enable", "-service=api")
    try:
        until(lambda: site.meets("api-2"), seconds=15, what="new clients go elsewhere")
    finally:
        api.run("consul", "maint", "-disable", "-service=api")
    until(lambda: site.meets("api-1", "api-2"), seconds=15, what="it is back")


def test_without_consul_the_routes_stay(site):
    servers = [site.cluster.machines[f"consul-{number}"] for number in range(COUNT)]
    for server in servers:
        server.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "consul")
        server.run("systemctl", "stop", "consul")
    last = time.monotonic() + 10
    while time.monotonic() < last:
        assert site.met() == {"api-1", "api-2"}
        time.sleep(0.5)
    for server in servers:
        server.run("systemctl", "start", "--no-block", "consul")
    until(lambda: site.cluster.ready("api-1", "api"), seconds=60, what="Consul is back")
    assert site.met() == {"api-1", "api-2"}


def test_a_machine_that_is_gone_is_left(site):
    site.cluster.machines["api-2"].kill()
    until(lambda: site.meets("api-1"), seconds=20, what="the dead one is left")
