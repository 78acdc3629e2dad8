"""The in-house stack of the lab: seven hosts, whose addresses and keys the context names."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from crossgate import (
    App,
    AutoScalingGroup,
    Capacity,
    ConsulServers,
    HAProxyNodes,
    Host,
    InHouse,
    Listener,
    Machine,
    Service,
    TerraformStack,
    ThriftCheck,
)
from crossgate.model.service import Artifact

SMALL = Machine(cpu=1, memory=1)


def main() -> None:
    app = App()
    given: dict[str, Any] = app.node.get_context("inhouse")
    stack = TerraformStack(app, "inhouse")
    rack = InHouse(
        stack,
        "rack",
        hosts=[Host(**host) for host in given["hosts"]],
        user=given["user"],
        key=given["key"],
        vip=given.get("vip"),
        firewall=given["firewall"],
        timeout=timedelta(seconds=given["timeout"]),
    )
    api = Service(
        name="api",
        port=9190,
        protocol="thrift",
        artifact=Artifact(url=given["url"], sha256=given["sha256"]),
        command=["/usr/bin/python3", f"/opt/api/{given['url'].rpartition('/')[2]}", "--port=9190"],
        check=ThriftCheck(call="ping", every=timedelta(seconds=1)),
    )
    consul = ConsulServers(stack, "consul", clouds=[rack], machine=SMALL)
    AutoScalingGroup(
        stack,
        "api",
        clouds=[rack],
        service=api,
        discovery=consul,
        capacity=Capacity(2),
        machine=SMALL,
    )
    HAProxyNodes(
        stack,
        "edge",
        clouds=[rack],
        discovery=consul,
        machine=SMALL,
        listeners=[Listener(port=9000, to=api, allow_from=["10.0.0.0/8"])],
    )
    app.synth()


main()
