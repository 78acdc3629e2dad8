"""Another version of Consul on real machines: servers first, then agents."""

from __future__ import annotations

import base64
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from crossgate.discovery.consul.acl import Gossip
from crossgate.model.text import Reference
from tests.discovery.consul.authority import AUTHORITY, CERTIFICATE, PRIVATE, TOKENS, known
from tests.live.cluster import COUNT, NEXT, THIS, VOTES_SECONDS, Cluster, Generation
from tests.live.machine import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.machine import Network

pytestmark = [pytest.mark.live, pytest.mark.root]

KEY = Reference("${random_bytes.gossip.base64}")
BEFORE = Generation(
    tokens=TOKENS,
    gossip=Gossip(key=KEY),
    trusted=AUTHORITY,
    certificate=CERTIFICATE,
    key=PRIVATE,
)
AFTER = replace(BEFORE, consul=NEXT)
KNOWN = {**known("here"), KEY: base64.b64encode(bytes(range(32))).decode()}
SMALL = 30
"""Seconds for what needs no election."""


@pytest.fixture(scope="module")
def cluster(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with contextlib.ExitStack() as stack:
        folder = tmp_path_factory.mktemp("machines")
        made = Cluster(network, folder, stack, first=84, born=BEFORE, known=KNOWN)
        for number in range(COUNT):
            made.server(number)
        made.service("api", 91)
        until(lambda: made.ready("api-1", "api"), seconds=60, what="the service passes")
        assert "Success" in made.consul("kv", "put", "kept", "yes")
        yield made


def versions(cluster: Cluster) -> dict[str, str]:
    """Return the version of each member that is there, by its host's name."""
    rows = [line.split() for line in cluster.consul("members", "-status=alive").splitlines()[1:]]
    return {row[0].rpartition("-")[0]: row[4] for row in rows}


# In this order: each test goes on where the one before ended.


def test_an_agent_that_is_newer_than_the_servers_waits_for_them(cluster):
    cluster.service("web", 92, AFTER)
    until(
        lambda: (
            f"has an older Consul than {NEXT}: servers come first" in cluster.lacks("web-1", "web")
        ),
        seconds=SMALL,
        what="the machine says what it waits for",
    )
    assert cluster.ready("api-1", "api")


def test_servers_are_replaced_one_by_one_and_keep_what_was_written(cluster):
    for number in range(COUNT):
        cluster.server(number, AFTER)
        name = f"consul-{number}"
        until(lambda n=name: cluster.ready(n), seconds=VOTES_SECONDS, what=f"{name} votes")
        assert cluster.ready("api-1", "api")
    assert cluster.consul("kv", "get", "kept") == "yes\n"
    servers = {f"consul-{number}": NEXT for number in range(COUNT)}
    assert versions(cluster) == {**servers, "api-1": THIS, "web-1": NEXT}


def test_who_waited_is_ready_then_and_the_others_may_follow(cluster):
    until(lambda: cluster.ready("web-1", "web"), seconds=SMALL, what="it waits no more")
    cluster.service("api", 91, AFTER)
    until(lambda: cluster.ready("api-1", "api"), seconds=SMALL, what="its service passes")
    assert set(versions(cluster).values()) == {NEXT}
