"""What a gateway says of Consul."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from crossgate.discovery.consul.servers import ConsulServers
from crossgate.discovery.consul.settings import Versions
from crossgate.model.machine import Machine
from crossgate.model.value import value

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

    """

    type: Literal["consul"] = "consul"
    count: int = 3
    machine: Machine = Machine(cpu=2, memory=4)
    versions: Versions = Versions()
    metrics: bool = True

    def build(
        self, scope: Construct, id: str, *, clouds: Sequence[Cloud], tags: Mapping[str, str]
    ) -> ConsulServers:
        """Make the servers."""
        return ConsulServers(
            scope,
            id,
            clouds=clouds,
            count=self.count,
            machine=self.machine,
            versions=self.versions,
            metrics=self.metrics,
            tags=tags,
        )
