"""The entry to the balancers where there is no Octavia: an address that they share by VRRP."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from crossgate.boot.shared_address import shared_address_document
from crossgate.clouds.openstack.bindings.networking import (
    NetworkingFloatingipV2,
    NetworkingPortV2,
)
from crossgate.clouds.openstack.limits import NAME
from crossgate.clouds.openstack.machines import own_reservation
from crossgate.clouds.openstack.tags import words
from crossgate.errors import ConfigError, RefusedError
from crossgate.model.names import shortened
from crossgate.model.net import Ports, as_range, is_token
from crossgate.model.text import Reference, Text
from crossgate.terraform.engine import path_of

if TYPE_CHECKING:
    from crossgate.clouds.openstack.cloud import OpenStackCloud
    from crossgate.contracts import Cloud
    from crossgate.specs import EntrySpec
    from crossgate.terraform.engine import Construct

# Who shares it says so to each other alone (unicast), so others may have the same number.
_ROUTER = 51


def refusals(cloud: str, spec: EntrySpec) -> list[RefusedError]:
    """Return why there can be no such entry."""
    return [
        RefusedError(
            f"{cloud} has no Octavia, and nothing else writes a header of the PROXY protocol "
            f"before port {port}: clients connect to the balancers themselves",
            path=spec.name,
            do="leave accept_proxy out; the balancers see the clients' own addresses. Where other "
            "clouds need it, give this one an HAProxyNodes of its own; or, if the cloud has "
            "Octavia: octavia=True in the profile",
        )
        for port in sorted(spec.proxied)
    ]


class VipEntry:
    """A floating address in front of a port that no machine has: the balancers take it by turns.

    Neutron lets each of them speak for it (`allowed_address_pairs`). One has all clients at a time,
    and sees their own addresses.
    """

    def __init__(self, cloud: OpenStackCloud, scope: Construct, spec: EntrySpec) -> None:
        """Make the port and the floating address, and tell the balancers of it."""
        path = path_of(scope)
        self._path = path
        self.ports = tuple(spec.ports)
        reservation = own_reservation(cloud, spec.reservation, path)
        self._firewall = reservation.firewalls[0]
        tags = words({**cloud.tags, **spec.tags})
        port = NetworkingPortV2(
            scope,
            "port",
            name=shortened(f"{spec.name}-entry", NAME),
            network_id=cloud.placement.network_id,
            fixed_ip=[{"subnet_id": cloud.placement.subnet_id}],
            # It carries nothing itself: the balancers' own ports do, with their groups.
            no_security_groups=True,
            tags=tags,
            provider=cloud.provider,
        )
        inside = NetworkingPortV2.all_fixed_ips.of(port, "[0]")
        address = NetworkingFloatingipV2(
            scope,
            "address",
            pool=cloud.external_network,
            port_id=NetworkingPortV2.id.of(port),
            tags=tags,
            # Neutron wants a way out before an address leads in.
            depends_on=cloud.placement.ready,
            provider=cloud.provider,
        )
        self.addresses = [address.address]
        self.named = False
        self._firewall.allow_vrrp()
        reservation.share(
            inside,
            shared_address_document(
                Text.of(Reference(inside), "/32"),
                [Reference(one) for one in reservation.addresses],
                health=f"http://127.0.0.1:{spec.health_port}{spec.health_path}",
                router=_ROUTER,
            ),
        )

    def allow(self, source: IPv4Network, port: int) -> None:
        """Let an address range reach one listener.

        Raises:
            ConfigError: no listener has this port.

        """
        self._allow(str(source), port, why=f"clients of port {port}")

    def allow_cloud(self, other: Cloud, port: int) -> None:
        """Let the machines of another cloud reach one listener.

        Raises:
            ConfigError: no listener has this port.

        """
        for number, way in enumerate(other.ways_out):
            label = f"{other.name}-{number}" if is_token(way) else None
            self._allow(as_range(way), port, why=f"balancers of {other.name}", label=label)

    def _allow(self, source: str, port: int, *, why: str, label: str | None = None) -> None:
        if port not in self.ports:
            raise ConfigError(
                "the entry has no such port",
                path=self._path,
                got=port,
                want=" or ".join(map(str, self.ports)),
            )
        self._firewall.allow_range(source, Ports(first=port, last=port), why=why, label=label)
