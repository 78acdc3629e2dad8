"""How machines are paid for: on demand, or spot."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from crossgate.errors import ConfigError
from crossgate.model.units import Money, Share
from crossgate.model.value import value


@value
class OnDemand:
    """Every machine at the list price, kept until it is given back."""

    type: Literal["on-demand"] = "on-demand"


@value
class Spot:
    """Spare machines at a lower price, which the cloud takes back on short notice.

    Attributes:
        on_demand_base: this many machines are on demand before any is spot; default 1, so that
            one machine stays when the cloud takes all spot machines back at once.
        on_demand_share: share of the machines above the base that are on demand; default 0.
        max_price: US dollars an hour for one machine; default is the on-demand price.
        strategy: how AWS picks among machine types; default `price-capacity-optimized`, the one
            that AWS recommends for services.
        otherwise: what a cloud without spot does: refuse (default None), or `OnDemand()`.

    Raises:
        ConfigError: no machine would be spot.

    """

    type: Literal["spot"] = "spot"
    on_demand_base: Annotated[int, pydantic.Field(ge=0, le=1000)] = 1
    on_demand_share: Share = 0.0
    max_price: Money | None = None
    strategy: Literal[
        "price-capacity-optimized",
        "capacity-optimized",
        "capacity-optimized-prioritized",
        "lowest-price",
    ] = "price-capacity-optimized"
    otherwise: OnDemand | None = None

    def __post_init__(self) -> None:
        """Refuse a market in which nothing is bought."""
        if self.on_demand_share == 1:
            raise ConfigError(
                "no machine would be spot",
                path="Spot",
                got="on_demand_share=1.0",
                do="OnDemand(), or a smaller share",
            )


Market = Annotated[OnDemand | Spot, pydantic.Field(discriminator="type")]
"""How a group pays for its machines."""
