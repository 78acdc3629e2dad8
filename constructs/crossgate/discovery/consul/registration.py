"""How a service announces itself: its Consul definition, with a check of what Consul can see."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from crossgate.boot.document import File
from crossgate.discovery.consul.settings import CONFIG_DIRECTORY
from crossgate.model.check import GrpcCheck, HttpCheck, ThriftCheck
from crossgate.model.text import Text, json_text
from crossgate.model.units import milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossgate.model.service import Service
    from crossgate.model.text import Reference

_LEAST_INTERVAL = timedelta(seconds=1)
"""Consul checks no more often than this (`MinInterval` in its agent/checks)."""

_TAGS = "the tags"
"""Stands where they will."""

_GIVE_UP = "72h"
"""When a dead service is struck off by its own, living agent.

An agent does not take it back by itself before it is reloaded, so a service that was broken over
a weekend must not fall out for good; machines that are gone are struck off with their node.
"""


def registration(service: Service, tags: Reference | None = None) -> File:
    """Return the file that makes the agent announce `service`, with its check.

    The service must listen on all addresses or on the loopback one too: Consul knocks there. The
    balancers knock at the machine's own address, and theirs is the check that moves traffic.

    Args:
        service: what runs there.
        tags: a list in JSON of all its tags, where others may say some; default: its own alone.

    """
    written: Text = json_text({"service": definition(service)}, indent=2)
    if tags is not None:
        said = {**definition(service), "tags": _TAGS}
        before, after = str(json_text({"service": said}, indent=2)).split(f'"{_TAGS}"')
        written = Text.of(before, tags, after)
    return File(
        f"{CONFIG_DIRECTORY}/service-{service.name}.json",
        Text.of(written, "\n"),
        mode=0o644,
    )


def definition(service: Service) -> Mapping[str, object]:
    """Return a service definition in Consul's words."""
    return {
        "id": service.name,
        "name": service.name,
        "port": service.port,
        "tags": own_tags(service),
        "meta": {"protocol": service.protocol},
        "check": check(service),
    }


def own_tags(service: Service) -> list[str]:
    """Return what a service says of itself."""
    return [service.protocol]


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
