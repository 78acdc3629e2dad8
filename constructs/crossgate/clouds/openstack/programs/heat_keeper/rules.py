"""What is to be done about a group, as its stack says it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Heal:
    """When a member is replaced; seconds, and shares of one.

    Attributes:
        after: the cluster must have seen it dead for so long.
        grace: it may take so long to join.
        per_hour: so many are replaced within an hour.
        cut: so many dead at once are cut off.
        unfit: its service may fail for so long; None: for ever.
        unfit_cut: so many unfit at once have something in common.

    """

    after: float
    grace: float
    per_hour: int
    cut: float
    unfit: float | None = None
    unfit_cut: float = 0.5


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
        """Return what JSON says; what is of a later version of this program is left out."""
        heal = Heal(**known(Heal, made["heal"]))
        scale = [Scale(**known(Scale, one)) for one in made["scale"]]
        return cls(**{**known(cls, made), "heal": heal, "scale": scale})


def known(kind: type[Any], made: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a class has a field for."""
    names = {one.name for one in fields(kind)}
    return {name: value for name, value in made.items() if name in names}
