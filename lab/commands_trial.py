"""`lab trial` and `lab soak`: the gateway broken on purpose, and what its clients saw of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from lab.events import faults_of, modes_of
from lab.lab import Lab
from lab.load import Mode  # noqa: TC001  (typer reads annotations)
from lab.results import Result  # noqa: TC001  (as above)
from lab.running import Running
from lab.soak import soak as soaked
from lab.targets import judge
from lab.trial import Trial
from tools.toolbox import BOX, ToolError

app = typer.Typer(no_args_is_help=True)
console = Console(highlight=False)

RAW = BOX / "lab" / "raw"
"""Where measurements go that are asked for by hand."""


@app.command()
def trial(
    faults: Annotated[list[str] | None, typer.Argument(help="Default: all, in turn.")] = None,
    mode: Annotated[Mode | None, typer.Option(help="Connections; default both.")] = None,
    retries: Annotated[int, typer.Option(help="Further tries of a failed call.")] = 0,
    site: Annotated[str | None, typer.Option(help="Where; default the first.")] = None,
    longest: Annotated[float | None, typer.Option(help="Hold none longer, in seconds.")] = None,
    raw: Annotated[Path, typer.Option(help="Where measurements go.")] = RAW,
) -> None:
    """Break the gateway under load, one way after the other, and compare with the targets."""
    attempt = Trial(gateway=Running.of(Lab.open()), folder=raw, longest=longest)
    results = []
    for key in faults or faults_of(attempt.gateway, attempt.gateway.site(site)):
        for one in (mode,) if mode else modes_of(key):
            with console.status(f"{key}, {one} connections ..."):
                results.append(attempt.run(key, mode=one, retries=retries, site=site))
            console.print(_row_in_words(results[-1]))
    console.print(table_of(results))
    console.print(f"Graphs and the table as a page: python -m lab report {raw}")


@app.command()
def soak(
    minutes: Annotated[float, typer.Option(help="How long.")] = 3,
    seed: Annotated[int | None, typer.Option(help="Of the choice; default: a new one.")] = None,
    raw: Annotated[Path, typer.Option(help="Where every call is written down.")] = RAW,
) -> None:
    """Break something every few seconds; nothing may be lost for good."""
    raw.mkdir(parents=True, exist_ok=True)
    chosen = seed if seed is not None else time.time_ns() % 10_000
    console.print(f"Seed {chosen}.")
    outcome = soaked(
        Running.of(Lab.open()),
        raw / "soak.calls",
        seconds=minutes * 60,
        seed=chosen,
        say=console.print,
    )
    made = ", ".join(f"{count} {key}" for key, count in sorted(outcome.faults.items()))
    console.print(f"{made}. {outcome.calls} calls, {outcome.failed} failed, {outcome.wrong} wrong.")
    if not outcome.kept:
        raise ToolError(
            f"{outcome.wrong} answers were wrong.", do=f"see them in {raw / 'soak.calls'}."
        )


def table_of(results: list[Result]) -> Table:
    """Return what clients saw, beside the targets."""
    table = Table(title="What clients saw")
    for heading in ("fault", "clients", "calls", "failed", "longest gap", "target"):
        table.add_column(heading, justify="left" if heading in {"fault", "target"} else "right")
    for result in results:
        verdict = judge(result)
        kept = "kept" if verdict.kept else f"missed: {'; '.join(verdict.missed)}"
        table.add_row(
            verdict.target.event,
            result.mode,
            str(len(result.calls)),
            str(len(result.failed)),
            f"{result.longest_gap:.3f} s",
            kept,
        )
    return table


def _row_in_words(result: Result) -> str:
    said = f"{result.measurement.event}, {result.mode}: {len(result.failed)} failed, "
    return f"{said}longest gap {result.longest_gap:.3f} s"
