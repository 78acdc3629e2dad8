"""Security groups: closed inwards until a rule opens them, open outwards."""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from crossgate.clouds.aws.bindings.security import (
    SecurityGroup,
    VpcSecurityGroupEgressRule,
    VpcSecurityGroupIngressRule,
)
from crossgate.clouds.aws.limits import RULE_DESCRIPTION
from crossgate.model.names import shortened
from crossgate.model.net import ANYWHERE

if TYPE_CHECKING:
    from crossgate.clouds.aws.cloud import AwsCloud
    from crossgate.model.net import Ports
    from crossgate.specs import Ingress
    from crossgate.terraform.engine import Construct

# EC2's API refuses other characters in a rule's description.
_STRANGE = re.compile(r"[^a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]")


class AwsFirewall:
    """One security group, and a resource for each of its rules."""

    def __init__(self, cloud: AwsCloud, scope: Construct, id: str, *, name: str) -> None:
        """Make the group and let everything out."""
        self.cloud = cloud
        self.name = name
        self._seen: set[tuple[str, str]] = set()
        self._group = SecurityGroup(
            scope,
            id,
            name=name,
            description=f"{name}, made by crossgate",
            vpc_id=cloud.placement.vpc_id,
            tags={"Name": name},
            lifecycle={"create_before_destroy": True},
            provider=cloud.provider,
        )
        VpcSecurityGroupEgressRule(
            self._group,
            "out",
            security_group_id=self.id,
            ip_protocol="-1",
            cidr_ipv4=ANYWHERE,
            description="Everything out",
            provider=cloud.provider,
        )

    @property
    def id(self) -> str:
        """The security group's id, for constructs of the same stack."""
        return SecurityGroup.id.of(self._group)

    def allow(self, ingress: Ingress) -> None:
        """Let a peer in; the same rule twice is one rule."""
        peer = ingress.peer
        if isinstance(peer, IPv4Network):
            self.allow_range(str(peer), ingress.ports, why=ingress.why)
        elif isinstance(peer, AwsFirewall):
            self._rule(peer.name, ingress.ports, ingress.why, source_group=peer)

    def allow_range(self, cidr: str, ports: Ports, *, why: str, label: str | None = None) -> None:
        """Let an address range in; a token of one needs a `label` that stands for it."""
        self._rule(label or cidr, ports, why, cidr=cidr)

    def _rule(
        self,
        peer: str,
        ports: Ports,
        why: str,
        *,
        cidr: str | None = None,
        source_group: AwsFirewall | None = None,
    ) -> None:
        # What EC2 takes for one rule: two labels may stand for one range.
        rule = (str(ports), cidr or peer)
        if rule in self._seen:
            return
        self._seen.add(rule)
        key = re.sub(r"[^A-Za-z0-9-]+", "-", f"{ports}-from-{peer}")
        VpcSecurityGroupIngressRule(
            self._group,
            key,
            security_group_id=self.id,
            ip_protocol=ports.transport,
            from_port=ports.first,
            to_port=ports.last,
            cidr_ipv4=cidr,
            referenced_security_group_id=source_group.id if source_group else None,
            description=shortened(_STRANGE.sub("-", why), RULE_DESCRIPTION),
            provider=self.cloud.provider,
        )
