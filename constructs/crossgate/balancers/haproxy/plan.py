"""What a gateway says of HAProxy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from crossgate.balancers.haproxy.nodes import HAProxyNodes
from crossgate.balancers.haproxy.settings import Seen, SpillOver
from crossgate.model.machine import Machine
from crossgate.model.value import value

if TYPE_CHECKING:
    from crossgate.contracts import Cloud, Discovery
    from crossgate.model.listener import Listener
    from crossgate.terraform.engine import Construct


@value
class Plan:
    """HAProxy machines in every cloud.

    Attributes:
        count: machines in each cloud, at least 2 (default).
        machine: what one needs; default two processors and 4 GiB.
        seen: what can be seen of them; default: figures, a page of statistics and logs.
        spill_over: whether clients are led to the other clouds while no machine of a service works
            in one; default: they are, where there are others. Null: they are not.
        rotation: of the certificates by which balancers know each other; default 1. A number more
            exchanges them.

    """

    type: Literal["haproxy"] = "haproxy"
    count: int = 2
    machine: Machine = Machine(cpu=2, memory=4)
    seen: Seen = Seen()
    spill_over: SpillOver | None = SpillOver()
    rotation: int = 1

    def build(
        self,
        scope: Construct,
        id: str,
        *,
        clouds: Sequence[Cloud],
        discovery: Discovery,
        listeners: Sequence[Listener],
        tags: Mapping[str, str],
    ) -> HAProxyNodes:
        """Make the balancers."""
        return HAProxyNodes(
            scope,
            id,
            clouds=clouds,
            discovery=discovery,
            listeners=listeners,
            count=self.count,
            machine=self.machine,
            seen=self.seen,
            spill_over=self.spill_over,
            rotation=self.rotation,
            tags=tags,
        )
