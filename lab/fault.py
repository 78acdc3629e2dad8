"""One fault, as it is written down; `lab.faults` brings it about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["cut", "slow", "fill"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that is broken on purpose.

    Attributes:
        kind: what is done to the place: `cut`, `slow` or `fill`.
        place: name of a machine or of a site.
        other: the site it is cut from; default: from all.
        delay: milliseconds that a slow one takes longer.
        loss: per cent of packets to a slow one that are lost.
        free: MiB that a full disk has left.

    """

    kind: Kind
    place: str
    other: str = ""
    delay: float = 0
    loss: float = 0
    free: int = 0

    def __str__(self) -> str:
        """Say it in words."""
        match self.kind:
            case "cut":
                return f"{self.place} is cut off from {self.other or 'all others'}"
            case "slow":
                return f"{self.place} is slow: {self.delay:g} ms more, {self.loss:g} % lost"
            case _:
                return f"{self.place} has {self.free} MiB of disk left"
