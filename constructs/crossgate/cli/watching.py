"""Rollouts as people watch them: a bar for each in a terminal, a line for each change elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, Self

from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column
from rich.text import Text

from crossgate.cli.following import Phase

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from crossgate.cli import following
    from crossgate.cli.following import Rollout

AGAIN = "it goes on in the cloud: `crossgate rollout` follows it again"
"""What becomes of a rollout that nobody follows any more."""

_ALL = 100
_STYLES = {
    Phase.RUNNING: "cyan",
    Phase.DONE: "green",
    Phase.NOTHING: "dim",
    Phase.FAILED: "bold red",
    Phase.UNASKED: "magenta",
}


class Watcher(Protocol):
    """Shows how rollouts go, while its `with` block runs."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """Leave what was shown last."""

    def told(self, number: int, progress: following.Progress) -> None:
        """Show that a rollout is further."""


def watcher(console: Console, rollouts: Sequence[Rollout]) -> Watcher:
    """Return what fits where it is shown."""
    return _Bars(console, rollouts) if console.is_terminal else _Lines(console, rollouts)


class _Lines:
    def __init__(self, console: Console, rollouts: Sequence[Rollout]) -> None:
        self._console = console
        self._rollouts = rollouts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def told(self, number: int, progress: following.Progress) -> None:
        line = f"{_name(self._rollouts[number])}: {progress.phase}{_counted(progress)}"
        # Lines are for programs too: one stays one, however long.
        self._console.print(Text(f"{line}: {progress.said}"), soft_wrap=True)


class _Bars:
    def __init__(self, console: Console, rollouts: Sequence[Rollout]) -> None:
        self._shown = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[counted]}", markup=False),
            TextColumn(
                "{task.fields[said]}", markup=False, table_column=Column(ratio=1, overflow="fold")
            ),
            console=console,
            expand=True,
        )
        self._tasks: list[TaskID] = [
            self._shown.add_task(_name(one), total=None, counted="", said="") for one in rollouts
        ]

    def __enter__(self) -> Self:
        self._shown.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.stop()

    def told(self, number: int, progress: following.Progress) -> None:
        done = progress.phase in {Phase.DONE, Phase.NOTHING}
        percent = _ALL if done else progress.percent
        self._shown.update(
            self._tasks[number],
            # Without a figure the bar moves to and fro while something happens.
            total=None if percent is None and not progress.over else _ALL,
            completed=percent or 0,
            counted=_counted(progress).strip(", "),
            said=f"{progress.phase}: {progress.said}" if progress.over else progress.said,
        )


def summarize(
    console: Console, rollouts: Sequence[Rollout], found: Sequence[following.Progress]
) -> None:
    """Print what to do about each that is not done, and how many are."""
    for rollout, progress in zip(rollouts, found, strict=True):
        do = AGAIN if progress.phase is Phase.RUNNING else progress.do
        if do:
            style = _STYLES[progress.phase]
            console.print(Text(f"{_name(rollout)}: {progress.phase}", style=style))
            if progress.phase is not Phase.RUNNING:
                console.print(Text(f"  {progress.said}"), soft_wrap=True)
            console.print(Text(f"  do: {do}"), soft_wrap=True)
    counted = Counter(progress.phase for progress in found)
    parts = [f"{counted[phase]} {phase}" for phase in Phase if counted[phase]]
    console.print(Text(", ".join(parts) or "nothing to follow"))


def _name(rollout: Rollout) -> str:
    return f"{rollout.cloud}: {rollout.name}"


def _counted(progress: following.Progress) -> str:
    parts = [] if progress.percent is None else [f"{progress.percent} %"]
    if progress.left is not None and not progress.over:
        parts.append(f"{progress.left} left")
    return "".join(f", {part}" for part in parts)
