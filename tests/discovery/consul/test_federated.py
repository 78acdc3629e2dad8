"""What servers keep for each other in two real datacenters that are federated."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest

from crossgate.discovery.consul.programs.consul_tokens import (
    MANAGEMENT,
    Consul,
    Keeper,
    Ring,
    Secret,
)
from lab.daemon import free_port
from tests.discovery.consul.programs import running_consul
from tests.live.machine import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = pytest.mark.live

FIRST, SECOND = Secret(1, "abc"), Secret(2, "def")
ONE, TWO = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
ACL = json.dumps(
    {
        "acl": {
            "enabled": True,
            "default_policy": "allow",
            "tokens": {"initial_management": FIRST.token(MANAGEMENT)},
        }
    }
)


class Site:
    """A datacenter with one server."""

    def __init__(self, name: str, stack: contextlib.ExitStack, port: int, join: int) -> None:
        self.end = contextlib.ExitStack()
        self._running = self.end.enter_context(
            running_consul(
                f"-datacenter={name}",
                f"-serf-wan-port={port}",
                f"-retry-join-wan=127.0.0.1:{join}",
                f"-encrypt={ONE}",
                f"-hcl={ACL}",
            )
        )
        stack.enter_context(self.end)
        self.address = f"http://{self._running.address}"

    def machine(self, role: str, number: int) -> None:
        """Have a machine there, with tokens of some number."""
        meta = {"role": role, "tokens": str(number)}
        node = {"Node": "machine", "Address": "10.0.0.1", "NodeMeta": meta}
        self._running.put("/v1/catalog/register", node)

    def keeper(self, *secrets: Secret) -> Keeper:
        made = Keeper(Consul(self.address), secrets)
        made.begin()
        made.look()
        return made

    def knows(self, token: str) -> bool:
        request = Request(f"{self.address}/v1/acl/token/self", headers={"X-Consul-Token": token})  # noqa: S310  (on loopback)
        with contextlib.suppress(OSError), urlopen(request, timeout=5) as answer:  # noqa: S310  (as above)
            return answer.status == 200
        return False

    def others(self) -> list[str]:
        asked: list[str] = Consul(self.address).ask("/catalog/datacenters")
        return asked

    def used(self) -> list[str]:
        (pool, *_) = Consul(self.address).ask("/operator/keyring?local-only=true")
        return sorted(pool["PrimaryKeys"])


@pytest.fixture
def sites() -> Iterator[Mapping[str, Site]]:
    ports = [free_port(), free_port()]
    with contextlib.ExitStack() as stack:
        here = Site("here", stack, *ports)
        there = Site("there", stack, *reversed(ports))
        for one in (here, there):
            until(lambda site=one: len(site.others()) == 2, seconds=30, what="they are federated")
        yield {"here": here, "there": there}


def test_a_machine_of_the_other_datacenter_has_its_token_here(sites):
    sites["here"].machine("services:api", 1)
    sites["there"].machine("services:web", 1)
    sites["here"].keeper(FIRST)
    assert sites["here"].knows(FIRST.token("services:web"))
    assert sites["here"].knows(FIRST.token("services:api"))


def test_tokens_are_good_until_no_machine_of_either_has_them(sites):
    sites["here"].machine("services:api", 2)
    sites["there"].machine("services:web", 1)
    sites["there"].keeper(SECOND, FIRST)
    assert not sites["here"].keeper(SECOND, FIRST).alone
    assert sites["here"].knows(FIRST.token(MANAGEMENT))
    sites["there"].machine("services:web", 2)
    assert sites["here"].keeper(SECOND, FIRST).alone
    assert not sites["here"].knows(FIRST.token(MANAGEMENT))


def test_nothing_is_forgotten_while_the_other_does_not_answer(sites):
    for site in sites.values():
        site.machine("services:api", 2)
    sites["there"].keeper(SECOND, FIRST)
    sites["there"].end.close()
    assert not sites["here"].keeper(SECOND, FIRST).alone
    assert sites["here"].knows(SECOND.token("services:api"))


def test_a_key_of_gossip_comes_into_use_in_both_at_once(sites):
    Ring(Consul(sites["here"].address), [ONE, TWO]).look(alone=True)
    assert [site.used() for site in sites.values()] == [[TWO], [TWO]]
