"""What a gateway says of Fabio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, cast

from crossgate.balancers.fabio.nodes import FabioNodes
from crossgate.balancers.fabio.settings import Strategy
from crossgate.model.machine import Machine
from crossgate.model.service import Artifact
from crossgate.model.value import value

if TYPE_CHECKING:
    from crossgate.contracts import Catalogue, Cloud, Discovery
    from crossgate.model.listener import Listener
    from crossgate.terraform.engine import Construct


@value
class Plan:
    """Fabio machines in every cloud, which need Consul.

    Attributes:
        program: where Fabio is, and its checksum.
        count: machines in each cloud, at least 2 (default).
        machine: what one needs; default two processors and 4 GiB.
        strategy: who gets the next connection: each machine in turn (`rr`, the default), or one by
            chance (`rnd`).
        metrics: whether they show figures to Prometheus; default True.

    """

    type: Literal["fabio"] = "fabio"
    program: Artifact
    count: int = 2
    machine: Machine = Machine(cpu=2, memory=4)
    strategy: Strategy = "rr"
    metrics: bool = True

    def build(
        self,
        scope: Construct,
        id: str,
        *,
        clouds: Sequence[Cloud],
        discovery: Discovery,
        listeners: Sequence[Listener],
        tags: Mapping[str, str],
    ) -> FabioNodes:
        """Make the balancers."""
        return FabioNodes(
            scope,
            id,
            clouds=clouds,
            # One that is no Consul is refused there.
            discovery=cast("Catalogue", discovery),
            listeners=listeners,
            program=self.program,
            count=self.count,
            machine=self.machine,
            strategy=self.strategy,
            metrics=self.metrics,
            tags=tags,
        )
