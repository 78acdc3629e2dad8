"""The commands, and what each takes."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from openstack.warnings import (
    OpenStackDeprecationWarning,
    RemovedInSDK50Warning,
    RemovedInSDK60Warning,
)
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.text import Text

from crossgate.cli import aws, openstack
from crossgate.cli.archives import answer, archives
from crossgate.cli.findings import Exit, exit_code
from crossgate.cli.following import Ended, ended, follow
from crossgate.cli.rendering import as_json, show
from crossgate.cli.restore import answers_as_json, show_answers, told
from crossgate.cli.rollout import as_json as rollouts_as_json
from crossgate.cli.rollout import begin
from crossgate.cli.synthesized import read
from crossgate.cli.watching import AGAIN, summarize, watcher
from crossgate.dashboards import write_dashboards
from crossgate.errors import ConfigError, ToolError
from crossgate.model.units import Duration

if TYPE_CHECKING:
    from crossgate.cli.findings import Report
    from crossgate.cli.synthesized import Cloud, Stack

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="What only the clouds can answer about a gateway.",
)

# What several commands take.
_AppOut = Annotated[Path, typer.Option(help="Where `cdktf synth` writes.", show_default=True)]
_Stack = Annotated[str | None, typer.Option(help="The stack; default: the only one.")]
_Clouds = Annotated[
    list[str] | None, typer.Option(help="A cloud, by its id; default: all. May be repeated.")
]
_State = Annotated[
    Path | None, typer.Option(help="Terraform's state, as `terraform state pull` prints it.")
]


@app.callback()
def crossgate() -> None:
    """Name a command."""


@app.command()
def check(
    *,
    app_out: _AppOut = Path("cdktf.out"),
    stack: _Stack = None,
    cloud: _Clouds = None,
    state: _State = None,
    json: Annotated[bool, typer.Option("--json", help="Print data instead of tables.")] = False,
    remove_orphans: Annotated[
        bool, typer.Option("--remove-orphans", help="Delete what failed creates left in Heat.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before that.")] = False,
) -> None:
    """Ask the clouds whether a synthesized stack can be deployed.

    Nothing is changed but what --remove-orphans removes.

    Exit code: 0 when nothing is missing, 1 when something is, 2 when it could not be asked.
    """
    read_stack = read(app_out, stack, state)
    clouds = _chosen(read_stack, cloud or [])
    if remove_orphans:
        _remove_orphans(read_stack, clouds, yes=yes)
    reports = [_report(one, state_known=read_stack.state_known) for one in clouds]
    if json:
        sys.stdout.write(as_json(read_stack.name, reports) + "\n")
    else:
        show(Console(highlight=False), reports)
    raise typer.Exit(exit_code(reports))


@app.command()
def rollout(
    *,
    app_out: _AppOut = Path("cdktf.out"),
    stack: _Stack = None,
    group: Annotated[
        list[str] | None, typer.Option(help="A group, by its name; default: all. May be repeated.")
    ] = None,
    cloud: _Clouds = None,
    timeout: Annotated[
        str, typer.Option(help="The longest that it follows: 90s, 30m, 2h, 1d.")
    ] = "2h",
    no_rollback: Annotated[
        bool,
        typer.Option("--no-rollback", help="Leave a group as it is when its rollout fails."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print data when all is over.")] = False,
) -> None:
    """Follow what a deploy has started until it is done; undo it when it fails.

    AWS replaces machines after `cdktf deploy` has returned. A group whose rollout fails goes back
    to the version that served.

    Exit code: 0 when all is done or there was nothing to follow, 1 when a rollout failed, rolled
    back or not, 2 when it could not be followed, 3 when the time has passed.
    """
    seconds = _seconds(timeout)
    read_stack = read(app_out, stack)
    begun = begin(_chosen(read_stack, cloud or []), group or [], rollback=not no_rollback)
    console = Console(highlight=False, stderr=json)
    for name, why in begun.unasked.items():
        console.print(Text(f"{name}: could not be asked: {why}"), soft_wrap=True)
    try:
        with watcher(console, begun.rollouts) as watched:
            found = follow(begun.rollouts, watched.told, seconds)
    except KeyboardInterrupt:
        console.print(Text(f"stopped following, not the rollout: {AGAIN}"))
        raise typer.Exit(Ended.STOPPED) from None
    if json:
        sys.stdout.write(rollouts_as_json(read_stack.name, begun, found) + "\n")
    else:
        summarize(console, begun.rollouts, found)
    raise typer.Exit(ended(found, begun.unasked))


@app.command()
def dashboards(
    *,
    out: Annotated[Path, typer.Option(help="The folder; made when it is not there.")],
) -> None:
    """Write a Grafana dashboard, alerts of Prometheus and how it scrapes a gateway.

    No cloud is asked. What each figure and alert means is in docs/watching.md.
    """
    try:
        written = write_dashboards(out)
    except ConfigError as error:
        raise ToolError(str(error)) from error
    for path in written:
        typer.echo(path)


@app.command()
def restore(
    *,
    app_out: _AppOut = Path("cdktf.out"),
    stack: _Stack = None,
    cloud: _Clouds = None,
    snapshot: Annotated[
        str | None, typer.Option(help="The snapshot, by its name; default: the newest.")
    ] = None,
    state: _State = None,
    json: Annotated[bool, typer.Option("--json", help="Print data instead of text.")] = False,
) -> None:
    """Find the snapshots of Consul, and say what brings one back.

    It changes nothing: Consul listens to its own machine alone, so a snapshot is brought back on
    one of the servers, by the command that this one prints.

    Exit code: 0 when each cloud has one, 1 when one has none, 2 when one could not be asked.
    """
    read_stack = read(app_out, stack, state)
    found = [answer(one, snapshot) for one in archives(read_stack, cloud or [])]
    if json:
        sys.stdout.write(answers_as_json(read_stack.name, found) + "\n")
    else:
        show_answers(Console(highlight=False), found)
    raise typer.Exit(told(found))


def run(arguments: Sequence[str]) -> int:
    """Run a command; what goes wrong is a sentence and 2, never a traceback."""
    # openstacksdk warns of how it calls itself.
    for category in (OpenStackDeprecationWarning, RemovedInSDK50Warning, RemovedInSDK60Warning):
        warnings.simplefilter("ignore", category)
    # Without any handler Python prints what libraries log.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        app(list(arguments), prog_name="crossgate")
    except ToolError as error:
        sys.stderr.write(f"crossgate: {error}\n")
        return Exit.NOT_RUN
    except SystemExit as ended:
        return int(ended.code or 0)
    return Exit.FINE


def _seconds(timeout: str) -> float:
    try:
        return TypeAdapter[timedelta](Duration).validate_python(timeout).total_seconds()
    except ValidationError:
        raise ToolError(
            f"--timeout {timeout}: is no duration; a number and a unit: 90s, 30m, 2h, 1d"
        ) from None


def _chosen(stack: Stack, names: Sequence[str]) -> list[Cloud]:
    there = [cloud.name for cloud in stack.clouds]
    if unknown := [name for name in names if name not in there]:
        raise ToolError(
            f"the stack {stack.name} has no cloud {unknown[0]!r} that can be asked; "
            f"--cloud takes: {', '.join(there) or 'nothing, there is none'}"
        )
    return [cloud for cloud in stack.clouds if not names or cloud.name in names]


def _report(cloud: Cloud, *, state_known: bool) -> Report:
    if cloud.kind == "openstack":
        return openstack.check(cloud, state_known=state_known)
    return aws.check(cloud)


def _remove_orphans(stack: Stack, clouds: Sequence[Cloud], *, yes: bool) -> None:
    if not stack.state_known:
        raise ToolError(
            "no state says what is deployed, so nothing is removed: "
            "terraform state pull > FILE, then --state FILE"
        )
    for cloud in clouds:
        if cloud.kind != "openstack":
            continue
        for orphan in openstack.removable(cloud):
            named = f"{cloud.name}: Heat stack {orphan.name} ({orphan.id}), {orphan.status}"
            named += ", with machines" if orphan.machines else ""
            if yes or _confirmed(f"{named}: delete it?"):
                openstack.remove(orphan)
                typer.echo(f"{named}: deleted", err=True)


def _confirmed(question: str) -> bool:
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        raise ToolError(
            "nobody answers, so nothing is removed: --yes removes without a question"
        ) from None
