"""The load generator and the service, against each other, as processes on the loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from crossgate import Service, ThriftCheck
from crossgate.balancers.haproxy.checks import check_lines
from lab.calls import Failure, Raw, Summary
from lab.daemon import free_port
from lab.thrift.bundle import build
from lab.thrift.client import Client, WrongAnswerError
from lab.thrift.service import Gateway, Server
from tools.toolbox import ROOT

pytestmark = [pytest.mark.live, pytest.mark.measured]

BIG = 10_000


@dataclass
class Program:
    """The service as a process."""

    process: subprocess.Popen[str]
    port: int

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def signal(self, number: signal.Signals) -> float:
        """Send a signal and return the instant."""
        self.process.send_signal(number)
        return time.monotonic()


@dataclass
class Under:
    """A load that runs, or has run."""

    process: subprocess.Popen[str]
    raw: Path
    summary: dict[str, Any] = field(default_factory=dict)

    def done(self) -> Raw:
        out, errors = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, errors
        self.summary = json.loads(out)
        return Raw.read(self.raw)

    def until(self, count: int) -> None:
        """Wait until so many calls are in the raw file."""
        last = time.monotonic() + 10
        while not self.raw.exists() or self.raw.read_text().count("\n") <= count:
            assert time.monotonic() < last, "the load does not get going"
            time.sleep(0.02)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("1.4", tmp_path_factory.mktemp("bundle")).path


@pytest.fixture
def start(bundle: Path) -> Iterator[Callable[..., Program]]:
    """Start servers from the bundle, as a machine does: Debian's Python, no packages."""
    with contextlib.ExitStack() as stack:

        def started(name: str = "one", *arguments: str, port: int = 0) -> Program:
            command = [bundle, "--address", "127.0.0.1", "--port", str(port), "--name", name]
            process = subprocess.Popen(
                [*command, *arguments], stdout=subprocess.PIPE, text=True, env={}, cwd="/"
            )
            stack.callback(process.stdout.close)
            stack.callback(process.wait)
            stack.callback(process.kill)
            said = process.stdout.readline()
            return Program(process, int(said.rpartition(":")[2]))

        yield started


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[..., Under]]:
    """Start loads; each writes a raw file of its own."""
    with contextlib.ExitStack() as stack:
        made = iter(range(99))

        def started(*programs: Program | str, **options: object) -> Under:
            raw = tmp_path / f"{next(made)}.jsonl"
            command = [sys.executable, "-m", "lab.load", "--raw", str(raw)]
            for program in programs:
                command += ["--target", program if isinstance(program, str) else program.target]
            for name, value in options.items():
                command += [f"--{name.replace('_', '-')}", str(value)]
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return Under(process, raw)

        yield started


def failures(raw: Raw) -> list[Failure]:
    return [kind for call in raw.calls for kind in call.failures]


