"""Rollouts, followed to their ends: what one says of itself, and who asks it again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Protocol

EVERY_SECONDS = 5.0
"""How often each is asked."""

PATIENCE = 12
"""Answers in a row that may fail to come before one is given up."""


class Phase(StrEnum):
    """How it stands with one rollout."""

    RUNNING = "running"
    DONE = "done"
    NOTHING = "nothing to follow"
    FAILED = "failed"
    UNASKED = "could not ask"


class Ended(IntEnum):
    """What the command returns to the shell."""

    FINE = 0
    FAILED = 1
    NOT_RUN = 2
    LATE = 3
    STOPPED = 130
    """Of a program that is interrupted: 128 and the signal's number."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a rollout is.

    Attributes:
        phase: how it stands.
        said: what it does, what it waits for or how it has ended, in words.
        percent: how much is done; default: nobody counts.
        left: machines that are still to be replaced; default: nobody counts.
        do: the way out; default: none is needed.

    """

    phase: Phase
    said: str
    percent: int | None = None
    left: int | None = None
    do: str | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self.phase is not Phase.RUNNING


class UnansweredError(Exception):
    """A cloud has not answered; the message is what is wrong, without a secret."""


class Rollout(Protocol):
    """One group, or Heat stack, of a cloud."""

    @property
    def cloud(self) -> str:
        """The cloud's id in the stack."""

    @property
    def name(self) -> str:
        """What the cloud calls it."""

    def look(self) -> Progress:
        """Return how far it is, and do what has become due.

        Raises:
            UnansweredError: the cloud does not answer.

        """


Told = Callable[[int, Progress], None]
"""Takes the number of a rollout, and what has changed."""


def follow(
    rollouts: Sequence[Rollout],
    told: Told,
    seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Progress]:
    """Ask all until each is over or the time has passed; return how each stands then.

    Args:
        rollouts: what is followed.
        told: is told of every change.
        seconds: the longest that it may take.
        clock: seconds that only grow.
        sleep: waits some seconds.

    """
    end = clock() + seconds
    found: dict[int, Progress] = {}
    failures: dict[int, int] = {}
    while True:
        for number, rollout in enumerate(rollouts):
            before = found.get(number)
            if before is not None and before.over:
                continue
            now = _look(rollout, before, failures, number)
            found[number] = now
            if now != before:
                told(number, now)
        if all(one.over for one in found.values()) or clock() >= end:
            return [found[number] for number in range(len(rollouts))]
        sleep(min(EVERY_SECONDS, max(0.0, end - clock())))


def _look(
    rollout: Rollout, before: Progress | None, failures: dict[int, int], number: int
) -> Progress:
    try:
        now = rollout.look()
    except UnansweredError as error:
        failures[number] = failures.get(number, 0) + 1
        # What was never answered will not be: mostly credentials or rights.
        if before is None or failures[number] > PATIENCE:
            return Progress(phase=Phase.UNASKED, said=str(error))
        return Progress(
            phase=Phase.RUNNING,
            said=f"no answer, asking again: {error}",
            percent=before.percent,
            left=before.left,
        )
    failures[number] = 0
    return now


def ended(found: Sequence[Progress], unasked: Mapping[str, str]) -> Ended:
    """Return what the shell is told.

    What could not be asked weighs most, then what failed, then what is not done yet.

    Args:
        found: how each rollout stands.
        unasked: why clouds could not be asked at all, by their ids.

    """
    phases = {one.phase for one in found}
    if unasked or Phase.UNASKED in phases:
        return Ended.NOT_RUN
    if Phase.FAILED in phases:
        return Ended.FAILED
    return Ended.LATE if Phase.RUNNING in phases else Ended.FINE
