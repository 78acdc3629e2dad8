"""Keys of gossip exchanged on a real cluster of Consul, by what servers run for it."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING

import pytest

from crossgate.discovery.consul.programs.consul_tokens import Consul, Ring
from tests.discovery.consul.cluster import COUNT, Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live

ONE, TWO, THREE = (base64.b64encode(os.urandom(32)).decode() for _ in range(3))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path, encrypt=ONE) as made:
        yield made


def ring(cluster: Cluster, *keys: str) -> Ring:
    return Ring(Consul(cluster.addresses[0]), keys)


def state(cluster: Cluster) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many have each key, and how many encrypt with it."""
    (pool,) = json.loads(cluster.ask("/operator/keyring?local-only=true"))
    return pool["Keys"], pool["PrimaryKeys"]


def test_one_key_is_left_alone(cluster: Cluster) -> None:
    ring(cluster, ONE).look(alone=True)
    assert state(cluster) == ({ONE: COUNT}, {ONE: COUNT})


def test_the_newest_is_given_to_all_while_machines_are_left_that_were_not_born_with_it(
    cluster: Cluster,
) -> None:
    ring(cluster, ONE, TWO).look(alone=False)
    assert state(cluster) == ({ONE: COUNT, TWO: COUNT}, {ONE: COUNT})


def test_the_newest_is_used_when_none_is_left_and_the_one_before_stays(cluster: Cluster) -> None:
    for alone in (False, True):
        ring(cluster, ONE, TWO).look(alone=alone)
    assert state(cluster) == ({ONE: COUNT, TWO: COUNT}, {TWO: COUNT})


def test_what_was_exchanged_twice_is_gone_when_nobody_was_born_with_it(cluster: Cluster) -> None:
    ring(cluster, ONE, TWO).look(alone=True)
    ring(cluster, TWO, THREE).look(alone=False)
    assert state(cluster)[0] == {ONE: COUNT, TWO: COUNT, THREE: COUNT}
    ring(cluster, TWO, THREE).look(alone=True)
    assert state(cluster) == ({TWO: COUNT, THREE: COUNT}, {THREE: COUNT})


def test_the_cluster_has_its_leader_all_the_while(cluster: Cluster) -> None:
    for keys in ((ONE, TWO), (TWO, THREE)):
        ring(cluster, *keys).look(alone=True)
        assert cluster.leader() is not None
        cluster.ask("/kv/drill/x", b"1", server=COUNT - 1)
