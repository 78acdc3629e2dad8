"""The in-house gateway as the lab runs it: `stacks/inhouse.py` on seven small hosts.

Addresses and host keys are those of the hosts that are up, and the service is a file that the lab
serves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from crossgate import (
    Artifact,
    AutoScalingGroup,
    Capacity,
    Construct,
    ConsulServers,
    HAProxyNodes,
    Host,
    InHouse,
    Listener,
    Machine,
    TerraformStack,
    ThriftCheck,
)
from stacks.inhouse import API

RACK = "rack"
_SMALL = Machine(cpu=1, memory=1)


class InHouseLabStack(TerraformStack):
    """One API, three Consul servers and two balancers that share an address.

    Args:
        scope: the app.
        id: the stack's name.
        hosts: the servers.
        user: who logs in.
        key: file of the private key.
        vip: the shared address.
        artifact: the service, a program of Python in one file.
        clients: who may call.
        rotation: of all that Consul keeps secret; default 1.

    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        hosts: Sequence[Host],
        user: str,
        key: str,
        vip: str,
        artifact: Artifact,
        clients: str,
        rotation: int = 1,
    ) -> None:
        """Describe everything once."""
        super().__init__(scope, id)
        rack = InHouse(
            self,
            RACK,
            hosts=hosts,
            user=user,
            key=key,
            vip=vip,
            # The lab's image lacks nftables.
            firewall=False,
            timeout=timedelta(seconds=15),
        )
        name = artifact.url.rpartition("/")[2]
        api = replace(
            API,
            image=None,
            artifact=artifact,
            command=["/usr/bin/python3", f"/opt/{API.name}/{name}", "--port", str(API.port)],
            check=ThriftCheck(call="ping", every=timedelta(seconds=1)),
        )
        consul = ConsulServers(self, "consul", clouds=[rack], machine=_SMALL, rotation=rotation)
        AutoScalingGroup(
            self,
            "api",
            clouds=[rack],
            service=api,
            discovery=consul,
            capacity=Capacity(2),
            machine=_SMALL,
        )
        HAProxyNodes(
            self,
            "edge",
            clouds=[rack],
            discovery=consul,
            machine=_SMALL,
            listeners=[Listener(port=9000, to=api, allow_from=[clients])],
        )