@contextlib.contextmanager
def serving(gateway: Gateway) -> Iterator[str]:
    """Run a server with another inside in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def made() -> Server:
        server = Server(gateway, address="127.0.0.1", idle=0.1)
        server.start()
        return server

    server = asyncio.run_coroutine_threadsafe(made(), loop).result()
    yield f"127.0.0.1:{server.port}"
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_the_bundle_is_the_same_bytes_each_time(bundle: Path, tmp_path: Path) -> None:
    again = build("1.4", tmp_path)
    assert again.path.read_bytes() == bundle.read_bytes()
    assert build("1.5", tmp_path).sha256 != again.sha256


def test_without_a_fault_nothing_fails_and_the_gap_is_the_pace(
    start: Callable[..., Program], load: Callable[..., Under]
) -> None:
    server = start("one")
    for mode in ("new", "lasting"):
        under = load(server, seconds=1.5, mode=mode)
        raw = under.done()
        assert (under.summary["failed"], under.summary["failures"]) == (0, {})
        # 8 clients at 50 a second; on a machine that is busy with other things they may be fewer.
        assert 200 < under.summary["calls"] == len(raw.calls) <= 608
        # What the generator is late by itself is told, not hidden.
        assert max(under.summary["longest_gap"]) < 0.04 + 2 * under.summary["late"]
        assert under.summary["servers"] == {"one": under.summary["calls"]}
        assert under.summary["versions"] == {"1.4": under.summary["calls"]}
        assert 0.01 <= under.summary["latency"]["p50"] < 0.02
        connections = {call.connection for call in raw.calls}
        assert len(connections) == (8 if mode == "lasting" else len(raw.calls))


def test_a_killed_server_loses_exactly_the_calls_that_it_had(
    start: Callable[..., Program], load: Callable[..., Under]
) -> None:
    server = start()
    # All are in their call, which takes far longer than the test, when the server dies.
    under = load(server, mode="lasting", work=BIG, workers=5, rate=1000)
    deadline = time.monotonic() + 5
    while connected(server.port) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.2)
    died = server.signal(signal.SIGKILL)
    server.process.wait()
    time.sleep(0.1)
    under.process.send_signal(signal.SIGTERM)
    raw = under.done()
    had = [call for call in raw.calls if raw.settings["started"] + call.at < died]
    assert [call.ok for call in had] == [False] * 5
    assert {call.connection for call in had} == {1, 2, 3, 4, 5}
    assert {kind for call in had for kind in call.failures} <= {Failure.RESET, Failure.CLOSED}
    # A kernel that takes a process apart may still greet a client or two.
    later = {kind for call in raw.calls if call not in had for kind in call.failures}
    assert Failure.REFUSED in later <= {Failure.REFUSED, Failure.RESET}
    assert under.summary["failed"] == len(raw.calls) > 5


def connected(port: int) -> int:
    """Return how many connections to a port of the loopback are established."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    end = f":{port:04X}"
    return sum(line.split()[1].endswith(end) and line.split()[3] == "01" for line in lines)


