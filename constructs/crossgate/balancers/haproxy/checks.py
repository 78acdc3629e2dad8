"""Checks in HAProxy's words: the lines of a backend that ask a server whether it works."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from crossgate.model.check import GrpcCheck, HttpCheck, ThriftCheck

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgate.model.service import Service

_SEQUENCE = 1

# Thrift's strict binary protocol: the version in the high half, the kind of message in the low one
# (apache/thrift doc/specs/thrift-binary-protocol.md).
_CALL = 0x80010001
_REPLY = 0x80010002
_NO_ARGUMENTS = b"\0"

# Its compact protocol: a mark, then the kind of message in the high three bits and version 1 in the
# others (doc/specs/thrift-compact-protocol.md). Lengths and sequence numbers are varints.
_COMPACT = 0x82
_COMPACT_CALL = 0x21
_COMPACT_REPLY = 0x41
_VARINT = "([89A-F].){0,4}[0-7]."

# HTTP/2 with prior knowledge (RFC 9113), header fields as literals (RFC 7541, 6.2.2).
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_STREAM, _END_HEADERS = 1, 4
_STREAM = 1

# A message of gRPC says whether it is compressed and how long it is; in it is field 1, `status`, a
# varint: 1 is SERVING (grpc/grpc doc/health-checking.md).
_SERVING = b"\x08\x01"

# `linger` closes the connection in order. HAProxy would reset it, and Thrift's servers write a
# stack trace for each: five a second for each balancer.
_CONNECT = "tcp-check connect linger"


def check_lines(service: Service) -> Sequence[str]:
    """Return the lines that make a backend check the servers of `service`."""
    health = service.asked
    # What is written first is of the version that the server's line says.
    connect = _CONNECT if service.send_proxy is None else f"{_CONNECT} send-proxy"
    if isinstance(health, ThriftCheck):
        return _asked(
            connect, *(_compact(health) if health.protocol == "compact" else _binary(health))
        )
    if isinstance(health, GrpcCheck):
        return _asked(connect, *_grpc(health, service.name))
    if isinstance(health, HttpCheck):
        return (
            "option httpchk",
            (
                f"http-check send meth GET uri {quoted(health.path)} ver HTTP/1.1 "
                f"hdr Host {service.name} hdr Connection close"
            ),
            "http-check expect status 200-299",
        )
    return ("option tcp-check", connect)


# An expression over the hexadecimal digits, in capitals as HAProxy writes them: a failing
# `expect binary` would put its raw bytes into the log and the stats.
def _asked(connect: str, question: bytes, answer: str) -> Sequence[str]:
    return (
        "option tcp-check",
        connect,
        f"tcp-check send-binary {question.hex()}",
        f"tcp-check expect rbinary {answer}",
    )


def _binary(check: ThriftCheck) -> tuple[bytes, str]:
    name = check.call.encode()
    head = struct.pack(">i", len(name)) + name
    call = struct.pack(">I", _CALL) + head + struct.pack(">i", _SEQUENCE) + _NO_ARGUMENTS
    # A reply, and to this call: an exception has kind 3. What follows (sequence, result) differs.
    return _sent(check, call), _start(check) + _hexadecimal(struct.pack(">I", _REPLY) + head)


def _compact(check: ThriftCheck) -> tuple[bytes, str]:
    name = check.call.encode()
    # At most 128 bytes: the length is a varint of one byte, or of two for 128 itself.
    length = _varint(len(name))
    call = bytes([_COMPACT, _COMPACT_CALL, _SEQUENCE]) + length + name + _NO_ARGUMENTS
    reply = _hexadecimal(bytes([_COMPACT, _COMPACT_REPLY])) + _VARINT + _hexadecimal(length + name)
    return _sent(check, call), _start(check) + reply


def _sent(check: ThriftCheck, call: bytes) -> bytes:
    return struct.pack(">i", len(call)) + call if check.transport == "framed" else call


def _start(check: ThriftCheck) -> str:
    return "^.{8}" if check.transport == "framed" else "^"


def _grpc(check: GrpcCheck, host: str) -> tuple[bytes, str]:
    """Return a call of the health service, and what SERVING looks like on the wire.

    `http-check` cannot say it: a message begins with bytes that are zero, where HAProxy's strings
    end. So the frames are written here. Gone by is the message alone, in its DATA frame: the
    trailers that follow, with the call's status, every library compresses as it likes, and a call
    that fails has no message or an empty one.
    """
    name = check.service.encode()
    asked = b"\x0a" + bytes([len(name)]) + name if name else b""
    fields = (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", host),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    )
    call = (
        _PREFACE
        + _frame(_SETTINGS, 0, 0, b"")
        + _frame(_HEADERS, _END_HEADERS, _STREAM, b"".join(_field(*field) for field in fields))
        + _frame(_DATA, _END_STREAM, _STREAM, _message(asked))
    )
    serving = _message(_SERVING)
    kind = _hexadecimal(_frame(_DATA, 0, _STREAM, serving)[:4])
    stream = _hexadecimal(struct.pack(">I", _STREAM))
    # Frames come before it, each of whole bytes; it may end the stream or not.
    return call, f"^(?:..)*?{kind}0[01]{stream}{_hexadecimal(serving)}"


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream)
    return head + payload


def _field(name: str, text: str) -> bytes:
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(text)]) + text.encode()


def _message(body: bytes) -> bytes:
    return b"\0" + struct.pack(">I", len(body)) + body


def _varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80, high]) if high else bytes([low])


def _hexadecimal(octets: bytes) -> str:
    return octets.hex().upper()


def quoted(text: str) -> str:
    """Return `text` as one word of HAProxy's configuration, whatever is in it."""
    return "'" + text.replace("'", "'\\''") + "'"
