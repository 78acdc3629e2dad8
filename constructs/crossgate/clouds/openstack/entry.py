"""The entry to the balancers: an Octavia load balancer behind a floating address."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from crossgate.clouds.openstack import vip
from crossgate.clouds.openstack.bindings.lb import (
    LbListenerV2,
    LbLoadbalancerV2,
    LbMembersV2,
    LbMonitorV2,
    LbPoolV2,
)
from crossgate.clouds.openstack.bindings.networking import NetworkingFloatingipV2
from crossgate.clouds.openstack.limits import NAME
from crossgate.clouds.openstack.machines import own_reservation
from crossgate.clouds.openstack.tags import words
from crossgate.errors import ConfigError, RefusedError
from crossgate.model.names import shortened
from crossgate.model.net import Ports, as_range, is_token
from crossgate.terraform.engine import Fn, path_of

if TYPE_CHECKING:
    from crossgate.clouds.openstack.cloud import OpenStackCloud
    from crossgate.contracts import Cloud
    from crossgate.specs import EntrySpec
    from crossgate.terraform.engine import Construct

_HEALTH_INTERVAL_SECONDS = 5
_HEALTH_TIMEOUT_SECONDS = 3
_HEALTH_COUNT = 2
_CONNECT_MILLISECONDS = 5_000
# Octavia closes what is silent for 50 s unless told otherwise. How long a connection may be silent
# is the balancers' matter (`Listener.idle`): whoever is in front of them must not be the first.
_IDLE_MILLISECONDS = 24 * 3600 * 1000


def refusals(cloud: OpenStackCloud, spec: EntrySpec) -> list[RefusedError]:
    """Return why there can be no entry here."""
    if not cloud.profile.octavia:
        return vip.refusals(cloud.profile.name, spec)
    return [
        RefusedError(
            f"Octavia is a proxy: on port {port} all clients have its own address, so that "
            "nothing tells one from another",
            path=spec.name,
            got='Listener(per_source=, rate=, sticky= or release by="client") without accept_proxy',
            do="write accept_proxy=True: Octavia then tells the balancers who the client is",
        )
        for port in sorted(set(spec.by_source) - set(spec.proxied))
    ]


class OpenStackEntry:
    """A load balancer with one floating address, health-checked.

    It is a proxy: balancers see its addresses, which lie in the cloud's subnet, and who gets in is
    decided by its listeners.
    """

    def __init__(self, cloud: OpenStackCloud, scope: Construct, spec: EntrySpec) -> None:
        """Make the load balancer; one listener and one pool for each port."""
        self._cloud = cloud
        self._path = path_of(scope)
        self.ports = tuple(spec.ports)
        self._allowed: dict[int, set[str]] = {port: set() for port in self.ports}
        self._tags = words({**cloud.tags, **spec.tags})
        self._reservation = own_reservation(cloud, spec.reservation, path_of(scope))
        name = cloud.names.take("load balancer", shortened(spec.name, NAME), path_of(scope))
        balancer = LbLoadbalancerV2(
            scope,
            "balancer",
            name=name,
            vip_subnet_id=cloud.placement.subnet_id,
            tags=self._tags,
            provider=cloud.provider,
        )
        address = NetworkingFloatingipV2(
            scope,
            "address",
            pool=cloud.external_network,
            port_id=balancer.vip_port_id,
            tags=self._tags,
            # Neutron wants a way out before an address leads in.
            depends_on=cloud.placement.ready,
            provider=cloud.provider,
        )
        self.addresses = [address.address]
        self.named = False
        after: Sequence[LbMembersV2] = ()
        for port in self.ports:
            after = [self._listen(scope, spec, name, balancer, port, after)]
        for port in sorted({*self.ports, spec.health_port}):
            self._reservation.firewalls[0].allow_range(
                cloud.placement.cidr,
                Ports(first=port, last=port),
                why="the load balancer and its health checks",
                label="subnet",
            )

    def allow(self, source: IPv4Network, port: int) -> None:
        """Let an address range reach one listener.

        Raises:
            ConfigError: no listener has this port.

        """
        self._allow(str(source), port)

    def allow_cloud(self, other: Cloud, port: int) -> None:
        """Let the machines of another cloud reach one listener.

        Raises:
            ConfigError: no listener has this port.

        """
        for way in other.ways_out:
            self._allow(as_range(way), port)

    def _allow(self, source: str, port: int) -> None:
        if port not in self._allowed:
            raise ConfigError(
                "the entry has no such port",
                path=self._path,
                got=port,
                want=" or ".join(map(str, self.ports)),
            )
        self._allowed[port].add(source)

    def _listen(
        self,
        scope: Construct,
        spec: EntrySpec,
        name: str,
        balancer: LbLoadbalancerV2,
        port: int,
        after: Sequence[LbMembersV2],
    ) -> LbMembersV2:
        """Make all for one port, one after the other.

        Octavia changes a load balancer one step at a time. Of two steps asked for together, one may
        fail in its database, and the provider does not try that again.
        """
        provider = self._cloud.provider
        addresses = self._reservation.addresses
        numbered = f"{shortened(name, NAME - len(f'-{port}'))}-{port}"
        listener = LbListenerV2(
            scope,
            f"listener-{port}",
            name=numbered,
            loadbalancer_id=LbLoadbalancerV2.id.of(balancer),
            protocol="TCP",
            protocol_port=port,
            allowed_cidrs=lambda: self._sources(port),
            timeout_client_data=_IDLE_MILLISECONDS,
            timeout_member_data=_IDLE_MILLISECONDS,
            timeout_member_connect=_CONNECT_MILLISECONDS,
            tags=self._tags,
            depends_on=after,
            provider=provider,
        )
        pool = LbPoolV2(
            scope,
            f"pool-{port}",
            name=numbered,
            listener_id=LbListenerV2.id.of(listener),
            # Octavia asks on another port than it leads to, and writes no header there.
            protocol="PROXYV2" if port in spec.proxied else "TCP",
            # Connections live long here: after a balancer was away, turns would leave it idle.
            lb_method="LEAST_CONNECTIONS",
            provider=provider,
        )
        monitor = LbMonitorV2(
            scope,
            f"monitor-{port}",
            name=numbered,
            pool_id=LbPoolV2.id.of(pool),
            type="HTTP",
            http_method="GET",
            url_path=spec.health_path,
            expected_codes="200",
            delay=_HEALTH_INTERVAL_SECONDS,
            timeout=_HEALTH_TIMEOUT_SECONDS,
            max_retries=_HEALTH_COUNT,
            max_retries_down=_HEALTH_COUNT,
            provider=provider,
        )
        return LbMembersV2(
            scope,
            f"members-{port}",
            pool_id=LbPoolV2.id.of(pool),
            member=[
                {
                    "name": f"{numbered}-{number}"[-NAME:],
                    "address": address,
                    "protocol_port": port,
                    "monitor_port": spec.health_port,
                    "subnet_id": self._cloud.placement.subnet_id,
                }
                for number, address in enumerate(addresses)
            ],
            depends_on=[monitor],
            provider=provider,
        )

    def _sources(self, port: int) -> Sequence[str]:
        """Return who may connect; never an empty list, which Octavia takes for everybody.

        Octavia gives them back sorted as text, and the provider compares lists by position.
        """
        sources = sorted({self._cloud.placement.cidr, *self._allowed[port]})
        return Fn.sort(sources) if any(map(is_token, sources)) else sources
