"""One fault under load, as it was measured: what happened when, and what the clients saw.

Whoever breaks something writes, into one folder for all, a raw file of the load (`lab.calls`) and
beside it a file `NAME.json`, which `Measurement.write` makes:

    {
      "event": "service-killed",        a key of lab.targets.TARGETS
      "raw": "service-killed-new.jsonl",  in the same folder
      "begun": 5061.25,                 CLOCK_MONOTONIC when the fault was about to be made
      "done": 5061.31,                  ... when it was made; several: when the last was
      "until": 5066.0,                  ... when its effects are judged to be over; null: at the
                                        end of the load
      "victims": ["api-1"],             servers, by the name in their answers, that were broken
      "started": null,                  ... when the process of a new server was started
      "newcomer": "",                   its name
      "note": ""                        one line for the reader
    }
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from lab.calls import Call, Raw


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What was done to the gateway, and when; instants are CLOCK_MONOTONIC, in seconds.

    Attributes:
        event: key of a target.
        raw: name of the load's raw file.
        begun: just before the fault was made.
        done: just after.
        until: to when failures and gaps are put down to it; None is the end of the load.
        victims: names of the servers that were broken.
        started: when a new server's process (or machine) was started.
        newcomer: that server's name.
        note: one line for the reader.

    """

    event: str
    raw: str
    begun: float
    done: float
    until: float | None = None
    victims: Sequence[str] = ()
    started: float | None = None
    newcomer: str = ""
    note: str = ""

    @property
    def name(self) -> str:
        """What its files are called."""
        return self.raw.removesuffix(".jsonl")

    def write(self, folder: Path) -> Path:
        """Write it beside its raw file and return where."""
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        return path


class Result:
    """A measurement with its calls; times are seconds since `begun`, failures those that it caused.

    Args:
        measurement: what was done.
        raw: what the clients saw.

    """

    def __init__(self, measurement: Measurement, raw: Raw) -> None:
        self.measurement = measurement
        self.raw = raw
        self.begun = measurement.begun - float(raw.settings["started"])
        self.done = measurement.done - float(raw.settings["started"])
        until = measurement.until
        self.until = raw.end if until is None else until - float(raw.settings["started"])

    @classmethod
    def read(cls, path: Path) -> Result:
        """Read a measurement and the raw file beside it.

        Raises:
            ValueError: one of them is not what it should be.

        """
        given = json.loads(path.read_text(encoding="utf-8"))
        measurement = Measurement(**given | {"victims": tuple(given.get("victims", ()))})
        return cls(measurement, Raw.read(path.with_name(measurement.raw)))

    @property
    def mode(self) -> str:
        """`new` or `lasting` connections."""
        return str(self.raw.settings["mode"])

    @property
    def retries(self) -> int:
        """How often clients tried again."""
        return int(self.raw.settings["retries"])

    @cached_property
    def calls(self) -> Sequence[Call]:
        """The calls that were under way when it began, or began before it was over."""
        return [c for c in self.raw.calls if c.until >= self.begun and c.at <= self.until]

    @cached_property
    def failed(self) -> Sequence[Call]:
        """The calls that failed for good."""
        return [call for call in self.calls if not call.ok]

    @cached_property
    def longest_gap(self) -> float:
        """The longest that a worker was without a success, in seconds."""
        gaps = (b - a for a, b in self._gaps() if b >= self.begun and a <= self.until)
        return max(gaps, default=0.0)

    @cached_property
    def usual_gap(self) -> float:
        """The same before the fault: what the load makes by itself."""
        return max((b - a for a, b in self._gaps() if b <= self.begun), default=0.0)

    @cached_property
    def first_call(self) -> float | None:
        """Seconds from the start of the new server to its first answer; None without either."""
        if self.measurement.started is None:
            return None
        started = self.measurement.started - float(self.raw.settings["started"])
        answers = (c.until for c in self.raw.calls if c.server == self.measurement.newcomer)
        first = min((a for a in answers if a >= started), default=None)
        return None if first is None else first - started

    def server_of(self, connection: int) -> str:
        """Return who has answered on a connection; "" when nobody did."""
        return self._servers.get(connection, "")

    @cached_property
    def _servers(self) -> dict[int, str]:
        # Behind a balancer of TCP a connection stays with its server.
        return {c.connection: c.server for c in self.raw.calls if c.server and c.connection}

    def _gaps(self) -> Iterator[tuple[float, float]]:
        """Yield from when to when each worker was without a success, again and again."""
        for worker in range(int(self.raw.settings["workers"])):
            calls = [call for call in self.raw.calls if call.worker == worker]
            # Before its first success its gap begins with its first call.
            successes = [calls[0].at] if calls else [0.0]
            successes += [call.until for call in calls if call.ok]
            successes.append(max(self.raw.end, successes[-1]))
            yield from pairwise(successes)


def read(folder: Path) -> Sequence[Result]:
    """Read all the measurements in a folder, in the order of their names.

    Raises:
        ValueError: there is none, or one is not what it should be.

    """
    found = [
        Result.read(path) for path in sorted(folder.glob("*.json")) if path.name != "report.json"
    ]
    if not found:
        raise ValueError(f"{folder} holds no measurements (NAME.json beside NAME.jsonl)")
    return found
