"""What a gateway says of Consul."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Literal

from crossgate.discovery.consul.servers import ConsulServers
from crossgate.discovery.consul.settings import Versions
from crossgate.errors import ConfigError
from crossgate.model.machine import Machine
from crossgate.model.names import Label
from crossgate.model.snapshots import Snapshots
from crossgate.model.value import Many, Table, value

if TYPE_CHECKING:
    from crossgate.contracts import Cloud
    from crossgate.terraform.engine import Construct


@value
class Plan:
    """Consul servers in every cloud.

    Attributes:
        count: servers in each cloud: 3 (default) or 5.
        machine: what a server needs; default two processors and 4 GiB.
        versions: of Consul and of consul-template.
        metrics: whether servers show their figures to Prometheus; default True.
        snapshots: how often what the servers hold is copied and where to, by the cloud's name;
            null: never. Of a cloud that is not named: in-house by default, elsewhere never.
        rotation: of all tokens of Consul's ACL, of the gossip key, of the servers' certificates and
            of their authority; default 1. A number more exchanges them.

    """

    type: Literal["consul"] = "consul"
    count: int = 3
    machine: Machine = Machine(cpu=2, memory=4)
    versions: Versions = Versions()
    metrics: bool = True
    snapshots: Table[Label, Snapshots | None] = field(default_factory=dict)
    rotation: int = 1
    federation: Table[Label, Many[str]] | None = None

    def build(
        self, scope: Construct, id: str, *, clouds: Sequence[Cloud], tags: Mapping[str, str]
    ) -> ConsulServers:
        """Make the servers.

        Raises:
            ConfigError: something is said of a cloud that is not there.

        """
        by_name = {cloud.name: cloud for cloud in clouds}
        for what, said in (("snapshots", self.snapshots), ("federation", self.federation or {})):
            if strange := [name for name in said if name not in by_name]:
                raise ConfigError(
                    "is no cloud of this gateway",
                    path=f"discovery.{what}",
                    got=strange[0],
                    want=" or ".join(by_name),
                )
        return ConsulServers(
            scope,
            id,
            clouds=clouds,
            count=self.count,
            machine=self.machine,
            versions=self.versions,
            metrics=self.metrics,
            snapshots={by_name[name]: taken for name, taken in self.snapshots.items()},
            rotation=self.rotation,
            federation=None
            if self.federation is None
            else {by_name[name]: ranges for name, ranges in self.federation.items()},
            tags=tags,
        )
