"""Checks in HAProxy's words: the lines of a backend that ask a server whether it works."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from crossgate.model.check import HttpCheck, ThriftCheck

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgate.model.service import Service

# Thrift's strict binary protocol: the version in the high half, the kind of message in the low one
# (apache/thrift doc/specs/thrift-binary-protocol.md).
_CALL = 0x80010001
_REPLY = 0x80010002
_SEQUENCE = 1
_NO_ARGUMENTS = b"\0"

# `linger` closes the connection in order. HAProxy would reset it, and Thrift's servers write a
# stack trace for each: five a second for each balancer.
_CONNECT = "tcp-check connect linger"


def check_lines(service: Service) -> Sequence[str]:
    """Return the lines that make a backend check the servers of `service`."""
    health = service.asked
    if isinstance(health, ThriftCheck):
        return _thrift(health)
    if isinstance(health, HttpCheck):
        return (
            "option httpchk",
            (
                f"http-check send meth GET uri {quoted(health.path)} ver HTTP/1.1 "
                f"hdr Host {service.name} hdr Connection close"
            ),
            "http-check expect status 200-299",
        )
    return ("option tcp-check", _CONNECT)


def _thrift(check: ThriftCheck) -> Sequence[str]:
    name = check.call.encode()
    head = struct.pack(">i", len(name)) + name
    call = struct.pack(">I", _CALL) + head + struct.pack(">i", _SEQUENCE) + _NO_ARGUMENTS
    if check.transport == "framed":
        call = struct.pack(">i", len(call)) + call
    # A reply, and to this call: an exception has kind 3. What follows (sequence, result) differs.
    # An expression over the hexadecimal digits, in capitals as HAProxy writes them: a failing
    # `expect binary` would put its raw bytes into the log and the stats.
    reply = struct.pack(">I", _REPLY) + head
    before = "^.{8}" if check.transport == "framed" else "^"
    return (
        "option tcp-check",
        _CONNECT,
        f"tcp-check send-binary {call.hex()}",
        f"tcp-check expect rbinary {before}{reply.hex().upper()}",
    )


def quoted(text: str) -> str:
    """Return `text` as one word of HAProxy's configuration, whatever is in it."""
    return "'" + text.replace("'", "'\\''") + "'"
