"""Firewalls of hosts: a table of nftables of our own, closed inwards but for SSH."""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from crossgate.boot.document import Document, File, Unit
from crossgate.clouds.inhouse.limits import VRRP
from crossgate.errors import ConfigError
from crossgate.model.net import is_token
from crossgate.model.text import Reference, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crossgate.clouds.inhouse.catalogue import Host
    from crossgate.clouds.inhouse.cloud import InHouse
    from crossgate.contracts import Cloud
    from crossgate.specs import Ingress

_FILE = "/etc/crossgate/firewall.nft"
_NO_COMMENT = re.compile(r"[^A-Za-z0-9 .,:/()_-]+")
_COMMENT = 120

# As Debian's own nftables.service: before there is a network. Stopping it opens what it closed.
_UNIT = f"""\
[Unit]
Description=Firewall of Crossgate
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target
ConditionPathExists={_FILE}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft --file {_FILE}
ExecReload=/usr/sbin/nft --file {_FILE}
ExecStop=/usr/sbin/nft delete table inet crossgate

[Install]
WantedBy=sysinit.target
"""


_HEAD = """\
table inet crossgate
delete table inet crossgate
table inet crossgate {
  chain input {
    type filter hook input priority filter; policy drop;
"""


class InHouseFirewall:
    """Who may reach the hosts that wear it."""

    def __init__(self, cloud: InHouse, path: str, *, name: str) -> None:
        """Start with nothing let in."""
        self.cloud = cloud
        self.name = name
        self.ingress: list[Ingress] = []
        self.clouds: list[tuple[Cloud, int]] = []
        self.hosts: list[Host] = []
        self._path = path

    def allow(self, ingress: Ingress) -> None:
        """Let a peer in; the same rule twice is one rule.

        Raises:
            ConfigError: the peer is a firewall of another cloud.

        """
        peer = ingress.peer
        own = isinstance(peer, InHouseFirewall) and peer.cloud is self.cloud
        if not isinstance(peer, IPv4Network) and not own:
            raise ConfigError(
                "a firewall of another cloud cannot be let in",
                path=self._path,
                got=peer.cloud.name,
                do="let an address range in",
            )
        known = {(rule.peer, str(rule.ports)) for rule in self.ingress}
        if (peer, str(ingress.ports)) not in known:
            self.ingress.append(ingress)

    def allow_cloud(self, other: Cloud, port: int) -> None:
        """Let the machines of another cloud reach a TCP port."""
        if (other, port) not in self.clouds:
            self.clouds.append((other, port))

    def wear(self, hosts: Iterable[Host]) -> None:
        """Remember hosts, so that whoever lets this firewall in lets them in."""
        self.hosts += [host for host in hosts if host not in self.hosts]


def listening(firewalls: Sequence[InHouseFirewall]) -> set[int]:
    """Return the TCP ports that are opened one by one: something is to listen there."""
    opened = {
        rule.ports.first
        for firewall in firewalls
        for rule in firewall.ingress
        if rule.ports.transport == "tcp" and len(rule.ports) == 1
    }
    return opened | {port for firewall in firewalls for _, port in firewall.clouds}


def document(firewalls: Sequence[InHouseFirewall], host: Host, vip: Sequence[Host]) -> Document:
    """Return the part that lets in what the firewalls say, SSH and what was asked for.

    It is a table of its own, so that tables of others stay as they are; what one of them drops
    stays dropped.

    Args:
        firewalls: what the host wears.
        host: the host.
        vip: the other hosts with which it shares an address by VRRP.

    """
    rules = [f"    {rule}\n" for rule in _rules(firewalls, host, vip)]
    text = Text.of(_HEAD, *rules, *_from_clouds(firewalls), "  }\n}\n")
    return Document(
        label="firewall",
        packages=("nftables",),
        files=(File(_FILE, text),),
        units=(Unit("crossgate-firewall.service", _UNIT),),
    )


def _from_clouds(firewalls: Sequence[InHouseFirewall]) -> Iterator[Text]:
    for firewall in firewalls:
        for other, port in firewall.clouds:
            for way in other.ways_out:
                source = Reference(way) if is_token(way) else way
                why = f'comment "balancers of {other.name}"'
                yield Text.of("    ip saddr { ", source, f" }} tcp dport {port} accept {why}\n")


def _rules(firewalls: Sequence[InHouseFirewall], host: Host, vip: Sequence[Host]) -> list[str]:
    rules = [
        "ct state established,related accept",
        'iifname "lo" accept',
        # ICMP and ICMPv6: a minimal system has no /etc/protocols that knows their names.
        'meta l4proto { 1, 58 } accept comment "ICMP"',
        # Whatever is written here by mistake, whoever can mend it gets in.
        f'tcp dport {{ {", ".join(map(str, sorted({22, host.port})))} }} accept comment "SSH"',
        'udp sport 67 udp dport 68 accept comment "DHCP"',
    ]
    if vip:
        addresses = ", ".join(peer.address for peer in vip)
        rules.append(f'ip saddr {{ {addresses} }} meta l4proto {VRRP} accept comment "VRRP"')
    for firewall in firewalls:
        for rule in firewall.ingress:
            if isinstance(rule.peer, IPv4Network):
                sources = [str(rule.peer)]
            else:
                sources = [h.address for h in getattr(rule.peer, "hosts", ()) if h is not host]
            if not sources:
                continue
            ports = rule.ports
            span = f"{ports.first}" if len(ports) == 1 else f"{ports.first}-{ports.last}"
            rules.append(
                f"ip saddr {{ {', '.join(sources)} }} {ports.transport} dport {span} accept "
                f'comment "{_NO_COMMENT.sub("-", rule.why)[:_COMMENT]}"'
            )
    return list(dict.fromkeys(rules))
