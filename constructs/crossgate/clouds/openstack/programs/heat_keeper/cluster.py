"""The cluster that watches the machines, asked through a program of its own."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .notes import Notes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FIGURES = "figures."
"""What the names begin with under which balancers note what they see."""

LEAVING = "leaving"
"""Name of the note with the machines that are to go."""

_COMMAND_SECONDS = 30


class Unanswered(Exception):  # noqa: N818  (it is no error of this program)
    """Somebody does not answer: nothing is done until they do."""


@dataclass(frozen=True)
class Seen:
    """A machine as the cluster sees it; `services` by name, and whether they are fit."""

    alive: bool
    services: Mapping[str, bool] = field(default_factory=dict)


class Cluster:
    """Who watches the machines, asked through a program of its own.

    Args:
        watch: the program and its first words; it takes `members`, `recall NAME`,
            `record NAME` and `gather PREFIX`.
        name: under which the notes are.

    """

    def __init__(self, watch: Sequence[str], name: str) -> None:
        self._watch = tuple(watch)
        self._name = name

    def seen(self) -> dict[str, Seen]:
        """Return who is known, by the cloud's own id."""
        return {
            key: Seen(alive=seen["alive"], services=seen["services"])
            for key, seen in json.loads(self._ask("members")).items()
        }

    def figures(self) -> list[str]:
        """Return what each balancer told last, as JSON."""
        told: dict[str, str] = json.loads(self._ask("gather", FIGURES))
        return list(told.values())

    def recall(self) -> Notes:
        """Return the notes."""
        return Notes.of(self._ask("recall", self._name))

    def record(self, notes: Notes) -> None:
        """Keep the notes."""
        self._ask("record", self._name, given=notes.text())

    def tell(self, leaving: Sequence[str]) -> None:
        """Have machines hear, by the cloud's own ids, that they are about to be deleted."""
        self._ask("record", LEAVING, given=json.dumps(list(leaving)))

    def _ask(self, *words: str, given: str = "") -> str:
        done = subprocess.run(  # noqa: S603  (the cluster's own program)
            [*self._watch, *words],
            check=False,
            input=given,
            text=True,
            capture_output=True,
            timeout=_COMMAND_SECONDS,
        )
        if done.returncode:
            raise Unanswered(done.stderr.strip() or f"{words[0]} ended with {done.returncode}")
        return done.stdout
