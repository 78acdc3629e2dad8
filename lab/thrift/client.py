"""A client that believes nothing: names and sequence numbers of answers are compared."""

from __future__ import annotations

import asyncio
from typing import Any, Self

from thriftpy2.thrift import TApplicationException, TException, TMessageType

from lab.thrift.interface import INTERFACE
from lab.thrift.stream import Stream


class WrongAnswerError(Exception):
    """The answer is not one to the question that was asked, or an exception."""


class Client:
    """One connection to a `Gateway` service; calls on it go one after the other."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._sequence = 0

    @classmethod
    async def connect(cls, host: str, port: int) -> Self:
        """Return a client once the connection is there.

        Raises:
            OSError: it is refused, or the host cannot be reached.

        """
        return cls(Stream(*await asyncio.open_connection(host, port)))

    async def call(self, name: str, **arguments: object) -> Any:  # noqa: ANN401  (the IDL's types)
        """Call and return the result; None where the IDL says `void`.

        Raises:
            OSError: the connection broke.
            asyncio.IncompleteReadError: it ended before the answer did.
            WrongAnswerError: another call is answered, or an exception comes back.

        """
        self._sequence += 1
        protocol = self._stream.protocol
        protocol.write_message_begin(name, TMessageType.CALL, self._sequence)
        protocol.write_struct(getattr(INTERFACE.Gateway, f"{name}_args")(**arguments))
        await self._stream.flush()
        try:
            return await self._answer(name)
        except (TException, ValueError, RecursionError) as error:
            raise WrongAnswerError(f"{name} is answered by no Thrift: {error}") from error

    async def _answer(self, name: str) -> Any:  # noqa: ANN401
        protocol = self._stream.protocol
        answered, kind, sequence = await protocol.read_message_begin()
        if kind == TMessageType.EXCEPTION:
            problem = TApplicationException()
            await protocol.read_struct(problem)
            raise WrongAnswerError(f"{name} is answered by an exception: {problem.message}")
        result = getattr(INTERFACE.Gateway, f"{name}_result")()
        await protocol.read_struct(result)
        if (answered, kind, sequence) != (name, TMessageType.REPLY, self._sequence):
            raise WrongAnswerError(
                f"{name} {self._sequence} is answered by {answered} {sequence} of kind {kind}"
            )
        return getattr(result, "success", None)

    async def ended(self) -> bool:
        """Tell whether the server has closed this connection, by all that has arrived so far."""
        # The loop looks at its sockets between two turns: after the second they have been heard.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return self._stream.ended

    def abort(self) -> None:
        """Drop the connection."""
        self._stream.abort()

    async def close(self) -> None:
        """End the connection in order."""
        await self._stream.finish()
