"""A Thrift server in the strict binary protocol, from the standard library: `ping` and `host`.

    thrift_server.py ADDRESS PORT NAME

`host` returns NAME, any other call an exception. It is written from the specification
(apache/thrift doc/specs/thrift-binary-protocol.md), not from what HAProxy sends.
"""

from __future__ import annotations

import socketserver
import struct
import sys

_VERSION = 0x80010000
_REPLY, _EXCEPTION = 2, 3
_STOP = b"\0"
_STRING = 11


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while call := self._call():
            method, sequence = call
            self.request.sendall(_answer(method, sequence))

    def _call(self) -> tuple[str, int] | None:
        head = self._read(8)
        if len(head) < 8:
            return None
        version, length = struct.unpack(">II", head)
        if version != _VERSION | 1:
            return None
        method = self._read(length).decode()
        (sequence,) = struct.unpack(">i", self._read(4))
        return (method, sequence) if self._read(1) == _STOP else None

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size and (more := self.request.recv(size - len(found))):
            found += more
        return found


def _answer(method: str, sequence: int) -> bytes:
    results = {"ping": _STOP, "host": _field(_STRING, 0, sys.argv[3].encode()) + _STOP}
    kind = _REPLY if method in results else _EXCEPTION
    result = results.get(method, _field(_STRING, 1, b"unknown method") + _STOP)
    name = method.encode()
    return (
        struct.pack(">II", _VERSION | kind, len(name)) + name + struct.pack(">i", sequence) + result
    )


def _field(kind: int, number: int, text: bytes) -> bytes:
    return struct.pack(">bhi", kind, number, len(text)) + text


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    with _Server((sys.argv[1], int(sys.argv[2])), _Handler) as server:
        server.serve_forever()
