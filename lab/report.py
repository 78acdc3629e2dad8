"""Tells what faults did to clients: a table with targets, and graphs, from measurements.

`write` makes, in one folder, `report.json` (see `figures`), a graph for each kind of fault, one of
all the gaps, and `report.md` with the table and the graphs. With a page of the documentation it
puts the same between the page's two marker lines instead of into `report.md`.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from lab.report_graph import draw_event, draw_gaps, load_words
from lab.results import Result, read
from lab.targets import TARGETS, allowed, judge

BEGIN = "<!-- lab report: begin -->"
END = "<!-- lab report: end -->"

_HEADINGS = (
    "event", "clients", "calls", "failed", "may fail", "longest gap", "at most", "first call",
    "verdict",
)  # fmt: skip


def figures(result: Result) -> Mapping[str, Any]:
    """Return the figures of one result, as `report.json` has them.

    `event`, `mode`, `retries`, `note` as measured; `calls` that the fault could touch, `failed` of
    them, `failures` of tries by kind; `longest_gap`, `usual_gap` (before the fault) and
    `first_call` in seconds; `may_fail`, `gap_at_most` and `first_call_at_most` of the target;
    `kept`, and `missed` with every reason when it is not.
    """
    verdict = judge(result)
    first = result.first_call
    return {
        "event": result.measurement.event,
        "mode": result.mode,
        "retries": result.retries,
        "note": result.measurement.note,
        "calls": len(result.calls),
        "failed": len(result.failed),
        "failures": dict(sorted(Counter(f for c in result.calls for f in c.failures).items())),
        "longest_gap": round(result.longest_gap, 4),
        "usual_gap": round(result.usual_gap, 4),
        "first_call": None if first is None else round(first, 4),
        "may_fail": allowed(verdict.target, result.retries),
        "gap_at_most": verdict.target.gap_of(result),
        "first_call_at_most": verdict.target.first_call,
        "kept": verdict.kept,
        "missed": list(verdict.missed),
    }


def write(raw: Path, to: Path, page: Path | None = None) -> Sequence[Mapping[str, Any]]:
    """Write everything and return the figures, in the order of the table.

    Args:
        raw: the folder with the measurements.
        to: where graphs and figures go; made when missing.
        page: a page with the lines `BEGIN` and `END`; default `report.md` in `to`.

    Raises:
        ValueError: there are no measurements, or the page has no place for them.

    """
    order = list(TARGETS)
    results = sorted(
        read(raw), key=lambda r: (order.index(r.measurement.event), r.mode != "new", r.retries)
    )
    to.mkdir(parents=True, exist_ok=True)
    told = [figures(result) for result in results]
    (to / "report.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    graphs = {}
    for event, group in groupby(results, key=lambda r: r.measurement.event):
        graphs[event] = to / f"{event}.svg"
        draw_event(list(group), graphs[event])
    draw_gaps(results, to / "gaps.svg")
    target = page or to / "report.md"
    shown = _page(results, graphs, to / "gaps.svg", target.parent)
    target.write_text(_placed(shown, page) if page else shown, encoding="utf-8")
    return told


def _page(results: Sequence[Result], graphs: Mapping[str, Path], gaps: Path, beside: Path) -> str:
    lines = [_row(_HEADINGS), _row("---" for _ in _HEADINGS)]
    lines += [_row(_cells(result)) for result in results]
    lines += ["", _image("The longest gaps beside their targets", gaps, beside)]
    for event, path in graphs.items():
        target = TARGETS[event]
        lines += ["", f"### {target.event[0].upper()}{target.event[1:]}", ""]
        if target.why:
            lines += [f"Limited: {target.why}.", ""]
        notes = {r.measurement.note for r in results if r.measurement.event == event} - {""}
        lines += [f"{note}\n" for note in sorted(notes)]
        lines.append(_image(f"Calls over time: {target.event}", path, beside))
    return "\n".join(lines) + "\n"


def _cells(result: Result) -> Sequence[str]:
    told = figures(result)
    kinds = ", ".join(f"{count} {kind}" for kind, count in told["failures"].items())
    first = _seconds(told["first_call"])
    if told["first_call_at_most"] is not None:
        first += f" (at most {told['first_call_at_most']:g} s)"
    return (
        TARGETS[told["event"]].event,
        load_words(result),
        str(told["calls"]),
        f"{told['failed']} ({kinds})" if told["failed"] else "0",
        told["may_fail"],
        _seconds(told["longest_gap"]),
        "" if told["gap_at_most"] is None else f"{told['gap_at_most']:g} s",
        first,
        "kept" if told["kept"] else f"**missed**: {'; '.join(told['missed'])}",
    )


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3f} s"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _image(words: str, path: Path, beside: Path) -> str:
    return f"![{words}]({Path(os.path.relpath(path, beside)).as_posix()})"


def _placed(shown: str, page: Path) -> str:
    """Return the page's text with what is shown between its markers."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(f"{BEGIN}\n")
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no place for the report: the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{shown}\n{END}{after}"
