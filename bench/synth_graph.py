"""Draws what `bench.synth` has measured."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

# The same figures make the same file, and text stays text.
mpl.rcParams["svg.hashsalt"] = "crossgate"
mpl.rcParams["svg.fonttype"] = "none"

_OURS, _THEIRS, _NEUTRAL = "#1f6f8b", "#c8553d", "#8d99ae"


def draw(results: dict[str, Any], target: Path) -> None:
    """Write the graph: whole programs on the left, time per resource on the right."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    programs, growth = figure.subplots(1, 2)
    _programs(programs, results)
    _growth(growth, results)
    figure.savefig(target, metadata={"Date": None})


def _seconds(results: dict[str, Any], name: str) -> float:
    return float(statistics.median(run["seconds"] for run in results["runs"][name]))


def _programs(axes: Axes, results: dict[str, Any]) -> None:
    shown = [
        ("empty", "empty app", _NEUTRAL),
        ("gateway", "two-cloud gateway", _OURS),
        ("AWS gateway", "its AWS side", _OURS),
        ("prebuilt AWS gateway", "AWS side, prebuilt bindings", _THEIRS),
    ]
    bars = [bar for bar in shown if bar[0] in results["runs"]]
    seconds = [_seconds(results, name) for name, _, _ in bars]
    drawn = axes.barh([label for _, label, _ in bars], seconds, color=[c for _, _, c in bars])
    axes.bar_label(drawn, [f"{value:.2f} s" for value in seconds], padding=4)
    axes.set_xscale("log")
    axes.set_xlim(0.1, max(seconds) * 4)
    axes.invert_yaxis()
    axes.set_xlabel("seconds, start to end of the program")
    axes.set_title(f"Synthesis with {results['engine']}")


def _growth(axes: Axes, results: dict[str, Any]) -> None:
    for prefix, label, color in (("", "Crossgate", _OURS), ("prebuilt ", "prebuilt", _THEIRS)):
        points = []
        for name, count in results["resources"].items():
            runs = results["runs"].get(prefix + name)
            if runs and name.endswith("groups"):
                times = [run["said"]["build"] + run["said"]["synth"] for run in runs]
                whole = [run["seconds"] for run in runs]
                points.append((count, statistics.median(times), statistics.median(whole)))
        if not points:
            continue
        counts = [count for count, _, _ in points]
        axes.plot(
            counts,
            [1000 * t / n for n, t, _ in points],
            "o-",
            color=color,
            label=f"{label}: build and synthesize",
        )
        axes.plot(
            counts,
            [1000 * w / n for n, _, w in points],
            "o:",
            color=color,
            alpha=0.6,
            label=f"{label}: whole program",
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("AWS resources (10, 100 and 1,000 autoscaling groups)")
    axes.set_ylabel("milliseconds per resource")
    axes.set_title("Time per resource")
    axes.legend()
