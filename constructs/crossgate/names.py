"""Names of DNS that lead clients to the balancers of all clouds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from crossgate.errors import ConfigError, RefusedError
from crossgate.model.argument import checked, checked_role
from crossgate.model.names import TTL, dns_name
from crossgate.model.units import whole_seconds
from crossgate.per_cloud import by_cloud, refuse_all, refuse_other_stack
from crossgate.specs import NameSpec
from crossgate.terraform.engine import claim, path_of

if TYPE_CHECKING:
    from crossgate.connections import Connections
    from crossgate.contracts import Cloud, Entry, Zone
    from crossgate.terraform.engine import Construct


def lead(
    scope: Construct,
    name: str,
    *,
    zone: Zone,
    entries: Mapping[Cloud, Entry],
    connections: Connections,
    ports: Sequence[int],
    weights: Mapping[Cloud, int] | None = None,
    first: Cloud | None = None,
    port: int | None = None,
    ttl: timedelta = TTL,
) -> None:
    """Have a name lead clients to the entries of all clouds.

    Args:
        scope: the balancers.
        name: such as "api.example.org".
        zone: where the name is.
        entries: what it leads to.
        connections: who may reach them: also those who look whether they are well.
        ports: of the listeners.
        weights: how many of the clients each cloud gets, compared with the others; default: all as
            many. 0: none while the entry of another is well.
        first: the cloud that gets all clients while its entry is well; default: none does.
        port: which of the ports tells whether an entry is well; default the first.
        ttl: for how long an answer may be kept, in whole seconds; default 30.

    Raises:
        ConfigError: a value is wrong.
        RefusedError: the zone cannot lead anybody so.

    """
    path = f"{path_of(scope)}: dns({name!r})"
    # Names differ where their ids do: `a-b.c` is `a--b-c`.
    own = f"name-{dns_name(name, path).replace('-', '--').replace('.', '-')}"
    claim(scope, own)
    checked_role(
        "lead", zone, argument="zone", path=path, like='a zone such as aws.zone("example.org")'
    )
    refuse_other_stack(zone.scope, f"the zone {zone.name!r}", path, scope)
    if name != zone.name and not name.endswith(f".{zone.name}"):
        raise ConfigError(
            "the name is not in the zone",
            path=path,
            got=name,
            want=f"{zone.name}, or a name that ends in .{zone.name}",
        )
    asked = ports[0] if port is None else checked(int, port, argument="port", path=path)
    if asked not in ports:
        raise ConfigError(
            "no listener has this port",
            path=path,
            got=asked,
            want=" or ".join(map(str, ports)),
        )
    spec = NameSpec(
        name=name,
        entries={cloud.name: tuple(entry.addresses) for cloud, entry in entries.items()},
        port=asked,
        weights=_weights(weights, first, list(entries), path),
        ttl=_seconds(ttl, path),
    )
    found = [*_nameless(entries), *zone.refusals(spec)]
    refuse_all([refusal.at(path) for refusal in found])
    for source in zone.checkers:
        connections.allow_from(source, port=asked, why=f"who looks at {name}")
    zone.lead(scope, own, spec)


def no_zones(cloud: Construct, name: str) -> RefusedError:
    """Return why a cloud that has no DNS has not the zone of a name."""
    return RefusedError(
        "has no zones of DNS",
        path=path_of(cloud),
        got=name,
        do="have the name in a zone of another cloud",
    )


def _weights(
    weights: Mapping[Cloud, int] | None, first: Cloud | None, clouds: Sequence[Cloud], path: str
) -> dict[str, int]:
    if first is not None and (weights is not None or first not in clouds or len(clouds) == 1):
        raise ConfigError(
            "one cloud is to have all clients",
            path=path,
            got=f"first={getattr(first, 'name', first)!r}"
            + ("" if weights is None else " and weights="),
            want="one of several clouds of the balancers, and no weights",
        )
    if first is not None:
        return {cloud.name: int(cloud is first) for cloud in clouds}
    found = by_cloud(weights or {}, clouds, kind=int, default=1, argument="weights", path=path)
    if min(found.values()) < 0 or not any(found.values()):
        raise ConfigError(
            "nobody would be led anywhere, or less than nobody",
            path=path,
            got={cloud.name: weight for cloud, weight in found.items()},
            want="weights of 0 and more, not all of them 0",
        )
    return {cloud.name: weight for cloud, weight in found.items()}


def _seconds(ttl: timedelta, path: str) -> int:
    found = whole_seconds(checked(timedelta, ttl, argument="ttl", path=path), path)
    if found < 1:
        raise ConfigError("an answer may be kept for no time", path=path, got=str(ttl))
    return found


def _nameless(entries: Mapping[Cloud, Entry]) -> list[RefusedError]:
    return [
        RefusedError(
            f"the entry of {cloud.name} has a name in place of addresses, and no record has both",
            path=cloud.name,
            do="say the public subnets of its network, so that its addresses are fixed",
        )
        for cloud, entry in entries.items()
        if entry.named
    ]
