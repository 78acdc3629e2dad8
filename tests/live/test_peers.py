"""Two balancers on real machines, which hear of each other by Consul and remember clients."""

from __future__ import annotations

import base64
import contextlib
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
import trustme

from crossgate.balancers.haproxy import mutual
from crossgate.balancers.haproxy.config import configuration
from crossgate.balancers.haproxy.document import haproxy_document, peers_document
from crossgate.balancers.haproxy.peers import Peers
from crossgate.balancers.haproxy.settings import LAYOUT, PEERS_PORT
from crossgate.boot.document import Document
from crossgate.boot.program import PYTHON
from crossgate.discovery.consul.acl import Gossip
from crossgate.discovery.consul.template import keep_document
from crossgate.model.listener import Listener
from crossgate.model.service import Service
from crossgate.model.text import Reference
from tests.discovery.consul.authority import AUTHORITY, CERTIFICATE, PRIVATE, TOKENS, known
from tests.live.cluster import COUNT, Cluster, Generation
from tests.live.machine import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.machine import Machine, Network

pytestmark = [pytest.mark.live, pytest.mark.root]

GOSSIP = Reference("${random_bytes.gossip.base64}")
STATS = Reference("${random_password.stats.result}")
THEIRS = Reference("${tls_self_signed_cert.balancers.cert_pem}")
OWN = Reference("${tls_locally_signed_cert.balancers.cert_pem}")
OWN_KEY = Reference("${tls_private_key.balancers.private_key_pem}")
PEERS = Peers(name="stack-edge", cloud="here", port=PEERS_PORT)
LISTENER = Listener(
    port=9000,
    to=Service(name="api", port=9190, protocol="tcp", command=["/usr/bin/python3"]),
    sticky=True,
)
ASK = f"""\
import socket, sys
asked = socket.socket(socket.AF_UNIX)
asked.connect("{LAYOUT.socket}")
asked.sendall(sys.argv[1].encode() + b"\\n")
print(asked.makefile().read())
"""
EDGES = {"edge-1": 121, "edge-2": 122}
APIS = {1: 131, 2: 132, 3: 133}
CLIENTS = [f"10.71.0.{number}" for number in range(201, 210)]


def secrets() -> dict[Reference, str]:
    authority = trustme.CA()
    own = authority.issue_cert(mutual.host("here"))
    return {
        **known("here"),
        GOSSIP: base64.b64encode(bytes(range(32))).decode(),
        STATS: "secret",
        THEIRS: authority.cert_pem.bytes().decode(),
        OWN: own.cert_chain_pems[0].bytes().decode(),
        OWN_KEY: own.private_key_pem.bytes().decode(),
    }


class Site:
    """Consul, machines of a service and the balancers before them."""

    def __init__(self, network: Network, cluster: Cluster) -> None:
        self._network = network
        self.cluster = cluster

    def edge(self, name: str) -> Machine:
        document = Document.merge(
            haproxy_document(stats_password=STATS),
            peers_document(),
            Document(label="balancers", files=mutual.files(THEIRS, OWN, OWN_KEY)),
            keep_document(configuration([LISTENER], stats_address="*", fellows=PEERS)),
        )
        return self.cluster.balancer(name, EDGES[name], PEERS.name, document)

    def met(self, edge: str, client: str) -> str:
        """Return the machine that a client meets at a balancer."""
        with self._network.entered():
            made = socket.create_connection(
                (f"10.71.0.{EDGES[edge]}", LISTENER.port), timeout=5, source_address=(client, 0)
            )
        with made:
            return made.recv(100).decode()

    def all_met(self, edge: str) -> dict[str, str]:
        return {client: self.met(edge, client) for client in CLIENTS}

    def asked(self, edge: str, question: str) -> str:
        """Return what HAProxy says, or what is wrong with it."""
        return self.cluster.machines[edge].run(PYTHON, "-c", ASK, question, check=False)

    def remembers(self, edge: str) -> int:
        """Return how many clients a balancer knows."""
        return self.asked(edge, "show table met_api-9000").count(" key=")

    def leads(self, edge: str) -> bool:
        """Return whether a balancer knows all machines and the other balancer."""
        listed = self.asked(edge, "show servers state")
        return (
            all(f" 10.71.0.{last} " in listed for last in APIS.values())
            and "(remote,active)" in (told := self.asked(edge, "show peers"))
            and "last_status=ESTA" in told
        )


@pytest.fixture(scope="module")
def site(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    for client in CLIENTS:
        subprocess.run(
            [
                "nsenter", f"--net=/proc/{network.pid}/ns/net",
                "ip", "address", "add", f"{client}/32", "dev", "br0",
            ],
            check=True,
        )  # fmt: skip
    born = Generation(
        tokens=TOKENS,
        gossip=Gossip(key=GOSSIP),
        trusted=AUTHORITY,
        certificate=CERTIFICATE,
        key=PRIVATE,
    )
    with contextlib.ExitStack() as stack:
        folder = tmp_path_factory.mktemp("machines")
        cluster = Cluster(network, folder, stack, first=111, born=born, known=secrets())
        for number in range(COUNT):
            cluster.server(number)
        for number, last in APIS.items():
            cluster.service("api", last, number=number)
        made = Site(network, cluster)
        for name in EDGES:
            made.edge(name)
        until(
            lambda: all(map(made.leads, EDGES)),
            seconds=60,
            what="both know all machines and each other",
        )
        yield made


def told(site: Site, edge: str) -> None:
    until(lambda: site.remembers(edge) == len(CLIENTS), seconds=60, what=f"{edge} is told")


# In this order: each test goes on where the one before ended.


def test_a_client_meets_the_same_machine_at_both_balancers(site):
    met = site.all_met("edge-1")
    told(site, "edge-2")
    assert set(met.values()) == {f"api-{number}" for number in APIS}
    assert site.all_met("edge-2") == met


def test_a_balancer_that_takes_the_place_of_a_dead_one_is_told_what_the_other_knows(site):
    met = site.all_met("edge-1")
    site.edge("edge-2")
    told(site, "edge-2")
    assert site.all_met("edge-2") == met


def test_who_was_on_a_machine_that_leaves_meets_one_other_at_both_balancers(site):
    met = site.all_met("edge-1")
    gone = met[CLIENTS[0]]
    theirs = [client for client, machine in met.items() if machine == gone]
    site.cluster.machines[gone].run("systemctl", "stop", "consul")
    until(
        lambda: all(gone not in site.all_met(edge).values() for edge in EDGES),
        seconds=30,
        what="nobody meets it at either balancer",
    )
    told(site, "edge-2")
    now = site.all_met("edge-1")
    assert site.all_met("edge-2") == now
    assert {c: m for c, m in now.items() if c not in theirs} == {
        c: m for c, m in met.items() if c not in theirs
    }
