"""Security groups: closed inwards until a rule opens them, open outwards."""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from crossgate.clouds.openstack.bindings.networking import (
    NetworkingSecgroupRuleV2,
    NetworkingSecgroupV2,
)
from crossgate.clouds.openstack.limits import NAME
from crossgate.clouds.openstack.tags import words
from crossgate.errors import ConfigError
from crossgate.model.names import shortened
from crossgate.terraform.engine import path_of

if TYPE_CHECKING:
    from crossgate.clouds.openstack.cloud import OpenStackCloud
    from crossgate.model.net import Ports
    from crossgate.specs import Ingress
    from crossgate.terraform.engine import Construct

_NO_ID = re.compile(r"[^A-Za-z0-9-]+")


class OpenStackFirewall:
    """One security group, and a resource for each of its rules."""

    def __init__(self, cloud: OpenStackCloud, scope: Construct, id: str, *, name: str) -> None:
        """Make the group and let everything out."""
        self.cloud = cloud
        self.name = name
        self._seen: set[str] = set()
        # Neutron's own rules differ from cloud to cloud (an operator may change them since 2023),
        # so they are deleted and what goes out is said here.
        self._group = NetworkingSecgroupV2(
            scope,
            id,
            name=name,
            description=f"{name}, made by crossgate",
            delete_default_rules=True,
            tags=words(cloud.tags),
            provider=cloud.provider,
        )
        for ethertype in ("IPv4", "IPv6"):
            NetworkingSecgroupRuleV2(
                self._group,
                f"out-{ethertype}",
                security_group_id=self.id,
                direction="egress",
                ethertype=ethertype,
                description="Everything out",
                provider=cloud.provider,
            )

    @property
    def id(self) -> str:
        """The security group's id, for constructs of the same stack."""
        return NetworkingSecgroupV2.id.of(self._group)

    def allow(self, ingress: Ingress) -> None:
        """Let a peer in; the same rule twice is one rule.

        Raises:
            ConfigError: the peer is a firewall of another cloud.

        """
        peer = ingress.peer
        if isinstance(peer, IPv4Network):
            self.allow_range(str(peer), ingress.ports, why=ingress.why)
        elif isinstance(peer, OpenStackFirewall) and peer.cloud is self.cloud:
            self._rule(peer.name, ingress.ports, ingress.why, group=peer)
        else:
            raise ConfigError(
                "a firewall of another cloud cannot be let in",
                path=path_of(self._group),
                got=peer.cloud.name,
                do="let an address range in",
            )

    def allow_range(self, cidr: str, ports: Ports, *, why: str, label: str | None = None) -> None:
        """Let an address range in; a token of one needs a `label` that stands for it."""
        self._rule(label or cidr, ports, why, cidr=cidr)

    def allow_vrrp(self) -> None:
        """Let machines of the same group say by VRRP who of them has an address."""
        NetworkingSecgroupRuleV2(
            self._group,
            "vrrp",
            security_group_id=self.id,
            direction="ingress",
            ethertype="IPv4",
            protocol="vrrp",
            remote_group_id=self.id,
            description="VRRP among those that share an address",
            provider=self.cloud.provider,
        )

    def _rule(
        self,
        peer: str,
        ports: Ports,
        why: str,
        *,
        cidr: str | None = None,
        group: OpenStackFirewall | None = None,
    ) -> None:
        key = _NO_ID.sub("-", f"{ports}-from-{peer}")
        if key in self._seen:
            return
        self._seen.add(key)
        NetworkingSecgroupRuleV2(
            self._group,
            key,
            security_group_id=self.id,
            direction="ingress",
            ethertype="IPv4",
            protocol=ports.transport,
            port_range_min=ports.first,
            port_range_max=ports.last,
            remote_ip_prefix=cidr,
            remote_group_id=group.id if group else None,
            description=shortened(why, NAME),
            provider=self.cloud.provider,
        )
