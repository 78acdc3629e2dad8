"""Draws what `lab.report` tells: calls over time for each fault, and the longest gaps of all.

Everything is said by shape, position or a word, so that the graphs can be printed in black.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from lab.targets import Verdict, judge

if TYPE_CHECKING:
    from lab.results import Result

# The same figures make the same file, and text stays text.
mpl.rcParams["svg.hashsalt"] = "crossgate"
mpl.rcParams["svg.fonttype"] = "none"

_BEFORE_SECONDS = 2.0
_AFTER_SECONDS = 1.0
_BINS = 120
# Several calls of each client: their pace is not to be seen as a beat.
_SHORTEST_BIN = 0.1
_GREY, _BLACK = "#c8c8c8", "#000000"
_MISSED_HATCH = "////"


def draw_event(results: Sequence[Result], target: Path) -> None:
    """Write one graph of one fault: answered and failed calls over time, a panel for each load."""
    figure = Figure(figsize=(9, 0.6 + 2.0 * len(results)), layout="constrained")
    panels = figure.subplots(len(results), 1, squeeze=False)[:, 0]
    for axes, result in zip(panels, results, strict=True):
        begin = max(-_BEFORE_SECONDS, -result.begun)
        end = min(result.until, result.raw.end) - result.begun
        end = min(end + _AFTER_SECONDS, result.raw.end - result.begun)
        width = max(_SHORTEST_BIN, (end - begin) / _BINS)
        count = max(1, round((end - begin) / width))
        right = [c.until - result.begun for c in result.raw.calls if c.ok]
        heights, edges = _counted(right, begin, width, count)
        axes.stairs(heights, edges, fill=True, color=_GREY)
        axes.stairs(heights, edges, color=_BLACK, linewidth=0.8)
        # A failure is shown where the call failed, not where it began: there the client knew.
        failed = [c.until - result.begun for c in result.raw.calls if not c.ok]
        shown = [instant for instant in failed if begin <= instant <= end]
        usual = max(heights, default=0.0)
        axes.plot(shown, [0.06 * usual] * len(shown), "x", color=_BLACK)
        done = result.done - result.begun
        axes.axvspan(0, done, color=_BLACK, alpha=0.25)
        axes.axvline(0, color=_BLACK, linestyle="--", linewidth=1)
        axes.annotate(
            "fault", (0, 1), (3, -3), xycoords=("data", "axes fraction"),
            textcoords="offset points", va="top", in_layout=False,
        )  # fmt: skip
        axes.set_xlim(begin, end)
        axes.set_ylim(0, 1.15 * usual or 1)
        axes.set_ylabel("answered calls/s")
        axes.set_title(_title(result, judge(result)), fontsize="medium", loc="left")
    panels[-1].set_xlabel("seconds since the fault; x is a failed call")
    figure.savefig(target, metadata={"Date": None})


def draw_gaps(results: Sequence[Result], target: Path) -> None:
    """Write the graph of the longest gaps beside their targets."""
    promised = [(r, judge(r)) for r in results if judge(r).target.gap_of(r) is not None]
    figure = Figure(figsize=(9, 1.2 + 0.3 * len(promised)), layout="constrained")
    axes = figure.subplots()
    places = range(len(promised))
    gaps = [result.longest_gap for result, _ in promised]
    limits = [verdict.target.gap_of(result) or 0.0 for result, verdict in promised]
    drawn = axes.barh(places, gaps, color=_GREY, edgecolor=_BLACK, linewidth=0.8)
    for bar, gap, limit in zip(drawn, gaps, limits, strict=True):
        if gap > limit:
            bar.set_hatch(_MISSED_HATCH)
    axes.plot(limits, places, "|", color=_BLACK, markersize=14, markeredgewidth=2.5)
    axes.bar_label(drawn, [f"{gap:.3f} s" for gap in gaps], label_type="edge", padding=18)
    axes.set_yticks(places, [f"{v.target.event}, {load_words(r)}" for r, v in promised])
    axes.invert_yaxis()
    axes.set_xscale("log")
    if promised:
        axes.set_xlim(min(*gaps, *limits) / 2, max(*gaps, *limits) * 4)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("longest time without a success, seconds; ❙ target, hatched: missed")
    figure.savefig(target, metadata={"Date": None})


def load_words(result: Result) -> str:
    """Return what kind of clients a result is of."""
    tries = f", {result.retries} retries" if result.retries else ""
    return f"{result.mode} connections{tries}"


def _title(result: Result, verdict: Verdict) -> str:
    limit = verdict.target.gap_of(result)
    promise = "" if limit is None else f" (at most {limit:g} s)"
    return (
        f"{verdict.target.event}, {load_words(result)}: {len(result.failed)} failed, "
        f"longest gap {result.longest_gap:.3f} s{promise}"
    )


def _counted(
    instants: Sequence[float], begin: float, width: float, count: int
) -> tuple[list[float], list[float]]:
    """Return how many instants a second there are in each of so many bins, and the bins' edges."""
    heights = [0.0] * count
    for instant in instants:
        place = int((instant - begin) // width)
        if 0 <= place < count:
            heights[place] += 1 / width
    return heights, [begin + width * place for place in range(count + 1)]
