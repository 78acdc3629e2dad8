"""Waits before HAProxy starts until the other balancers have heard of it.

    haproxy_peers.py CONFIG

They tell a process that starts where clients were led, but only one that is in their lists, and it
asks for five seconds alone. So this waits for those that answer, or for some time; whoever does not
answer starts later, and asks in turn.
"""

from __future__ import annotations

import re
import socket
import ssl
import sys
import time
from pathlib import Path

_HEARS_SECONDS = 20.0
_ASK_SECONDS = 0.3
_ANSWER_SECONDS = 1.0
_LEARNS_SECONDS = 2.0
"""One that has just heard of another is a new process, which the one before it teaches."""

_HELLO = "HAProxyS 2.1\n{theirs}\n{own} 0 0\n"
_STRANGER = b"504"
"""The answer to who is not in the list; both in HAProxy's doc/peers-v2.0.txt."""

_OWN = re.compile(r"^\s*localpeer (\S+)", re.MULTILINE)
_OTHERS = re.compile(r"^peers \S+\n(?:[ \t]+\S.*\n)+", re.MULTILINE)
_OTHER = re.compile(r"^\s*server (\S+) (\S+):(\d+)$", re.MULTILINE)
_SECRETS = re.compile(r"default-server ssl crt (\S+) ca-file (\S+) .*verifyhost (\S+)")


def introduced(text: str) -> None:
    """Wait until the other balancers of a configuration that answer have heard of this one."""
    own, section = _OWN.search(text), _OTHERS.search(text)
    secrets = _SECRETS.search(section[0]) if section else None
    if own is None or section is None or secrets is None:
        return
    certificate, authority, host = secrets.groups()
    context = ssl.create_default_context(cafile=authority)
    context.load_cert_chain(certificate)
    asked = [(name, address, int(port)) for name, address, port in _OTHER.findall(section[0])]
    last, waited = time.monotonic() + _HEARS_SECONDS, False
    while time.monotonic() < last:
        asked = [one for one in asked if _stranger(context, host, own[1], *one)]
        if not asked:
            break
        waited = True
        time.sleep(_ASK_SECONDS)
    if waited:
        time.sleep(_LEARNS_SECONDS)


def _stranger(
    context: ssl.SSLContext, host: str, own: str, theirs: str, address: str, port: int
) -> bool:
    try:
        with (
            socket.create_connection((address, port), timeout=_ANSWER_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as asked,
        ):
            asked.sendall(_HELLO.format(theirs=theirs, own=own).encode())
            return asked.recv(16).startswith(_STRANGER)
    except OSError:
        # Who does not answer now starts later, and asks this one.
        return False


if __name__ == "__main__":
    introduced(Path(sys.argv[1]).read_text(encoding="utf-8", errors="replace"))
