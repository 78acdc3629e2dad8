"""The entry to the balancers: an address that they share by VRRP, or their own addresses."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Interface, IPv4Network
from typing import TYPE_CHECKING

from crossgate.boot.document import Document, File, Unit
from crossgate.clouds.inhouse.limits import VIRTUAL_ROUTERS
from crossgate.errors import ConfigError, RefusedError
from crossgate.model.net import Ports
from crossgate.specs import Ingress

if TYPE_CHECKING:
    from crossgate.clouds.inhouse.catalogue import Host
    from crossgate.clouds.inhouse.cloud import InHouse
    from crossgate.clouds.inhouse.machines import InHouseReservation
    from crossgate.contracts import Cloud
    from crossgate.specs import EntrySpec

_SETTINGS = "/etc/crossgate/vip.conf"
_PROGRAM = "/usr/local/lib/crossgate/vip"
_PRIORITY = 200


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

    def document(self, host: Host, hosts: Sequence[Host]) -> Document | None:
        """Return the part that makes a balancer share the address; None where there is none."""
        if self.vip is None:
            return None
        text = _settings(
            self.vip,
            host,
            [peer for peer in hosts if peer != host],
            _PRIORITY - list(hosts).index(host),
            f"http://127.0.0.1:{self.health_port}{self._health_path}",
        )
        return Document(
            label="vip",
            packages=("curl", "iproute2", "keepalived"),
            files=(
                File(_SETTINGS, text),
                File(_PROGRAM, _program(host), mode=0o755),
            ),
            units=(Unit("crossgate-vip.service", _UNIT),),
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


# Unicast, because switches filter multicast; ten advertisements a second, so that a dead host is
# left after a third of one; nopreempt, so that its return moves nothing. Version 3 is what allows
# less than a second. A balancer's process that is killed is back within half a second, and until
# then clients wait in its sockets, which systemd keeps: were the address to move at the first check
# that fails, they would wait for ever. keepalived takes whole seconds only between two checks.
def _settings(
    vip: IPv4Interface, host: Host, peers: Sequence[Host], priority: int, health: str
) -> str:
    addresses = "\n".join(f"        {peer.address}" for peer in peers)
    router = int(vip.ip) % VIRTUAL_ROUTERS + 1
    return f"""\
global_defs {{
    router_id {host.address}
    vrrp_version 3
    enable_script_security
    script_user root
}}

vrrp_script balancer {{
    script "/usr/bin/curl --silent --fail --output /dev/null --max-time 1 {health}"
    interval 1
    timeout 2
    fall 2
    rise 1
}}

vrrp_instance entry {{
    state BACKUP
    nopreempt
    interface @INTERFACE@
    virtual_router_id {router}
    priority {priority}
    advert_int 0.1
    unicast_src_ip {host.address}
    unicast_peer {{
{addresses}
    }}
    virtual_ipaddress {{
        {vip}
    }}
    track_script {{
        balancer
    }}
}}
"""


def _program(host: Host) -> str:
    return f"""\
#!/bin/sh
# Shares the entry's address, on the interface that has this host's own.
set -eu
interface=$(ip -oneline -4 address show to {host.address}/32 | awk '{{ print $2; exit }}')
if [ -z "$interface" ]; then
  echo "no interface has {host.address}" >&2
  exit 1
fi
sed "s/@INTERFACE@/$interface/" {_SETTINGS} >/run/crossgate-vip.conf
exec /usr/sbin/keepalived --vrrp --dont-fork --log-console \\
  --use-file=/run/crossgate-vip.conf --pid=/run/crossgate-vip.pid \\
  --vrrp_pid=/run/crossgate-vip-vrrp.pid
"""


# Not keepalived.service: that one belongs to whoever already runs keepalived on the host.
_UNIT = f"""\
[Unit]
Description=Shared address of the balancers of Crossgate
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={_PROGRAM}
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""
