"""Consul's tokens, keys and certificates on real machines: a late service, all exchanged."""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING

import pytest
import trustme

from crossgate.discovery.consul.acl import MANAGEMENT_TOKEN, Gossip, Tokens
from crossgate.model.text import Reference
from tests.discovery.consul.authority import CERTIFICATE, PRIVATE, TOKENS, of_server, of_tokens
from tests.live.cluster import COUNT, VOTES_SECONDS, Cluster, Generation
from tests.live.machine import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.machine import Network

pytestmark = [pytest.mark.live, pytest.mark.root]

KEYS = [base64.b64encode(bytes(range(first, first + 32))).decode() for first in (0, 32)]
AUTHORITIES = [trustme.CA() for _ in range(3)]


def trusted(*authorities: trustme.CA) -> str:
    return "".join(one.cert_pem.bytes().decode() for one in authorities)


SECOND = Tokens(
    number=2, secret=Reference("${random_password.tokens-2.result}"), before=TOKENS.secret
)
FIRST = Generation(
    tokens=TOKENS,
    gossip=Gossip(key=Reference("${random_bytes.gossip.base64}")),
    trusted=trusted(*AUTHORITIES[:2]),
    certificate=CERTIFICATE,
    key=PRIVATE,
)
NEXT = Generation(
    tokens=SECOND,
    gossip=Gossip(key=Reference("${random_bytes.gossip-2.base64}"), before=FIRST.gossip.key),
    trusted=trusted(*AUTHORITIES),
    certificate=Reference("${tls_locally_signed_cert.server-2.cert_pem}"),
    key=Reference("${tls_private_key.server-2.private_key_pem}"),
)
KNOWN = {
    **of_tokens(FIRST.tokens, "Abc123"),
    **of_tokens(NEXT.tokens, "Xyz789"),
    **of_server(AUTHORITIES[0], "here", FIRST.certificate, FIRST.key),
    **of_server(AUTHORITIES[1], "here", NEXT.certificate, NEXT.key),
    FIRST.gossip.key: KEYS[0],
    NEXT.gossip.key: KEYS[1],
}


@pytest.fixture(scope="module")
def cluster(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with contextlib.ExitStack() as stack:
        folder = tmp_path_factory.mktemp("machines")
        made = Cluster(network, folder, stack, first=51, born=FIRST, known=KNOWN)
        for number in range(COUNT):
            made.server(number)
        made.service("api", 61)
        until(lambda: made.ready("api-1", "api"), seconds=60, what="the service passes")
        yield made


def keys(cluster: Cluster) -> dict[str, str]:
    """Return how many agents encrypt with which key, `n/of`, as Consul says it."""
    said = cluster.consul("keyring", "-list-primary")
    rows = [line.split() for line in said.splitlines() if "[" in line]
    return {row[0]: row[1].strip("[]") for row in rows}


def management(cluster: Cluster) -> str:
    return cluster.machines["consul-0"].read(MANAGEMENT_TOKEN).strip()


def listed(cluster: Cluster) -> str:
    return cluster.consul("acl", "token", "list")


def test_a_service_that_comes_later_needs_no_change_of_the_servers(cluster):
    cluster.service("web", 62)
    until(lambda: cluster.ready("web-1", "web"), seconds=30, what="the new service passes")
    assert "crossgate 1: services:web\n" in listed(cluster)


def test_who_claims_a_role_has_no_token_of_it(cluster):
    """The node's metadata are anybody's; the token is not told by anything."""
    said = cluster.machines["web-1"].run("consul", "acl", "token", "list", check=False)
    assert "Permission denied" in said


def test_all_is_exchanged_while_services_pass(cluster):
    before = management(cluster)
    assert keys(cluster) == {KEYS[0]: "5/5"}
    for number in range(COUNT):
        cluster.server(number, NEXT)
        name = f"consul-{number}"
        until(
            lambda n=name: cluster.ready(n),
            seconds=VOTES_SECONDS,
            what=f"{name} is a healthy voter",
        )
        assert cluster.ready("api-1", "api")
    assert management(cluster) != before
    # Machines with tokens of before are there: these are good until the last has gone.
    until(
        lambda: "crossgate 1: services:api\n" in listed(cluster),
        seconds=60,
        what="the servers know the way to their leader",
    )
    # One that is born meanwhile as before knows nothing of the new key.
    cluster.service("api", 61)
    until(lambda: cluster.ready("api-1", "api"), seconds=60, what="one of before is let in")
    for name, number in (("api", 61), ("web", 62)):
        cluster.service(name, number, NEXT)
        until(lambda n=name: cluster.ready(f"{n}-1", n), seconds=30, what=f"{name} passes")
    until(lambda: "crossgate 1: " not in listed(cluster), seconds=150, what="they are gone")
    assert "crossgate 2: services:api\n" in listed(cluster)
    asked = ("env", f"CONSUL_HTTP_TOKEN={before}", "consul", "acl", "token", "list")
    assert "ACL not found" in cluster.machines["consul-0"].run(*asked, check=False)
    assert cluster.ready("api-1", "api")
    until(lambda: keys(cluster) == {KEYS[1]: "5/5"}, seconds=30, what="all use the newest key")


@pytest.mark.parametrize("later", ["consul-2", "web-1"])
def test_a_machine_that_comes_after_the_exchange_joins_and_uses_the_newest_key(cluster, later):
    """It begins with the one before, as all that there are know it, and understands both."""
    if later == "web-1":
        cluster.service("web", 62, NEXT)
        until(lambda: cluster.ready(later, "web"), seconds=60, what="its service passes")
    else:
        cluster.server(2, NEXT)
        until(lambda: cluster.ready(later), seconds=VOTES_SECONDS, what="it is a healthy voter")
    until(lambda: keys(cluster) == {KEYS[1]: "5/5"}, seconds=60, what="it uses the newest")
