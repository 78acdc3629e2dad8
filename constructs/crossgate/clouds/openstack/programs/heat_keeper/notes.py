"""What must outlive the program: the cluster keeps it, and who takes over reads it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from .rules import known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .heat import Group

HOUR = 3600.0
GAP = 60.0
"""Seconds after which nobody has looked for a while; it is noted three times as often."""


@dataclass
class Notes:
    """Instants in seconds since the epoch.

    Attributes:
        dead: since when a server is dead.
        unfit: since when its service fails.
        healed: when members of a stack were replaced.
        scaled: when a stack was last told to become larger or smaller.
        told: how many members it had then.
        calm: since when a stack needs fewer members.
        fewer: by how many, at the busiest moment since then.
        leaving: servers that were told to go.
        looked: when somebody last looked.

    """

    dead: dict[str, float] = field(default_factory=dict)
    unfit: dict[str, float] = field(default_factory=dict)
    healed: dict[str, list[float]] = field(default_factory=dict)
    scaled: dict[str, float] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    calm: dict[str, float] = field(default_factory=dict)
    fewer: dict[str, int] = field(default_factory=dict)
    leaving: list[str] = field(default_factory=list)
    looked: float = 0.0

    @classmethod
    def of(cls, text: str) -> Notes:
        """Return what was noted as JSON; nothing yet is fine."""
        return cls(**known(cls, json.loads(text))) if text.strip() else cls()

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    def look(self, now: float) -> None:
        """Note that somebody looks; what was true before nobody did for a while is no longer known.

        So neither an outage of the cluster nor the clock of another machine makes anything look as
        if it had been so for long.
        """
        if not 0 <= now - self.looked <= GAP:
            self.dead.clear()
            self.unfit.clear()
            self.calm.clear()
            self.looked = now
        if now - self.looked >= GAP / 3:
            self.looked = now

    def forget(self, groups: Sequence[Group], now: float) -> None:
        """Drop what no longer counts, so that the notes do not grow."""
        servers = {member.server for group in groups for member in group.members}
        stacks = {group.stack for group in groups}
        recent = {
            stack: [when for when in times if now - when < HOUR]
            for stack, times in self.healed.items()
        }
        self.dead = {key: since for key, since in self.dead.items() if key in servers}
        self.unfit = {key: since for key, since in self.unfit.items() if key in servers}
        self.healed = {stack: times for stack, times in recent.items() if times}
        self.scaled = {key: when for key, when in self.scaled.items() if key in stacks}
        self.told = {key: size for key, size in self.told.items() if key in stacks}
        self.calm = {key: since for key, since in self.calm.items() if key in stacks}
        self.fewer = {key: by for key, by in self.fewer.items() if key in self.calm}
