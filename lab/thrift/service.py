"""The server: `python -m lab.thrift.service --port 9190`, or the bundle's own command.

On SIGTERM it accepts no more connections, answers what it has been asked, and ends each connection
together with its next answer, so that nobody sends a call into a closing connection. Connections
that bring no call within `--idle` seconds are ended too, and then the program exits with 0.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import signal
import socket
import sys
from collections.abc import Sequence
from importlib import resources
from typing import Any

from thriftpy2.contrib.aio.processor import TAsyncProcessor
from thriftpy2.protocol.exc import TProtocolException

from lab.thrift.interface import INTERFACE
from lab.thrift.stream import Stream

_BACKLOG = 1024
_PAUSE_SECONDS = 0.1


class Gateway:
    """What answers the calls of the IDL.

    Args:
        server: the name that answers carry.
        version: the version that they carry.

    """

    def __init__(self, server: str, version: str) -> None:
        self.server = server
        self.version = version
        self.answered = 0

    async def ping(self) -> None:
        """Answer a health check."""

    async def echo(self, text: str) -> object:
        """Return the text."""
        self.answered += 1
        return INTERFACE.Echo(text=text, server=self.server, version=self.version)

    async def slow(self, text: str, milliseconds: int | None) -> object:
        """Return the text later."""
        await asyncio.sleep((milliseconds or 0) / 1000)
        return await self.echo(text)

    async def who(self) -> object:
        """Return who this is."""
        self.answered += 1
        return INTERFACE.Server(name=self.server, version=self.version, answered=self.answered - 1)


class Server:
    """Listens and converses until it is stopped.

    Args:
        gateway: what answers.
        address: IPv4 address to listen on; default every one.
        port: the port; 0 is any free one, see `port`.
        idle: seconds that connections have for one more call once the server is to stop.
        patience: seconds that calls under way have then.

    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        address: str = "",
        port: int = 0,
        idle: float = 2.0,
        patience: float = 20.0,
    ) -> None:
        self._processor: Any = TAsyncProcessor(  # type: ignore[no-untyped-call]
            INTERFACE.Gateway, gateway
        )
        self._listener = socket.create_server((address, port), backlog=_BACKLOG)
        self._listener.settimeout(0)
        self._idle = idle
        self._patience = patience
        self._stopping = False
        self._conversations: dict[asyncio.Task[None], Stream | None] = {}
        self._waits: set[asyncio.Timeout] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._conversations)

    def start(self) -> None:
        """Accept connections from now on."""
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    async def stop(self) -> None:
        """Accept no more, finish what was begun, close all; at most `idle` + `patience` seconds."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        # The kernel has told these clients that they are connected: they are not turned away.
        self._accept(again=False)
        self._listener.close()
        self._stopping = True
        for stream in self._conversations.values():
            if stream is not None:
                stream.hold()
        for limit in self._waits:
            limit.reschedule(loop.time() + self._idle)
        if self._conversations:
            await asyncio.wait(self._conversations, timeout=self._idle + self._patience)
        for task in tuple(self._conversations):
            task.cancel()

    def _accept(self, *, again: bool = True) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:  # no more open files, most likely: some may be closed soon
                print(f"cannot accept: {error}", file=sys.stderr)
                if again:
                    loop = asyncio.get_running_loop()
                    loop.remove_reader(self._listener)
                    loop.call_later(_PAUSE_SECONDS, self._resume)
                return
            task = asyncio.create_task(self._converse(accepted))
            self._conversations[task] = None
            task.add_done_callback(self._conversations.pop)

    def _resume(self) -> None:
        if not self._stopping:
            self.start()

    async def _converse(self, accepted: socket.socket) -> None:
        accepted.settimeout(0)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            stream = Stream(*await asyncio.open_connection(sock=accepted))
        except OSError:
            accepted.close()
            return
        task = asyncio.current_task()
        if task is not None:
            self._conversations[task] = stream
        if self._stopping:
            stream.hold()
        finished = False
        try:
            await self._answers(stream)
            await stream.finish()
            finished = True
        except (OSError, EOFError):
            pass  # the client is gone
        except (TProtocolException, ValueError, RecursionError) as error:
            print(f"not a call in the strict binary protocol: {error}", file=sys.stderr)
        finally:
            if not finished:
                stream.abort()

    async def _answers(self, stream: Stream) -> None:
        while await self._asked(stream):
            await self._processor.process(stream.protocol, stream.protocol)
            if self._stopping:
                return

    async def _asked(self, stream: Stream) -> bool:
        """Wait for the first byte of a call; False when none will come."""
        limit = asyncio.timeout(self._idle if self._stopping else None)
        self._waits.add(limit)
        try:
            async with limit:
                return await stream.begun()
        except TimeoutError:
            return False
        finally:
            self._waits.discard(limit)


def version() -> str:
    """Return the version that the bundle was built with; "0" when this runs from its sources."""
    file = resources.files(__package__).joinpath("version.txt")
    return file.read_text(encoding="utf-8").strip() if file.is_file() else "0"


async def _serve(options: argparse.Namespace) -> None:
    server = Server(
        Gateway(options.name, options.version),
        address=options.address,
        port=options.port,
        idle=options.idle,
        patience=options.patience,
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server.start()
    print(
        f"{options.name} {options.version} listens on {options.address}:{server.port}", flush=True
    )
    await stop.wait()
    print(f"stopping with {server.connections} connections", flush=True)
    await server.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; 0."""
    parser = argparse.ArgumentParser(prog="gateway-service", description=__doc__)
    parser.add_argument("--address", default="", help="to listen on; default every one")
    parser.add_argument("--port", type=int, default=9190, help="default 9190; 0 is any free one")
    parser.add_argument(
        "--name",
        default=os.environ.get("SERVICE_NAME") or platform.node(),
        help="which server answers say they come from; default $SERVICE_NAME, then the host's name",
    )
    parser.add_argument(
        "--version",
        default=os.environ.get("SERVICE_VERSION") or version(),
        help="the version that answers carry; default $SERVICE_VERSION, then the bundle's",
    )
    parser.add_argument(
        "--idle", type=float, default=2.0, help="seconds for one more call on SIGTERM (default 2)"
    )
    parser.add_argument(
        "--patience", type=float, default=20.0, help="seconds for calls under way (default 20)"
    )
    asyncio.run(_serve(parser.parse_args(arguments)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
