"""What is to be done about a group, as its stack says it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .load import Load

_MARGIN = 0.9
"""Of the target, that fewer machines must stay below: what shrinks does not grow again at once."""


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
    """A figure of a group that is kept near a target; a figure for each machine, and seconds.

    Attributes:
        room: connections that a machine takes, where they must fit in fewer machines too before one
            goes; None: they need not.

    """

    on: str
    target: float
    cooldown: float
    calm: float
    shrink: bool
    room: float | None = None

    def more(self, load: Load, size: int) -> int:
        """Return how many more machines than `size` are wanted, one at a time."""
        return 1 if load.of(self.on) > self.target * size else 0

    def fewer(self, load: Load, size: int) -> int | None:
        """Return how many fewer would be enough, one at a time; None: that is others' to say."""
        if not self.shrink:
            return None
        left = _MARGIN * (size - 1)
        fit = self.room is None or load.connections <= self.room * left
        return 1 if fit and load.of(self.on) <= self.target * left else 0


@dataclass(frozen=True)
class Steps:
    """Bounds of a figure, for each machine, and how many machines come or go from there on."""

    on: str
    adding: Sequence[tuple[float, int]]
    removing: Sequence[tuple[float, int]]
    cooldown: float
    calm: float

    def more(self, load: Load, size: int) -> int:
        """Return how many machines are added at once."""
        figure = load.of(self.on) / max(size, 1)
        return max((machines for bound, machines in self.adding if figure >= bound), default=0)

    def fewer(self, load: Load, size: int) -> int | None:
        """Return how many are removed at once; None: that is others' to say."""
        if not self.removing:
            return None
        figure = load.of(self.on) / max(size, 1)
        return max((machines for bound, machines in self.removing if figure <= bound), default=0)


@dataclass(frozen=True)
class Rules:
    """All of it: `service` is what its machines run, `least` and `most` bound their number."""

    service: str
    least: int
    most: int
    heal: Heal
    scale: Sequence[Scale | Steps] = ()

    @classmethod
    def of(cls, made: Mapping[str, Any]) -> Rules:
        """Return what JSON says; what is of a later version of this program is left out."""
        heal = Heal(**known(Heal, made["heal"]))
        scale = [_scale(one) for one in made["scale"]]
        return cls(**{**known(cls, made), "heal": heal, "scale": scale})


def _scale(made: Mapping[str, Any]) -> Scale | Steps:
    kind: type[Any] = Steps if "adding" in made else Scale
    found: Scale | Steps = kind(**known(kind, made))
    return found


def known(kind: type[Any], made: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a class has a field for."""
    names = {one.name for one in fields(kind)}
    return {name: value for name, value in made.items() if name in names}
