"""Ports, protocols and address ranges."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from typing import Annotated, Literal

import pydantic

from crossgate.errors import ConfigError
from crossgate.model.text import Reference
from crossgate.model.value import holds_token, value

Port = Annotated[int, pydantic.Field(ge=1, le=65535)]
"""A TCP or UDP port, 1 to 65535."""

Transport = Literal["tcp", "udp"]
"""What a firewall rule lets through."""

ANYWHERE = "0.0.0.0/0"
"""The whole world: to let it in, write it."""


@value
class Ports:
    """A range of ports of one transport; `first == last` for a single one.

    Attributes:
        first: the lowest.
        last: the highest.
        transport: `tcp` (default) or `udp`.

    Raises:
        ConfigError: the range is upside down.

    """

    first: Port
    last: Port
    transport: Transport = "tcp"

    def __post_init__(self) -> None:
        """Refuse a range that is upside down."""
        if self.first > self.last:
            raise ConfigError(
                "the first port is above the last",
                path="Ports",
                got=f"first={self.first}, last={self.last}",
                do=f"write Ports(first={self.last}, last={self.first})",
            )

    def __len__(self) -> int:
        """Count the ports."""
        return self.last - self.first + 1

    def holds(self, port: int) -> bool:
        """Return whether a TCP port is one of them."""
        return self.transport == "tcp" and self.first <= port <= self.last

    def __str__(self) -> str:
        """Show it as the field does: `tcp/8301` or `tcp/21000-21255`."""
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.transport}/{ports}"


_PRIVATE = tuple(
    IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)
_WIDE_PREFIX = 8


def ipv4_network(text: str, path: str) -> IPv4Network:
    """Return the IPv4 range that `text` names.

    Raises:
        ConfigError: it is no range, or has bits set to the right of its prefix.

    """
    try:
        return IPv4Network(text)
    except (AddressValueError, NetmaskValueError, ValueError):
        pass
    try:
        near = IPv4Network(text, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        raise ConfigError(
            "is no IPv4 range", path=path, got=text, want='a range such as "10.20.0.0/16"'
        ) from None
    raise ConfigError(
        "has bits set to the right of its prefix", path=path, got=text, want=f'"{near}"'
    )


def as_range(way: str) -> str:
    """Return one of a cloud's ways out as a range: tokens are of addresses."""
    return f"{way}/32" if is_token(way) else way


def is_token(way: str) -> bool:
    """Return whether one of a cloud's ways out is known to Terraform alone."""
    return way.startswith("${") and holds_token(way)


def ways_out(given: Sequence[str], path: str) -> tuple[str, ...]:
    """Return by which addresses a cloud's machines reach others: ranges, or tokens of addresses.

    Raises:
        ConfigError: one is no IPv4 address or range, is the world, or is no token of one address.

    """
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ConfigError(
            "must be a list, also of one address", path=path, got=given, want='["198.51.100.7"]'
        )
    return tuple(dict.fromkeys(_way_out(way, path) for way in given))


def _way_out(way: object, path: str) -> str:
    if isinstance(way, str) and is_token(way):
        return Reference(way).token
    if not isinstance(way, str) or holds_token(way):
        raise ConfigError(
            "is no address", path=path, got=way, want='text such as "198.51.100.7", or its token'
        )
    found = ipv4_network(way, path)
    if is_world(found):
        raise ConfigError(
            "would let strangers in",
            path=path,
            got=way,
            want="the addresses of the routers by which the machines reach others",
        )
    return str(found)


def is_world(network: IPv4Network) -> bool:
    """Return whether a range is so wide that it means strangers, not a customer or an office.

    Wider than a /8 outside the private ranges: so the world cannot be let in by two halves.
    """
    return network.prefixlen < _WIDE_PREFIX and not is_private(network)


def is_private(network: IPv4Network) -> bool:
    """Return whether a range lies in RFC 1918 or RFC 6598 space."""
    return any(network.subnet_of(private) for private in _PRIVATE)
