"""One Thrift conversation over asyncio's streams, as thriftpy2's asynchronous protocol wants it."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from thriftpy2.contrib.aio.protocol.binary import TAsyncBinaryProtocol

_LINGER_SECONDS = 1.0
_LEFTOVER_BYTES = 65536


class Stream:
    """A transport of thriftpy2: what is written leaves at `flush`, in one piece.

    Its `read` raises asyncio.IncompleteReadError where the peer ends in the middle, and OSError
    as sockets do.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._first = b""
        self._waiting = bytearray()
        self.protocol: Any = TAsyncBinaryProtocol(self)  # type: ignore[no-untyped-call]

    async def begun(self) -> bool:
        """Wait for the first byte of the next message; False when the peer ends instead."""
        self._first = await self._reader.read(1)
        return bool(self._first)

    async def read(self, size: int) -> bytes:
        """Return exactly so many bytes."""
        first, self._first = self._first, b""
        return first + await self._reader.readexactly(size - len(first))

    def write(self, data: bytes | memoryview) -> None:
        """Keep bytes for the next flush."""
        self._waiting += data

    async def flush(self) -> None:
        """Send what is kept."""
        data, self._waiting = bytes(self._waiting), bytearray()
        self._writer.write(data)
        await self._writer.drain()

    @property
    def ended(self) -> bool:
        """Whether the peer has closed its side, with nothing left to read, or is lost."""
        return self._reader.at_eof() or self._reader.exception() is not None

    def hold(self) -> None:
        """Let the next answer leave together with the end of the stream, in one segment.

        A client that has read the answer then knows already that it must not send again here.
        """
        if hasattr(socket, "TCP_CORK") and not self._writer.is_closing():
            self._writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)

    async def finish(self) -> None:
        """End our side, wait a second for the peer to do so too, and close.

        Closing at once would reset the connection if the peer has sent something meanwhile, and a
        reset takes away answers that the peer has not read yet.
        """
        try:
            if self._writer.can_write_eof() and not self._writer.is_closing():
                self._writer.write_eof()
            async with asyncio.timeout(_LINGER_SECONDS):
                while await self._reader.read(_LEFTOVER_BYTES):
                    pass
        except (OSError, TimeoutError):
            pass
        finally:
            self._writer.close()

    def abort(self) -> None:
        """Drop the connection, whatever is under way."""
        self._writer.transport.abort()
