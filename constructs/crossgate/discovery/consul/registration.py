"""How a service announces itself: its Consul definition, with a check of what Consul can see."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from crossgate.boot.document import File
from crossgate.discovery.consul.settings import CONFIG_DIRECTORY, USER
from crossgate.model.check import GrpcCheck, HttpCheck, ThriftCheck
from crossgate.model.text import json_text
from crossgate.model.units import milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossgate.model.service import Service

_LEAST_INTERVAL = timedelta(seconds=1)
"""Consul checks no more often than this (`MinInterval` in its agent/checks)."""

_GIVE_UP = "72h"
"""When a dead service is struck off by its own, living agent.

An agent does not take it back by itself before it is reloaded, so a service that was broken over
a weekend must not fall out for good; machines that are gone are struck off with their node.
"""


def registration(service: Service) -> File:
    """Return the file that makes the agent announce `service`, with its check.

    The service must listen on all addresses or on the loopback one too: Consul knocks there. The
    balancers knock at the machine's own address, and theirs is the check that moves traffic.
    """
    return File(
        f"{CONFIG_DIRECTORY}/service-{service.name}.json",
        json_text({"service": definition(service)}, indent=2) + "\n",
        mode=0o640,
        owner=f"root:{USER}",
    )


def definition(service: Service) -> Mapping[str, object]:
    """Return a service definition in Consul's words."""
    return {
        "id": service.name,
        "name": service.name,
        "port": service.port,
        "tags": [service.protocol],
        "meta": {"protocol": service.protocol},
        "check": check(service),
    }


def check(service: Service) -> Mapping[str, object]:
    """Return the check of a service in Consul's words.

    Consul knows no Thrift: a `ThriftCheck` becomes a TCP connect here, which a server that hangs
    still passes. So does every check of a service that wants a header of the PROXY protocol. The
    real call is made by the balancers (`balancers/haproxy/checks.py`).
    """
    health = service.asked
    seen: dict[str, object] = {
        "id": f"service:{service.name}",
        "name": f"{service.name} on port {service.port}",
        **_target(service),
        "interval": _duration(max(health.every, _LEAST_INTERVAL)),
        "timeout": _duration(health.timeout),
        "deregister_critical_service_after": _GIVE_UP,
    }
    if service.send_proxy is not None:
        seen["notes"] = (
            "A TCP connect: the service wants a header of the PROXY protocol first, which Consul "
            "does not write. The balancers do, and go by its answer."
        )
    elif isinstance(health, ThriftCheck):
        seen["notes"] = (
            f"A TCP connect: Consul has no Thrift check. The balancers call {health.call!r} "
            "themselves and go by its reply."
        )
    return seen


def _target(service: Service) -> Mapping[str, object]:
    health, port = service.asked, service.port
    if service.send_proxy is not None:
        return {"tcp": f"127.0.0.1:{port}"}
    if isinstance(health, HttpCheck):
        url = f"http://127.0.0.1:{port}{health.path}"
        return {"http": url, "method": "GET", "disable_redirects": True}
    if isinstance(health, GrpcCheck):
        return {"grpc": f"127.0.0.1:{port}" + (f"/{health.service}" if health.service else "")}
    return {"tcp": f"127.0.0.1:{port}"}


def _duration(duration: timedelta) -> str:
    return f"{milliseconds(duration, 'check')}ms"
