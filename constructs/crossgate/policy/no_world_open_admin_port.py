"""No administrative port is open to the world, whoever asks for it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from crossgate.errors import PolicyError
from crossgate.model.net import is_world

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from crossgate.model.net import Ports

ADMIN_PORTS = frozenset({22, *range(8300, 8303), *range(8500, 8504), 8600, 3389, 4646, 9997, 9998})
"""SSH, RDP, Consul (RPC, gossip, HTTP(S), gRPC, DNS), Nomad, Fabio."""


def check(source: IPv4Network, ports: Ports, admin: Collection[int], path: str) -> None:
    """Refuse a range that is wider than any customer on a port that administers something.

    Raises:
        PolicyError: it does.

    """
    if not is_world(source):
        return
    hit = sorted(p for p in ADMIN_PORTS | set(admin) if ports.first <= p <= ports.last)
    if hit:
        raise PolicyError(
            f"the world would reach an administrative port ({', '.join(map(str, hit))})",
            path=path,
            got=f"{ports} from {source}",
            want="a range that you know, such as your office's or your VPN's",
        )
