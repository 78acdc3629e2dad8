"""The gateway on servers of one's own: three Consul servers, two APIs and two balancers in a rack.

Put your own addresses and host keys in. Terraform logs in as `deploy` with a key of your SSH agent.
"""

from __future__ import annotations

from datetime import timedelta

from crossgate import (
    Capacity,
    Construct,
    Gateway,
    GroupPlan,
    Host,
    InHouse,
    Listener,
    Service,
    TerraformStack,
    ThriftCheck,
)

API = Service(
    name="api",
    protocol="thrift",
    port=9190,
    image="registry.example.org/api:1.4",
    check=ThriftCheck(call="ping", every=timedelta(seconds=2)),
)
# Each host's own, from `ssh-keyscan -t ecdsa 10.0.0.11` and so on.
_KEY = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBExampleExample="
KEYS = {f"10.0.0.{number}": _KEY for number in range(11, 18)}


class InHouseStack(TerraformStack):
    """One API behind two balancers that share the address 10.0.0.100."""

    def __init__(self, scope: Construct, id: str) -> None:
        """Describe the hosts, and the gateway on them."""
        super().__init__(scope, id)
        rack = InHouse(
            self,
            "rack",
            hosts=[
                Host(address, cpu=4, memory=8, host_key=key, rack="ab"[number % 2])
                for number, (address, key) in enumerate(KEYS.items())
            ],
            user="deploy",
            vip="10.0.0.100/24",
        )
        Gateway(
            self,
            "gw",
            clouds=[rack],
            services=[GroupPlan(service=API, capacity={rack: Capacity(2)})],
            listeners=[Listener(port=9000, to=API, allow_from=["10.0.0.0/8"])],
        )
