"""The entry to the balancers: an address that they share by VRRP, or their own addresses."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from crossgate.boot.shared_address import shared_address_document
from crossgate.clouds.inhouse.limits import VIRTUAL_ROUTERS
from crossgate.errors import ConfigError, RefusedError
from crossgate.model.net import Ports
from crossgate.specs import Ingress

if TYPE_CHECKING:
    from crossgate.boot.document import Document
    from crossgate.clouds.inhouse.catalogue import Host
    from crossgate.clouds.inhouse.cloud import InHouse
    from crossgate.clouds.inhouse.machines import InHouseReservation
    from crossgate.contracts import Cloud
    from crossgate.specs import EntrySpec


class InHouseEntry:
    """The address that the balancers share, or one address for each of them."""

    def __init__(self, cloud: InHouse, path: str, spec: EntrySpec) -> None:
        """Remember what is asked; the balancers' own firewall opens the ports."""
        self._path = path
        self.reservation: InHouseReservation = cloud.own_reservation(spec.reservation, path)
        self.ports = tuple(spec.ports)
        self.health_port = spec.health_port
        self._health_path = spec.health_path
        self.vip = cloud.vip
        self.addresses: Sequence[str] = (
            [str(cloud.vip.ip)] if cloud.vip else self.reservation.addresses
        )
        self.named = False
        self.reservation.entry = self

    def allow(self, source: IPv4Network, port: int) -> None:
        """Let an address range reach one listener.

        Raises:
            ConfigError: no listener has this port.

        """
        self._check(port)
        why = f"clients at {source}"
        self.reservation.firewalls[0].allow(
            Ingress(peer=source, ports=Ports(first=port, last=port), why=why)
        )

    def allow_cloud(self, other: Cloud, port: int) -> None:
        """Let the machines of another cloud reach one listener.

        Raises:
            ConfigError: no listener has this port.

        """
        self._check(port)
        self.reservation.firewalls[0].allow_cloud(other, port)

    def _check(self, port: int) -> None:
        if port not in self.ports:
            raise ConfigError(
                "the entry has no such port",
                path=self._path,
                got=port,
                want=" or ".join(map(str, self.ports)),
            )

    def document(self, hosts: Sequence[Host]) -> Document | None:
        """Return the part that makes a balancer share the address; None where there is none."""
        if self.vip is None:
            return None
        return shared_address_document(
            str(self.vip),
            [host.address for host in hosts],
            health=f"http://127.0.0.1:{self.health_port}{self._health_path}",
            router=int(self.vip.ip) % VIRTUAL_ROUTERS + 1,
        )


def refusals(cloud: InHouse, spec: EntrySpec) -> list[RefusedError]:
    """Return why there can be no entry here."""
    found = [
        RefusedError(
            f"nothing writes a header of the PROXY protocol before port {port}: clients connect to "
            "the balancers themselves",
            path=spec.name,
            do="leave accept_proxy out; the balancers see the clients' own addresses. Where other "
            "clouds need it, give this one an HAProxyNodes of its own",
        )
        for port in sorted(spec.proxied)
    ]
    other = cloud.entry_name
    if cloud.vip is None or other is None or other == spec.name:
        return found
    return [
        *found,
        RefusedError(
            "the address that balancers share leads to other balancers",
            path=spec.name,
            got=f"{cloud.vip}, which leads to {other}",
            do="give the listeners to one HAProxyNodes, or make a second cloud with a vip of its "
            "own for some of the hosts",
        ),
    ]
