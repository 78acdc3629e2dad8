"""What is to be done about a group, as its stack says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Heal:
    """When a member is replaced; seconds, and shares of one."""

    after: float
    grace: float
    per_hour: int
    cut: float


@dataclass(frozen=True)
class Scale:
    """Which figure of a group is kept near which target; a figure for each machine, and seconds."""

    on: str
    target: float
    cooldown: float
    calm: float
    shrink: bool


@dataclass(frozen=True)
class Rules:
    """All of it: `service` is what its machines run, `least` and `most` bound their number."""

    service: str
    least: int
    most: int
    heal: Heal
    scale: Sequence[Scale] = ()

    @classmethod
    def of(cls, made: Mapping[str, Any]) -> Rules:
        """Return what JSON says."""
        scale = [Scale(**one) for one in made["scale"]]
        return cls(**{**made, "heal": Heal(**made["heal"]), "scale": scale})
