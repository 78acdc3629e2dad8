"""Two datacenters on real machines that know each other, over one network."""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING

import pytest
import trustme

from crossgate.discovery.consul.acl import Gossip, Tokens
from crossgate.model.text import Reference
from tests.discovery.consul.authority import CERTIFICATE, PRIVATE, SECRET, of_server, of_tokens
from tests.live.cluster import COUNT, Cluster, Generation
from tests.live.machine import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.live.machine import Network

pytestmark = [pytest.mark.live, pytest.mark.root]

GOSSIP = Reference("${random_bytes.gossip.base64}")
TRUSTED = Reference("${tls_self_signed_cert.authority.cert_pem}")
BORN = Generation(
    tokens=Tokens(number=1, secret=SECRET),
    gossip=Gossip(key=GOSSIP),
    trusted=TRUSTED,
    certificate=CERTIFICATE,
    key=PRIVATE,
)
FIRST = {"here": 141, "there": 151}
SERVICES = {"here": ("api", 147), "there": ("web", 157)}


def known(authority: trustme.CA, datacenter: str) -> Mapping[Reference, str]:
    return {
        TRUSTED: authority.cert_pem.bytes().decode(),
        **of_server(authority, datacenter, CERTIFICATE, PRIVATE),
        **of_tokens(BORN.tokens, "Abc123"),
        GOSSIP: base64.b64encode(bytes(range(32))).decode(),
    }


@pytest.fixture(scope="module")
def sites(
    network: Network, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Cluster]]:
    authority = trustme.CA()
    with contextlib.ExitStack() as stack:
        made = {}
        for name, first in FIRST.items():
            made[name] = Cluster(
                network,
                tmp_path_factory.mktemp(name),
                stack,
                first=first,
                born=BORN,
                known=known(authority, name),
                datacenter=name,
                wan=[f"10.71.0.{FIRST['there'] + number}" for number in range(COUNT)],
            )
        for site in made.values():
            for number in range(COUNT):
                site.server(number)
        for name, (service, last) in SERVICES.items():
            made[name].service(service, last)
        for name, (service, _) in SERVICES.items():
            until(
                lambda site=made[name], one=service: site.ready(f"{one}-1", one),
                seconds=60,
                what=f"{service} passes",
            )
        yield made


def members(site: Cluster) -> set[str]:
    """Return the servers of both, as one of a site sees them."""
    rows = [line.split() for line in site.consul("members", "-wan", "-status=alive").splitlines()]
    return {row[1].split(":")[0] for row in rows[1:]}


def test_all_servers_know_each_other(sites):
    wanted = {f"10.71.0.{first + number}" for first in FIRST.values() for number in range(COUNT)}
    for site in sites.values():
        until(lambda one=site: members(one) == wanted, seconds=30, what="all are seen")


def test_a_machine_asks_the_other_datacenter_with_the_token_that_it_has(sites):
    api = sites["here"].machines["api-1"]
    asked = ("consul", "catalog", "services", "-datacenter=there")
    until(
        lambda: "web" in api.run(*asked, check=False),
        seconds=60,
        what="the servers there have seen who is here",
    )
    assert "web" not in api.run("consul", "catalog", "services")
    written = ("consul", "kv", "put", "-datacenter=there", "crossgate/x", "1")
    assert "Permission denied" in api.run(*written, check=False)


def test_agents_gossip_with_those_of_their_own_datacenter(sites):
    listed = sites["here"].machines["api-1"].run("consul", "members")
    assert "api-1" in listed
    assert "there-" not in listed
