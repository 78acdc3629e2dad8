"""What Fabio reads: its properties, and the tags by which services say where they are routed."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from crossgate.balancers.fabio.settings import (
    ADMIN_PORT,
    CERTIFICATES,
    FIGURES_PORT,
    KV,
    NAME,
    TAG,
    Strategy,
)
from crossgate.errors import ConfigError
from crossgate.model.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossgate.model.service import Service
    from crossgate.model.tls import Tls

# A server must accept within this, as with HAProxy; a refused connection is not tried elsewhere.
_DIAL = "100ms"

_HAS_NOT = {
    "max_connections": "limits no connections",
    "per_source": "counts no connections of an address",
    "rate": "counts no connections of an address",
    "sticky": "leads nobody back to a machine",
    "maintenance": "has one page for all services, in Consul",
    "redirect_to": "sends requests elsewhere by tags of services alone",
    "release": "gives a share to each machine, and not to a version",
    "idle": "ends no connection that is idle",
    "queue": "lets nobody wait",
    "request": "waits for a request as long as it takes",
    "keep_alive": "waits for the next request as long as it takes",
}
_SERVICE_HAS_NOT = {
    "max_connections": "limits no connections, and lets nobody wait",
    "agent_port": "asks no agent of a service",
}
_TLS_MINIMUM = {"1.2": "tls12", "1.3": "tls13"}
_USUAL = {80, 443}
"""Ports that clients leave out of the Host header."""


def refuse_what_fabio_has_not(listeners: Sequence[Listener], path: str) -> None:
    """Raise where a listener says what Fabio cannot do.

    Raises:
        ConfigError: one does.

    """
    for listener in listeners:
        where = f"{path}: Listener({listener.port})"
        for field in fields(Listener):
            if field.name in _HAS_NOT and getattr(listener, field.name) != field.default:
                raise _unable(where, f"{field.name}=", _HAS_NOT[field.name])
        if listener.tls is not None:
            _refuse_tls(listener, listener.tls, where)
        for service in listener.services:
            _refuse_service(service, listener, f"{where}: {service.name}")
    if len({listener.mode for listener in listeners}) > 1:
        # A request may name a route of TCP as its host, and is led there.
        raise _unable(f"{path}: listeners", 'mode="tcp" and mode="http"', "has one table for both")
    _refuse_two_tables(listeners, path)


def _refuse_tls(listener: Listener, tls: Tls, where: str) -> None:
    if tls.revoked is not None:
        raise _unable(where, "Tls(revoked=)", "reads no lists of revoked certificates")
    if tls.client_ca is not None and listener.mode == "http":
        raise _unable(
            where, "Tls(client_ca=)", "lets clients say themselves what their certificate says"
        )
    if listener.mode == "tcp" and listener.to.protocol == "http":
        raise _unable(
            where, 'tls= in mode="tcp" to protocol="http"', "offers HTTP/2, which it may not speak"
        )


def _refuse_service(service: Service, listener: Listener, where: str) -> None:
    for name, why in _SERVICE_HAS_NOT.items():
        if getattr(service, name) is not None:
            raise _unable(where, f"Service({name}=)", why)
    if service.send_proxy == "v2":
        raise _unable(where, 'send_proxy="v2"', "writes version 1")
    if service.send_proxy is not None and listener.mode == "http":
        raise _unable(where, "send_proxy=", "writes it for TCP alone")
    if listener.mode == "http" and service.protocol != listener.to.protocol:
        raise _unable(
            where,
            f"{service.protocol} beside {listener.to.protocol}",
            "speaks either HTTP or gRPC at a port",
        )
    if service.protocol == "grpc" and any(route.host for route in listener.routes):
        raise _unable(where, "Route(host=)", "does not look at the host of a call of gRPC")


def _unable(path: str, said: str, why: str) -> ConfigError:
    return ConfigError(
        f"Fabio {why}",
        path=path,
        got=said,
        do="leave it out, or use HAProxyNodes: docs/fabio.md",
    )


def _refuse_two_tables(listeners: Sequence[Listener], path: str) -> None:
    """Raise where two HTTP listeners lead to different places: Fabio has one table for all."""
    tables = {
        one.port: {(route.host, route.prefix, route.to.name) for route in one.routes}
        | {(None, "", one.to.name)}
        for one in listeners
        if one.mode == "http"
    }
    if any(table != found for found in tables.values() for table in tables.values()):
        raise ConfigError(
            "Fabio routes requests of all HTTP listeners by one table",
            path=f"{path}: listeners",
            got=", ".join(f"port {port}" for port in tables),
            want="the same services behind the same hosts and paths in each",
            do="give each a FabioNodes of its own, or use HAProxyNodes",
        )


def tags(name: str, listener: Listener) -> Iterator[tuple[Service, str]]:
    """Yield each service of a listener with the tags by which it is routed.

    The words are those of fabiolb.net, "urlprefix-".

    Args:
        name: of the balancers.
        listener: one of theirs.

    """
    begins = TAG.format(name=name)
    if listener.mode == "tcp":
        header = ("pxyproto=true",) if listener.to.send_proxy is not None else ()
        yield listener.to, " ".join((f"{begins}:{listener.port}", "proto=tcp", *header))
        return
    spoken = " proto=grpc" if listener.to.protocol == "grpc" else ""
    yield listener.to, f"{begins}/*{spoken}"
    for route in listener.routes:
        for host in _hosts(route.host, listener.port):
            # The segments themselves, and all below.
            for place in (f"{route.prefix}", f"{route.prefix}/*"):
                if place:
                    yield route.to, f"{begins}{host}{place}{spoken}"


def _hosts(host: str | None, port: int) -> Sequence[str]:
    """Return what clients write into the Host header for a name."""
    if host is None:
        return ("",)
    return (host,) if port in _USUAL else (host, f"{host}:{port}")


def properties(
    name: str, listeners: Sequence[Listener], *, consul: str, strategy: Strategy, metrics: bool
) -> str:
    """Return Fabio's properties.

    Args:
        name: of the balancers.
        listeners: theirs.
        consul: where its machine's agent answers, "127.0.0.1:8500".
        strategy: who gets the next connection.
        metrics: whether it shows figures to its own machine.

    """
    addresses = [_address(one) for one in listeners]
    if metrics:
        addresses.append(f"127.0.0.1:{FIGURES_PORT};proto=prometheus")
    lines = {
        "proxy.addr": ",".join(addresses),
        "proxy.cs": ",".join(_source(one) for one in listeners if one.tls is not None),
        "proxy.strategy": strategy,
        "proxy.dialtimeout": _DIAL,
        # Patterns, since its prefixes are letters and no segments.
        "proxy.matcher": "glob",
        "proxy.noroutestatus": "503",
        # What clients say of it themselves goes.
        "proxy.header.tls": "X-Forwarded-Proto",
        "proxy.header.tls.value": "https",
        "ui.addr": f"127.0.0.1:{ADMIN_PORT}",
        "ui.access": "ro",
        "metrics.target": "prometheus" if metrics else "",
        # By default the host and the program, so that no two machines' figures are called alike.
        "metrics.prefix": NAME,
        "registry.consul.addr": consul,
        "registry.consul.kvpath": f"{KV}/routes",
        "registry.consul.noroutehtmlpath": f"{KV}/noroute",
        "registry.consul.tagprefix": TAG.format(name=name),
        # Any server answers, so routes outlive the loss of a leader; and a question that fails
        # leaves a service without routes, so the next one is soon.
        "registry.consul.requireConsistent": "false",
        "registry.consul.allowStale": "true",
        "registry.consul.pollinterval": "1s",
        # Consul is told of the machine by the agent; who leads there are its clients.
        "registry.consul.register.enabled": "false",
        # Maintenance of a service is a check of its own, which fails.
        "registry.consul.checksRequired": "all",
    }
    return "".join(f"{name} = {value}\n" for name, value in lines.items())


def _address(listener: Listener) -> str:
    words = [f":{listener.port}"]
    spoken = listener.to.protocol if listener.mode == "http" else "tcp"
    if spoken == "grpc":
        words.append("proto=grpc" if listener.tls is None else "proto=grpcs")
    elif spoken == "tcp":
        words.append("proto=tcp")
    if listener.tls is not None:
        words += [f"cs={_named(listener)}", f"tlsmin={_TLS_MINIMUM[listener.tls.minimum]}"]
    if listener.accept_proxy:
        words.append("pxyproto=true")
    return ";".join(words)


def _source(listener: Listener) -> str:
    folder = f"{CERTIFICATES}-{listener.port}"
    words = [f"cs={_named(listener)}", "type=path", f"cert={folder}"]
    if listener.tls is not None and listener.tls.client_ca is not None:
        words.append(f"clientca={folder}-clients")
    return ";".join(words)


def _named(listener: Listener) -> str:
    return f"tls-{listener.port}"
