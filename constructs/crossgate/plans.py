"""Plans: what a construct will be asked for, as values that a program or a file may write.

A plan of a driver lies in the driver's folder as `plan.py` with a class `Plan`; the folder's name
is the plan's `type` in a gateway file. A new driver is found by that alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, Protocol

from crossgate.errors import ConfigError
from crossgate.model.names import TTL

if TYPE_CHECKING:
    from datetime import timedelta

    from crossgate.connections import Connections
    from crossgate.contracts import Cloud, Discovery, Zone
    from crossgate.model.listener import Listener
    from crossgate.terraform.engine import Construct

Role = Literal["clouds", "discovery", "balancers"]
"""The folders in which drivers lie."""


class CloudPlan(Protocol):
    """What a file says of one cloud."""

    def build(self, scope: Construct, id: str) -> Cloud:
        """Make the cloud."""


class DiscoveryPlan(Protocol):
    """Who shall know which machines are alive."""

    def build(
        self, scope: Construct, id: str, *, clouds: Sequence[Cloud], tags: Mapping[str, str]
    ) -> Discovery:
        """Make the servers, or whatever it needs."""


class BalancerPlan(Protocol):
    """What shall spread the traffic."""

    def build(
        self,
        scope: Construct,
        id: str,
        *,
        clouds: Sequence[Cloud],
        discovery: Discovery,
        listeners: Sequence[Listener],
        tags: Mapping[str, str],
    ) -> Balanced:
        """Make the balancers."""


class Balanced(Protocol):
    """Balancers that were made."""

    @property
    def connections(self) -> Connections:
        """Who may reach their listeners."""

    def dns(
        self,
        name: str,
        *,
        zone: Zone,
        weights: Mapping[Cloud, int] | None = None,
        first: Cloud | None = None,
        port: int | None = None,
        ttl: timedelta = TTL,
    ) -> None:
        """Have a name lead clients to the entries of all clouds; see `crossgate.names.lead`."""


def plan_types(role: Role) -> list[str]:
    """Return the names of the drivers that a file can ask for."""
    package = importlib.import_module(f"crossgate.{role}")
    return sorted(
        module.name
        for module in pkgutil.iter_modules(package.__path__)
        if module.ispkg and importlib.util.find_spec(f"crossgate.{role}.{module.name}.plan")
    )


def plan_class(role: Role, name: object, path: str) -> type[Any]:
    """Return the plan of a driver.

    Raises:
        ConfigError: there is no driver of that name.

    """
    known = plan_types(role)
    if name not in known:
        near = get_close_matches(str(name), known, n=1)
        raise ConfigError(
            "has no such type",
            path=path,
            got=name,
            want=", ".join(f'"{n}"' for n in known),
            do=f'write "{near[0]}"' if near else None,
        )
    found: type[Any] = importlib.import_module(f"crossgate.{role}.{name}.plan").Plan
    return found
