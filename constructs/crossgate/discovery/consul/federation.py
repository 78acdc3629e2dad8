"""WAN federation: datacenters that know each other, over networks that are routed to each other."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, product
from typing import TYPE_CHECKING

from crossgate.discovery.consul.settings import SERF_WAN, SERVER_RPC
from crossgate.errors import ConfigError
from crossgate.model.argument import checked, checked_many
from crossgate.model.net import ipv4_network
from crossgate.per_cloud import by_cloud
from crossgate.policy import no_world_open_admin_port
from crossgate.specs import Addresses, Ingress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network

    from crossgate.contracts import Cloud, Firewall, Reservation
    from crossgate.model.text import Text

Ranges = dict["Cloud", list["IPv4Network"]]
"""From where the servers of each cloud come; empty where the datacenters stand for themselves."""

PORTS = (*SERF_WAN, SERVER_RPC)
"""What servers of one cloud must reach on those of another."""


def checked_federation(
    given: Mapping[Cloud, Sequence[str]] | None, clouds: Sequence[Cloud], path: str
) -> Ranges:
    """Return from where the servers of each cloud come to those of the others.

    Raises:
        ConfigError: there is no other cloud, or one's range is not known, or is another's too.
        PolicyError: a range is the world.

    """
    if given is None:
        return {}
    where = f"{path}: federation"
    if len(clouds) == 1:
        raise ConfigError(
            "one datacenter alone has nobody to know",
            path=where,
            got=f"the cloud {clouds[0].name!r}",
            want="servers in two clouds at least",
        )
    checked(Mapping, given, argument="federation", path=path)
    none: Sequence[str] = ()
    said = by_cloud(given, clouds, kind=object, default=none, argument="federation", path=path)
    ranges = {cloud: _ranges(cloud, texts, path, where) for cloud, texts in said.items()}
    for (one, first), (other, second) in combinations(ranges.items(), 2):
        for source, same in product(first, second):
            if source.overlaps(same):
                raise ConfigError(
                    f"the ranges of {one.name!r} and {other.name!r} overlap",
                    path=where,
                    got=f"{source} and {same}",
                    want="ranges that share no address: nobody routes one to two places",
                )
    return ranges


def _ranges(cloud: Cloud, texts: Sequence[str], path: str, where: str) -> list[IPv4Network]:
    of_cloud = f"federation of {cloud.name!r}"
    said = checked_many(str, texts, argument=of_cloud, path=path)
    sources = [ipv4_network(text, where) for text in said]
    if not sources and cloud.network is not None:
        sources = [cloud.network]
    if not sources:
        raise ConfigError(
            f"the network of {cloud.name!r} is not known before Terraform runs",
            path=where,
            want=f'its range: federation={{{cloud.name}: ["10.1.0.0/16"]}}',
            do="give the private range to which the others have a route",
        )
    for source in sources:
        for ports in PORTS:
            no_world_open_admin_port.check(source, ports, {ports.first}, where)
    return sources


def let_in(own: Firewall, cloud: Cloud, ranges: Ranges) -> None:
    """Open the firewall of a cloud's servers to those of the others."""
    for other, sources in ranges.items():
        if other is cloud:
            continue
        for source in sources:
            for ports in PORTS:
                why = f"Consul servers of {other.name}"
                own.allow(Ingress(peer=source, ports=ports, why=why))


def joins(cloud: Cloud, reserved: Mapping[Cloud, Reservation], path: str) -> Sequence[Text]:
    """Return the servers of other clouds whose addresses are known before they are there.

    Raises:
        ConfigError: none of any cloud is.

    """
    fixed = {
        other: reservation.join.addresses
        for other, reservation in reserved.items()
        if isinstance(reservation.join, Addresses)
    }
    if not fixed:
        raise ConfigError(
            "no cloud knows the addresses of its servers before they are there",
            path=f"{path}: federation",
            got=[other.name for other in reserved],
            want="one cloud at least that reserves them, such as OpenStack or servers of your own: "
            "those of the others join there, and hear of each other",
        )
    return [address for other, given in fixed.items() if other is not cloud for address in given]
