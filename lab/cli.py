"""The lab's command line: `python -m lab`."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lab import commands_load, commands_trial, commands_up, faults
from lab.command import environment
from lab.image import image
from lab.lab import Lab, default_name
from lab.registry import Registry, names
from tools.toolbox import ToolError

if TYPE_CHECKING:
    from lab.fault import Fault

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Real machines that the gateway runs on, to be broken on purpose. Needs root. "
    "The lab that is meant is the one that CROSSGATE_LAB names, else `lab`.",
)
for part in (commands_up, commands_load, commands_trial):
    app.add_typer(part.app)

console = Console(highlight=False, soft_wrap=True)

_Machine = Annotated[str, typer.Argument(help="Name of a machine.")]
_Place = Annotated[str, typer.Argument(help="Name of a machine or of a site.")]


@app.command("image")
def make_image() -> None:
    """Make the image that machines boot from, if it is not there."""
    console.print(f"The image is in {image(console).root}.")


@app.command()
def kill(machine: _Machine) -> None:
    """Let a machine vanish: no connection ends, nothing answers any more."""
    Lab.open().machine(machine).kill()
    console.print(f"{machine} has vanished. To have it again: python -m lab start {machine}")


@app.command()
def stop(machine: _Machine) -> None:
    """Power a machine off in order, as on purpose."""
    Lab.open().machine(machine).stop()
    console.print(f"{machine} is off. To have it again: python -m lab start {machine}")


@app.command()
def start(machine: _Machine) -> None:
    """Boot a machine that is off, from its own disk; its link is as new."""
    Lab.open().machine(machine).start()
    console.print(f"{machine} is starting.")


@app.command()
def cut(
    place: _Place,
    other: Annotated[str | None, typer.Argument(help="The site to cut a site from.")] = None,
) -> None:
    """Cut a machine off, or a site from another or from all."""
    _tell(faults.cut(Lab.open(), place, other))


@app.command()
def slow(
    place: _Place,
    delay: Annotated[float, typer.Option(help="Milliseconds more for a round trip.")] = 0,
    loss: Annotated[float, typer.Option(help="Per cent of packets that are lost.")] = 0,
) -> None:
    """Make a machine, or a site seen from elsewhere, slow or lossy."""
    _tell(faults.slow(Lab.open(), place, delay=delay, loss=loss))


@app.command()
def fill(
    machine: _Machine,
    free: Annotated[int, typer.Option(help="MiB to leave free.")] = 0,
) -> None:
    """Fill a machine's disk."""
    _tell(faults.fill(Lab.open(), machine, free=free))


@app.command()
def mend(
    place: Annotated[str | None, typer.Argument(help="A machine or a site; default: all.")] = None,
) -> None:
    """Undo cut, slow and fill."""
    for fault in faults.mend(Lab.open(), place):
        console.print(f"Mended: {fault}.")


@app.command()
def down(
    *, every: Annotated[bool, typer.Option("--all", help="All labs, not one.")] = False
) -> None:
    """Take the lab away with all that belongs to it, whatever state it is in."""
    for name in names() if every else [default_name()]:
        registry = Registry(name)
        there = registry.exists()
        with console.status("Taking the lab down ..."):
            registry.clear()
        console.print(f"The lab {name} {'is down' if there else 'was not up'}.")


@app.command(context_settings={"ignore_unknown_options": True})
def shell(
    machine: _Machine,
    command: Annotated[list[str] | None, typer.Argument(help="Default: a shell.")] = None,
) -> None:
    """Run a command on a machine as root, or look around there."""
    leader = Lab.open().machine(machine).leader
    done = subprocess.run(  # noqa: S603  (what the user asks for, on a machine of the lab)
        ["nsenter", f"--target={leader}", "--all", *(command or ["/bin/bash", "--login"])],  # noqa: S607
        check=False, env=environment(), cwd="/",
    )  # fmt: skip
    raise typer.Exit(done.returncode)


def _tell(fault: Fault) -> None:
    console.print(f"{fault}. To undo it: python -m lab mend {fault.place}")


def main() -> None:
    """Run the command line; errors are told in words."""
    if os.geteuid() and "--help" not in sys.argv[1:]:
        console.print("The lab needs root. What to do: run it as root.", style="red")
        sys.exit(1)
    try:
        app()
    except ToolError as error:
        console.print(str(error), markup=False, style="red")
        sys.exit(1)
