"""The load generator: `python -m lab.load --target 10.99.0.10:9000 --seconds 30 --raw out.jsonl`.

Each worker makes one call at a time, at instants of its own; when a call took longer than the time
to the next one, that one follows at once, and what was missed is not made up for. With several
targets a worker goes to the next one when its own cannot be connected to or has failed it: it is a
client that uses a name with several addresses. Before a call on a lasting connection it looks
whether the server has closed that, and opens another if so. SIGTERM and SIGINT end the load early,
with all results.

On standard output comes one JSON object, see `lab.calls.Summary`. With `--every` the same, for as
long as the load runs, comes line by line on standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from lab.calls import Call, Summary
from lab.worker import FAREWELL_SECONDS, Load, Mode, Worker

__all__ = ["Load", "Mode", "Run", "main", "run"]

_TICK_SECONDS = 0.01
_WRITE_SECONDS = 0.2


class Run:
    """A load that runs: its clock, its results."""

    def __init__(self, load: Load, raw: Path | None = None) -> None:
        self.load = load
        self.started = time.monotonic()
        self.summary = Summary(load.workers)
        self._stop = asyncio.Event()
        self._over = asyncio.Event()
        self._connections = 0
        self._lines: list[str] = []
        self._file = raw.open("w", encoding="utf-8") if raw else None

    def now(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.started

    def connected(self) -> int:
        """Count a new connection and return its number."""
        self._connections += 1
        return self._connections

    def ended(self, call: Call) -> None:
        """Keep the result of a call."""
        self.summary.add(call)
        if self._file is not None:
            self._lines.append(call.line())

    def stop(self) -> None:
        """Let the load end with the calls under way."""
        self._stop.set()

    async def over(self, due: float) -> bool:
        """Wait for the instant `due`; True when the load ends before that."""
        wait = due - self.now()
        if wait > 0 and not self._stop.is_set():
            await asyncio.sleep(wait)
        elif wait <= 0:
            await asyncio.sleep(0)
        return self._stop.is_set()

    async def go(self, *, every: float = 0.0, say: Callable[[Summary], None] | None = None) -> None:
        """Run to the end; `say` hears of the summary now and then, and once at the end."""
        if self._file is not None:
            head = asdict(self.load) | {"started": self.started}
            self._file.write(json.dumps({"load": head}) + "\n")
        workers = [Worker(self, number) for number in range(self.load.workers)]
        working = [asyncio.create_task(worker.work()) for worker in workers]
        aside = [asyncio.create_task(self._watch())]
        writing = asyncio.create_task(self._write())
        if every and say is not None:
            aside.append(asyncio.create_task(self._tell(every, say)))
        if self.load.seconds:
            loop = asyncio.get_running_loop()
            loop.call_later(self.started + self.load.seconds - time.monotonic(), self.stop)
        await self._stop.wait()
        end = self.now()
        _, late = await asyncio.wait(working, timeout=self.load.timeout + 2 * FAREWELL_SECONDS)
        unfinished = sum(worker.calling for worker in workers)
        for task in (*late, *aside):
            task.cancel()
        done = await asyncio.gather(*working, *aside, return_exceptions=True)
        self.summary.finish(end)
        self._over.set()
        await writing
        if self._file is not None:
            self._file.write(json.dumps({"end": round(end, 6), "unfinished": unfinished}) + "\n")
            self._file.close()
        for result in done:
            if isinstance(result, Exception):
                raise result

    async def _watch(self) -> None:
        """Note by how much this process is late itself."""
        while True:
            due = time.monotonic() + _TICK_SECONDS
            await asyncio.sleep(_TICK_SECONDS)
            self.summary.late = max(self.summary.late, time.monotonic() - due)

    async def _write(self) -> None:
        # Ended by a word, not by cancelling: lines on their way to the thread would be lost.
        over = False
        while not over:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WRITE_SECONDS):
                    await self._over.wait()
            over = self._over.is_set()
            lines, self._lines = self._lines, []
            if lines:
                # In a thread: a disk that is busy would hold up all the workers.
                await asyncio.to_thread(self._put, "\n".join(lines) + "\n")

    def _put(self, text: str) -> None:
        if self._file is not None:
            self._file.write(text)
            self._file.flush()

    async def _tell(self, every: float, say: Callable[[Summary], None]) -> None:
        while True:
            await asyncio.sleep(every)
            self.summary.seconds = self.now()
            say(self.summary)


async def _addresses(targets: Sequence[str]) -> tuple[str, ...]:
    """Return targets with each name replaced by all the IPv4 addresses that it has."""
    found = []
    for target in targets:
        host, _, port = target.rpartition(":")
        _, _, addresses = await asyncio.to_thread(socket.gethostbyname_ex, host)
        found += [f"{address}:{port}" for address in addresses]
    return tuple(found)


async def run(
    load: Load,
    *,
    raw: Path | None = None,
    every: float = 0.0,
    say: Callable[[Summary], None] | None = None,
) -> Summary:
    """Run a load until its end or SIGTERM, and return its figures."""
    running = Run(replace(load, targets=await _addresses(load.targets)), raw)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.stop)
    # What is loaded by now stays: the collector need not look through it in the middle of a call.
    gc.collect()
    gc.freeze()
    await running.go(every=every, say=say)
    return running.summary


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab.load", description=__doc__)
    say = parser.add_argument
    say("--target", action="append", required=True, metavar="HOST:PORT", help="may be repeated")
    say("--workers", type=int, default=8, help="default 8")
    say("--rate", type=float, default=50.0, help="calls per second of each; 0: no limit (50)")
    say("--mode", choices=("new", "lasting"), default="new", help="connections (default new)")
    say("--seconds", type=float, default=0.0, help="how long; default until SIGTERM")
    say("--retries", type=int, default=0, help="further tries of a failed call (default none)")
    say("--pause", type=float, default=0.05, help="seconds before each of them (default 0.05)")
    say("--timeout", type=float, default=5.0, help="seconds for a try (default 5)")
    say("--connect-timeout", type=float, help="seconds for one connect (1 with several targets)")
    say("--work", type=int, default=10, help="milliseconds that the server works (default 10)")
    say("--raw", type=Path, help="where every single call is written, as JSON lines")
    say("--every", type=float, default=0.0, help="tell how it goes, every so many seconds")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the load that the arguments say; 0, failed calls or not."""
    given = vars(_options(arguments))
    raw, every = given.pop("raw"), given.pop("every")
    load = Load(targets=tuple(given.pop("target")), **given)

    def say(summary: Summary) -> None:
        print(json.dumps(summary.shown()), file=sys.stderr, flush=True)

    summary = asyncio.run(run(load, raw=raw, every=every, say=say))
    print(json.dumps(summary.shown()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