def test_a_wrong_answer_is_counted_for_what_it_is(load: Callable[..., Under]) -> None:
    class Forger(Gateway):
        async def echo(self, text: str) -> object:
            answer: Any = await super().echo(text)
            if self.answered % 10 == 0:
                answer.text += "!"
            return answer

    with serving(Forger("forger", "1")) as target:
        under = load(target, seconds=1, mode="lasting", work=0)
        raw = under.done()
    answered = len(raw.calls)
    assert under.summary["failures"] == {"wrong answer": answered // 10}
    assert under.summary["failed"] == answered // 10


def test_an_answer_to_another_call_is_wrong() -> None:
    async def conversed(answer: bytes) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(answer)
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            client = await Client.connect(*server.sockets[0].getsockname())
            try:
                await client.call("ping")
            finally:
                client.abort()

    def reply(kind: int, name: bytes, sequence: int) -> bytes:
        return struct.pack(f">Ii{len(name)}sib", 0x80010000 | kind, len(name), name, sequence, 0)

    asyncio.run(conversed(reply(2, b"ping", 1)))
    for wrong in (reply(2, b"ping", 2), reply(2, b"pong", 1), reply(3, b"ping", 1), b"HTTP/1.1 4"):
        with pytest.raises(WrongAnswerError):
            asyncio.run(conversed(wrong))


def test_a_server_that_hangs_shows_as_a_gap_and_as_timeouts(
    start: Callable[..., Program], load: Callable[..., Under]
) -> None:
    server = start()
    under = load(server, seconds=2.5, timeout=0.5, mode="lasting")
    under.until(100)
    server.signal(signal.SIGSTOP)
    time.sleep(0.7)
    server.signal(signal.SIGCONT)
    raw = under.done()
    assert set(failures(raw)) == {Failure.TIMEOUT}
    # The first try is given up after half a second, the second one is answered at 0.7 s.
    assert under.summary["failures"] == {"timeout": 8}
    gaps = [*under.summary["longest_gap"], under.summary["longest_gap_of_all"]]
    assert all(0.65 < gap < 0.85 + 2 * under.summary["late"] for gap in gaps)


def test_what_was_measured_of_the_gap_is_in_the_raw_results(
    start: Callable[..., Program], load: Callable[..., Under]
) -> None:
    under = load(start(), seconds=1)
    raw = under.done()
    again = Summary(8)
    for worker in range(8):
        again.begin(worker, next(call.at for call in raw.calls if call.worker == worker))
    for call in raw.calls:
        again.add(call)
    again.finish(raw.end)
    assert again.longest_gap == pytest.approx(under.summary["longest_gap"], abs=0.001)
    assert len(raw.calls) == under.summary["calls"]


def test_retries_reach_a_server_that_came_back(
    start: Callable[..., Program], load: Callable[..., Under]
) -> None:
    server = start()
    under = load(server, seconds=2, mode="lasting", retries=100)
    under.until(50)
    server.signal(signal.SIGKILL)
    server.process.wait()
    start("two", port=server.port)
    raw = under.done()
    assert under.summary["failed"] == 0
    assert under.summary["retried"] > 0
    assert {call.failures[-1] for call in raw.calls if call.failures} == {Failure.REFUSED}
    assert set(under.summary["servers"]) == {"one", "two"}


def test_a_client_with_two_entries_goes_to_the_other(
    start: Callable[..., Program], load: Callable[..., Under]
) -> None:
    one, two = start("one"), start("two")
    under = load(one, two, seconds=2, retries=1)
    under.until(100)
    killed = one.signal(signal.SIGKILL)
    raw = under.done()
    before = {c.server for c in raw.calls if raw.settings["started"] + c.until < killed}
    assert before == {"one", "two"}
    assert under.summary["failed"] == 0
    # At most the calls that were under way on it needed a second try; connecting is no try.
    assert under.summary["retried"] <= 4
    assert max(under.summary["longest_gap"]) < 0.2 + 4 * under.summary["late"]
    assert {c.server for c in raw.calls if raw.settings["started"] + c.at > killed} == {"two"}


def test_sigterm_of_the_server_loses_nothing_of_lasting_load(
    start: Callable[..., Program], load: Callable[..., Under]
) -> None:
    one, two = start("one"), start("two")
    # Without pacing: the next call follows at once upon the answer.
    for rate in (50, 0):
        under = load(one, two, seconds=1.2, mode="lasting", rate=rate, work=5)
        under.until(100)
        one.signal(signal.SIGTERM)
        assert one.process.wait(timeout=5) == 0
        under.done()
        assert under.summary["failures"] == {}
        assert set(under.summary["servers"]) == {"one", "two"}
        one = start("one")


def test_sigterm_lets_a_call_under_way_finish(start: Callable[..., Program]) -> None:
    server = start()

    async def called() -> tuple[Any, bool]:
        client = await Client.connect("127.0.0.1", server.port)
        idle = await Client.connect("127.0.0.1", server.port)
        await idle.call("ping")
        call = asyncio.create_task(client.call("slow", text="x", milliseconds=600))
        await asyncio.sleep(0.2)
        server.signal(signal.SIGTERM)
        await asyncio.sleep(0.2)
        with pytest.raises(ConnectionRefusedError):
            await Client.connect("127.0.0.1", server.port)
        await idle.call("ping")
        answer = await call
        ended = await client.ended()
        await client.close()
        await idle.close()
        return answer, ended

    answer, ended = asyncio.run(called())
    assert (answer.text, answer.server, answer.version) == ("x", "one", "1.4")
    assert ended, "the end of the connection arrives with the answer"
    assert server.process.wait(timeout=5) == 0


def test_sigterm_ends_connections_that_bring_no_call(start: Callable[..., Program]) -> None:
    server = start("one", "--idle", "0.2")
    with socket.create_connection(("127.0.0.1", server.port)) as silent:
        silent.settimeout(2)
        server.signal(signal.SIGTERM)
        assert silent.recv(1) == b""
    assert server.process.wait(timeout=3) == 0


def test_sigterm_of_the_load_leaves_all_its_results(
    start: Callable[..., Program], load: Callable[..., Under]
) -> None:
    under = load(start())
    under.until(100)
    under.process.send_signal(signal.SIGTERM)
    raw = under.done()
    assert len(raw.calls) == under.summary["calls"] > 100
    assert json.loads(under.raw.read_text().splitlines()[-1])["unfinished"] == 0


def test_raw_results_of_a_killed_load_can_be_read(
    start: Callable[..., Program], load: Callable[..., Under]
) -> None:
    under = load(start())
    under.until(100)
    under.process.kill()
    under.process.wait()
    whole = len(Raw.read(under.raw).calls)
    with under.raw.open("a") as file:
        file.write('{"worker": 3, "nu')
    assert len(Raw.read(under.raw).calls) == whole >= 100


def test_refused_connections_are_failed_calls(load: Callable[..., Under]) -> None:
    under = load(f"127.0.0.1:{free_port()}", seconds=0.5, workers=2)
    raw = under.done()
    assert under.summary["calls"] == under.summary["failed"] == len(failures(raw)) > 0
    assert set(failures(raw)) == {Failure.REFUSED}
    assert under.summary["longest_gap_of_all"] == pytest.approx(raw.end, abs=0.1)


def test_an_entry_that_never_answers_is_left_after_the_connect_timeout(
    start: Callable[..., Program], load: Callable[..., Under]
) -> None:
    # A full queue of a listener that accepts nothing: further SYNs are dropped.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent, contextlib.ExitStack() as s:
        port = silent.getsockname()[1]
        for _ in range(3):
            waiting = s.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(("127.0.0.1", port))
        under = load(
            f"127.0.0.1:{port}", start(), seconds=1, workers=1, connect_timeout=0.3, mode="lasting"
        )
        raw = under.done()
    assert under.summary["failed"] == 0
    assert raw.calls[0].seconds == pytest.approx(0.31, abs=0.05 + under.summary["late"])
    assert raw.calls[1].seconds < 0.3


def test_the_figures_are_told_while_it_runs(
    start: Callable[..., Program], load: Callable[..., Under]
) -> None:
    under = load(start(), seconds=1, every=0.2)
    _, errors = under.process.communicate(timeout=10)
    told = [json.loads(line)["calls"] for line in errors.splitlines()]
    assert len(told) >= 3
    assert told == sorted(told)


def test_many_connections_are_served_at_the_same_time(start: Callable[..., Program]) -> None:
    server = start()

    async def called() -> float:
        clients = await asyncio.gather(
            *(Client.connect("127.0.0.1", server.port) for _ in range(400))
        )
        began = time.monotonic()
        await asyncio.gather(*(c.call("slow", text="x", milliseconds=500) for c in clients))
        for client in clients:
            client.abort()
        return time.monotonic() - began

    # One after the other they would take 200 s.
    assert asyncio.run(called()) < 20


def test_who_says_which_server_and_version_answers(start: Callable[..., Program]) -> None:
    server = start("one", "--version", "2.0")

    async def asked() -> Any:
        client = await Client.connect("127.0.0.1", server.port)
        await client.call("echo", text="ö")
        who = await client.call("who")
        await client.close()
        return who

    who = asyncio.run(asked())
    assert (who.name, who.version, who.answered) == ("one", "2.0", 1)


def test_it_passes_the_check_that_haproxy_makes(start: Callable[..., Program]) -> None:
    server = start()
    api = Service(
        name="api", port=9190, protocol="thrift", command=["/x"], check=ThriftCheck(call="ping")
    )
    lines = [line.split() for line in check_lines(api)]
    (sent,) = (bytes.fromhex(line[2]) for line in lines if line[1] == "send-binary")
    (wanted,) = (line[3] for line in lines if line[1] == "expect")
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(sent)
        assert connection.recv(100).hex().upper().startswith(wanted.lstrip("^"))


def test_half_a_call_and_nonsense_disturb_nobody(start: Callable[..., Program]) -> None:
    server = start()
    for bad in (b"GET / HTTP/1.1\r\n\r\n", b"\x80\x01\x00\x01\x00", b"\xff" * 64):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(bad)

    async def asked() -> Any:
        client = await Client.connect("127.0.0.1", server.port)
        answer = await client.call("echo", text="x")
        await client.close()
        return answer

    assert asyncio.run(asked()).text == "x"
