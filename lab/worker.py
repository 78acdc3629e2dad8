"""One client of a load: what it is to do, and how it calls, tries again and changes entries."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lab.calls import Call, Failure
from lab.thrift.client import Client, WrongAnswerError

if TYPE_CHECKING:
    from lab.load import Run

Mode = Literal["new", "lasting"]

FAREWELL_SECONDS = 1.0
"""How long a worker waits, at the end, for its connections to be closed in order."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What load there is to be.

    Attributes:
        targets: entries, `host:port`; worker n begins with the n-th, modulo their number. A name
            stands for all its IPv4 addresses.
        workers: how many call at the same time; default 8.
        rate: calls per second of each worker; 0 is as fast as answers come. Default 50.
        mode: `new` opens a connection for each call, `lasting` keeps one for each worker.
        seconds: how long; 0 is until SIGTERM.
        retries: further tries of a failed call, each on a new connection; default none.
        pause: seconds before each of them; default 0.05.
        timeout: seconds that a try may take, connecting included; default 5.
        connect_timeout: seconds that connecting to one target may take; default: 1 when there are
            several targets, else `timeout`.
        work: milliseconds that the server works on each call; default 10.

    """

    targets: Sequence[str]
    workers: int = 8
    rate: float = 50.0
    mode: Mode = "new"
    seconds: float = 0.0
    retries: int = 0
    pause: float = 0.05
    timeout: float = 5.0
    connect_timeout: float | None = None
    work: int = 10

    @property
    def connecting(self) -> float:
        """How many seconds connecting to one target may take."""
        if self.connect_timeout is not None:
            return self.connect_timeout
        return 1.0 if len(self.targets) > 1 else self.timeout


class Worker:
    """One client: calls, tries again, goes from entry to entry."""

    def __init__(self, run: Run, number: int) -> None:
        self._run = run
        self._load = run.load
        self._number = number
        self._target = number % len(run.load.targets)
        self._tried = ""
        self._client: Client | None = None
        self._connection: int | None = None
        self._opened: float | None = None
        self._farewells: set[asyncio.Task[None]] = set()
        self.calling = False

    async def work(self) -> None:
        """Call until the load is over."""
        load = self._load
        pace = 1 / load.rate if load.rate else 0.0
        due = self._run.now() + pace * self._number / load.workers
        self._run.summary.begin(self._number, due)
        made = 0
        while not await self._run.over(due):
            self.calling = True
            call = await self._call(made)
            self.calling = False
            self._run.ended(call)
            made += 1
            due = max(due + pace, self._run.now())
        if self._client is not None:
            await self._client.close()
        if self._farewells:
            await asyncio.wait(self._farewells, timeout=FAREWELL_SECONDS)

    async def _call(self, number: int) -> Call:
        began = self._run.now()
        text = f"{self._number}.{number}"
        failures: list[Failure] = []
        answer: Any = None
        for again in range(self._load.retries + 1):
            if again:
                await asyncio.sleep(self._load.pause)
            try:
                async with asyncio.timeout(self._load.timeout):
                    answer = await self._try(text)
                break
            except (OSError, EOFError, WrongAnswerError) as error:
                failures.append(_kind(error))
                self._drop()
                self._target = (self._target + 1) % len(self._load.targets)
        call = Call(
            worker=self._number,
            number=number,
            at=began,
            seconds=self._run.now() - began,
            ok=answer is not None,
            failures=failures,
            target=self._tried,
            connection=self._connection,
            opened=self._opened,
            server="" if answer is None else answer.server,
            version="" if answer is None else answer.version,
        )
        if self._load.mode == "new":
            self._leave()
        return call

    async def _try(self, text: str) -> Any:  # noqa: ANN401  (the IDL's type)
        if self._client is not None and await self._client.ended():
            self._leave()
        client = self._client or await self._connect()
        if self._load.work:
            answer = await client.call("slow", text=text, milliseconds=self._load.work)
        else:
            answer = await client.call("echo", text=text)
        if answer is None or answer.text != text:
            raise WrongAnswerError(f"{text} came back as {answer}")
        return answer

    async def _connect(self) -> Client:
        """Connect to the worker's entry, or to the next one that can be connected to."""
        self._connection = self._opened = None
        count = len(self._load.targets)
        for left in reversed(range(count)):
            self._tried = self._load.targets[self._target]
            host, _, port = self._tried.rpartition(":")
            try:
                async with asyncio.timeout(self._load.connecting):
                    self._client = await Client.connect(host, int(port))
            except OSError:  # a TimeoutError is one
                if not left:
                    raise
                self._target = (self._target + 1) % count
            else:
                self._connection = self._run.connected()
                self._opened = self._run.now()
                return self._client
        raise AssertionError("a load has targets")

    def _leave(self) -> None:
        """Close the connection in order, without waiting for that."""
        if self._client is not None:
            task = asyncio.create_task(self._client.close())
            self._farewells.add(task)
            task.add_done_callback(self._farewells.discard)
            self._client = None

    def _drop(self) -> None:
        if self._client is not None:
            self._client.abort()
            self._client = None


def _kind(error: Exception) -> Failure:
    match error:
        case TimeoutError():
            return Failure.TIMEOUT
        case ConnectionRefusedError():
            return Failure.REFUSED
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError():
            return Failure.RESET
        case EOFError():
            return Failure.CLOSED
        case OSError():
            return Failure.UNREACHABLE
        case _:
            return Failure.WRONG
