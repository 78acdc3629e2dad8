"""What the load generator has seen: single calls, raw files of them, and their summary.

A raw file is JSON lines. The first is `{"load": {...}}`: the settings, and `started`, the instant
of CLOCK_MONOTONIC to which all times in the file are relative, so that they can be laid beside what
another process of the same machine noted. Then one line for each call, with the fields of `Call`,
in the order in which they ended. The last is `{"end": seconds, "unfinished": calls}`; it is absent
when the generator was killed.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Failure(StrEnum):
    """Why a call failed, or a try of it."""

    REFUSED = "refused"
    RESET = "reset"
    CLOSED = "closed"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    WRONG = "wrong answer"


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One call, with all its tries.

    Attributes:
        worker: who called.
        number: the how-manieth call of that worker, from 0.
        at: when it began, in seconds since the start of the load.
        seconds: how long it took, tries and the pauses between them included.
        ok: whether the answer was right.
        failures: why tries failed, in order; the last one is why the call failed if it did.
        target: the entry that the last try went to, `host:port`.
        connection: which connection the last try used, counted over all workers; None when there
            was none to be had.
        opened: when that connection was opened, in seconds since the start of the load.
        server: who answered; "" when nobody did.
        version: the version that answered.

    """

    worker: int
    number: int
    at: float
    seconds: float
    ok: bool
    failures: Sequence[Failure] = ()
    target: str = ""
    connection: int | None = None
    opened: float | None = None
    server: str = ""
    version: str = ""

    @property
    def until(self) -> float:
        """When it ended, in seconds since the start of the load."""
        return self.at + self.seconds

    def line(self) -> str:
        """Return it as a line of a raw file."""
        return json.dumps(
            {
                "worker": self.worker,
                "number": self.number,
                "at": round(self.at, 6),
                "seconds": round(self.seconds, 6),
                "ok": self.ok,
                "failures": self.failures,
                "target": self.target,
                "connection": self.connection,
                "opened": None if self.opened is None else round(self.opened, 6),
                "server": self.server,
                "version": self.version,
            },
            separators=(",", ":"),
        )


@dataclass(frozen=True, kw_only=True)
class Raw:
    """A raw file, read.

    Attributes:
        settings: of the load; `started` is its first instant on CLOCK_MONOTONIC.
        calls: in the order in which they ended.
        end: when the load ended, in seconds since its start.

    """

    settings: Mapping[str, Any]
    calls: Sequence[Call]
    end: float

    @classmethod
    def read(cls, path: Path) -> Raw:
        """Read a raw file; a last line that is cut off is left out.

        Raises:
            ValueError: it is no raw file, or a line in the middle is broken.

        """
        with path.open(encoding="utf-8") as file:
            head = json.loads(next(file, "null"))
            if not isinstance(head, dict) or "load" not in head:
                raise ValueError(f"{path} does not begin as raw results of a load do")
            calls, end = [], None
            for item in _lines(file, path):
                if "end" in item:
                    end = float(item["end"])
                else:
                    calls.append(_call(item))
        last = max((call.until for call in calls), default=0.0)
        return cls(settings=head["load"], calls=calls, end=last if end is None else end)


def _lines(file: Iterator[str], path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file, start=2):
        try:
            yield json.loads(line)
        except ValueError:
            if line.endswith("\n"):
                raise ValueError(f"{path}, line {number}: is no call") from None


def _call(item: dict[str, Any]) -> Call:
    return Call(**item | {"failures": tuple(Failure(kind) for kind in item["failures"])})


@dataclass
class Summary:
    """The figures of a load, kept while it runs.

    Attributes:
        workers: how many there are.
        seconds: how long the load has run.
        calls: how many have ended.
        failed: how many of them failed for good, after all their tries.
        retried: how many succeeded after a failed try.
        failures: failed tries by kind.
        failed_at: when each failed call began, its worker and its kind; the first 1000.
        longest_gap: the longest time without a success, by worker, in seconds, from its first
            call to the end of the load.
        longest_gap_of_all: the longest time in which no worker had a success.
        servers: right answers by server.
        versions: right answers by version.
        late: the longest that the generator itself was late for something, in seconds: gaps are
            wrong by at most this much.

    """

    workers: int
    seconds: float = 0.0
    calls: int = 0
    failed: int = 0
    retried: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    failed_at: list[tuple[float, int, str]] = field(default_factory=list)
    longest_gap: list[float] = field(init=False)
    longest_gap_of_all: float = 0.0
    servers: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    late: float = 0.0
    _latencies: Counter[int] = field(default_factory=Counter)
    _last: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self.longest_gap = [0.0] * self.workers
        self._last = [0.0] * self.workers

    def begin(self, worker: int, instant: float) -> None:
        """Count the gaps of a worker from when it makes its first call."""
        self._last[worker] = instant

    def add(self, call: Call) -> None:
        """Count a call that has ended."""
        self.calls += 1
        self.failures.update(call.failures)
        if not call.ok:
            self.failed += 1
            if len(self.failed_at) < _KEPT:
                self.failed_at.append((round(call.at, 6), call.worker, call.failures[-1]))
            return
        self.retried += bool(call.failures)
        self.servers[call.server] += 1
        self.versions[call.version] += 1
        self._latencies[round(math.log(call.seconds) / _STEP)] += 1
        self._reached(call.worker, call.until)

    def finish(self, end: float) -> None:
        """Close the gaps that are open when the load ends."""
        self.seconds = end
        self.longest_gap_of_all = max(self.longest_gap_of_all, end - max(self._last, default=0))
        for worker in range(self.workers):
            self.longest_gap[worker] = max(self.longest_gap[worker], end - self._last[worker])

    def _reached(self, worker: int, instant: float) -> None:
        # Calls are counted in the order in which they end, so the last success of all is the last
        # one counted.
        self.longest_gap_of_all = max(self.longest_gap_of_all, instant - max(self._last))
        self.longest_gap[worker] = max(self.longest_gap[worker], instant - self._last[worker])
        self._last[worker] = instant

    def percentiles(self) -> dict[str, float]:
        """Return how long calls that succeeded took, in seconds within 0.1 %, by percentile."""
        right = sum(self._latencies.values())
        found = {}
        for name, part in _PERCENTILES.items():
            seen = 0
            for step in sorted(self._latencies):
                seen += self._latencies[step]
                if seen >= part * right:
                    found[name] = round(math.exp(step * _STEP), 6)
                    break
        return found

    def shown(self) -> dict[str, Any]:
        """Return it for JSON: all but the single latencies, with percentiles."""
        return {
            "workers": self.workers,
            "seconds": round(self.seconds, 6),
            "calls": self.calls,
            "failed": self.failed,
            "retried": self.retried,
            "failures": dict(self.failures),
            "failed_at": self.failed_at,
            "longest_gap": [round(gap, 6) for gap in self.longest_gap],
            "longest_gap_of_all": round(self.longest_gap_of_all, 6),
            "servers": dict(self.servers),
            "versions": dict(self.versions),
            "latency": self.percentiles(),
            "late": round(self.late, 6),
        }


_KEPT = 1000
# Latencies are counted in steps of 0.2 %: an hour of them takes no more room than a minute.
_STEP = 0.002
_PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
