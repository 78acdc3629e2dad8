"""Reports as people read them, and as programs do."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from crossgate.cli.findings import Report, Verdict, exit_code

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {
    Verdict.OK: "green",
    Verdict.WARN: "yellow",
    Verdict.MISSING: "bold red",
    Verdict.UNASKED: "magenta",
}


def show(console: Console, reports: Sequence[Report]) -> None:
    """Print a table for each cloud, what to do about each thing that is not ok, and a summary."""
    for report in reports:
        console.print(Text(f"{report.cloud}: {report.where}", style="bold"))
        if report.failed:
            style = _STYLES[Verdict.MISSING]
            console.print(Text(f"could not be asked: {report.failed}", style=style))
        if report.findings:
            console.print(_table(report))
            for finding in report.findings:
                if finding.do:
                    style = _STYLES[finding.verdict]
                    console.print(Text(f"{finding.verdict}: {finding.what}", style=style))
                    console.print(Text(f"  do: {finding.do}"))
        if report.profile:
            console.print(Text("\nThe profile that its catalogue suggests:", style="bold"))
            console.print(Text(report.profile), soft_wrap=True)
        console.print()
    console.print(Text(_summary(reports)))


def as_json(stack: str, reports: Sequence[Report]) -> str:
    """Return the same as JSON."""
    return json.dumps(
        {
            "stack": stack,
            "exit": int(exit_code(reports)),
            "clouds": [asdict(report) for report in reports],
        },
        indent=2,
        ensure_ascii=False,
    )


def _table(report: Report) -> Table:
    table = Table()
    for heading in ("what", "needed", "found", "verdict"):
        table.add_column(heading, overflow="fold")
    for one in report.findings:
        table.add_row(
            Text(one.what),
            Text(one.needed),
            Text(one.found),
            Text(one.verdict, style=_STYLES[one.verdict]),
        )
    return table


def _summary(reports: Sequence[Report]) -> str:
    counted = Counter(finding.verdict for report in reports for finding in report.findings)
    parts = [f"{counted[verdict]} {verdict}" for verdict in Verdict if counted[verdict]]
    failed = [report.cloud for report in reports if report.failed]
    return ", ".join([*parts, *(f"{name} not checked" for name in failed)]) or "nothing to check"
