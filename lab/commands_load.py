"""`lab load`, with a live view, and `lab report`."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live
from rich.table import Table

from lab.lab import Lab, default_name
from lab.registry import Registry
from lab.worker import Mode  # noqa: TC001  (typer reads annotations)
from tools.toolbox import ROOT, ToolError

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(no_args_is_help=True)

_EVERY_SECONDS = 0.25
_WORST = 0.1


@app.command()
def load(
    target: Annotated[list[str], typer.Option(help="HOST:PORT of an entry; may be repeated.")],
    workers: Annotated[int, typer.Option(help="How many clients.")] = 8,
    rate: Annotated[float, typer.Option(help="Calls a second of each; 0: no limit.")] = 50,
    mode: Annotated[Mode, typer.Option(help="A connection for each call, or one each.")] = "new",
    seconds: Annotated[float, typer.Option(help="How long; 0: until Ctrl-C.")] = 0,
    retries: Annotated[int, typer.Option(help="Further tries of a failed call.")] = 0,
    timeout: Annotated[float, typer.Option(help="Seconds for a try.")] = 5,
    raw: Annotated[Path | None, typer.Option(help="Where each call is written down.")] = None,
    namespace: Annotated[str, typer.Option(help="To send it from; default: the clients'.")] = "",
) -> None:
    """Send Thrift calls to the gateway, and show what becomes of them."""
    command = [sys.executable, "-m", "lab.load", "--every", str(_EVERY_SECONDS)]
    for entry in target:
        command += ["--target", entry]
    given = {
        "workers": workers, "rate": rate, "mode": mode, "seconds": seconds, "retries": retries,
        "timeout": timeout,
    }  # fmt: skip
    for name, value in given.items():
        command += [f"--{name}", str(value)]
    if raw is not None:
        command += ["--raw", str(raw.resolve())]
    shown_while_running([*_within(namespace), *command])


@app.command()
def report(
    raw: Annotated[Path, typer.Argument(help="The folder with measurements.")],
    to: Annotated[Path | None, typer.Option(help="For graphs; default RAW/report.")] = None,
    page: Annotated[Path | None, typer.Option(help="A page with a place for it.")] = None,
) -> None:
    """Draw graphs of faults and write the table with their targets."""
    # Not before: drawing takes a second to import.
    from lab.report import write  # noqa: PLC0415

    folder = to or raw / "report"
    try:
        told = write(raw, folder, page)
    except (ValueError, KeyError) as error:
        raise ToolError(str(error), do="see what lab/results.py says of the folder.") from error
    missed = [said for said in told if not said["kept"]]
    for said in missed:
        typer.echo(f"missed: {said['event']}, {said['mode']}: {'; '.join(said['missed'])}")
    typer.echo(f"{len(told) - len(missed)} of {len(told)} kept; {page or folder / 'report.md'}")


def shown_while_running(command: Sequence[str], console: Console | None = None) -> dict[str, Any]:
    """Run a load that tells how it goes, show that, and return its summary.

    Raises ToolError when it fails.
    """
    process = subprocess.Popen(  # noqa: S603  (our own program)
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    complaints: list[str] = []
    with process, Live(console=console, refresh_per_second=4) as live:
        last: dict[str, Any] = {"calls": 0, "seconds": 0.0}
        # Ctrl-C reaches the load as well, which then ends with all its figures.
        with contextlib.suppress(KeyboardInterrupt):
            for line in process.stderr or ():
                if not line.startswith("{"):
                    complaints.append(line)
                    continue
                told = json.loads(line)
                live.update(table_of(told, last))
                last = told
        out = process.stdout.read() if process.stdout else ""
        if process.wait() or not out:
            raise ToolError("the load ended early:", do="see above.", output="".join(complaints))
        summary: dict[str, Any] = json.loads(out)
        live.update(table_of(summary, {"calls": 0, "seconds": 0.0}))
    return summary


def table_of(told: dict[str, Any], before: dict[str, Any]) -> Table:
    """Return the figures of a summary, with the calls per second since the one before."""
    past = told["seconds"] - before["seconds"]
    speed = (told["calls"] - before["calls"]) / past if past > 0 else 0.0
    gap = max(told["longest_gap"], default=0.0)
    kinds = ", ".join(f"{count} {kind}" for kind, count in told["failures"].items())
    latency = told["latency"]
    rows = {
        "time": f"{told['seconds']:.1f} s",
        "calls": f"{told['calls']}, {speed:.0f}/s",
        "failed": f"[bold]{told['failed']}[/]" + (f" (tries: {kinds})" if kinds else ""),
        "answered at the second try or later": str(told["retried"]),
        "longest gap of a client": f"[bold]{gap:.3f} s[/]" if gap > _WORST else f"{gap:.3f} s",
        "longest gap of all": f"{told['longest_gap_of_all']:.3f} s",
        "latency": ", ".join(f"{name} {value * 1000:.1f} ms" for name, value in latency.items()),
        "the generator's own delay": f"{told['late'] * 1000:.0f} ms",
    }
    rows |= {f"by {name}": str(count) for name, count in sorted(told["servers"].items())}
    table = Table(show_header=False)
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _within(namespace: str) -> Sequence[str]:
    """Return the command that puts another one where the lab's clients are, while a lab is up."""
    if not namespace and Registry(default_name()).exists():
        namespace = Lab.open().client_namespace
    return ("ip", "netns", "exec", namespace) if namespace else ()
