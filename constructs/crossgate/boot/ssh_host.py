"""The boot document for a host that is reached over SSH: one script that applies, checks, removes.

A host is not made anew when its document changes, so the script is more careful than cloud-init: it
compares what each part says with what was applied last, and touches only what differs. What it put
there is on record in `/var/lib/crossgate/host`, and `remove` takes away that and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import shlex
from typing import TYPE_CHECKING

from crossgate.boot.document import unit_path
from crossgate.boot.script import INSTALL, RETRY
from crossgate.boot.ssh_runtime import APPLY, HEAD, HEALTH, RECORDS, REMOVE, STAGING
from crossgate.model.text import Quoted, Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crossgate.boot.document import Command, Document, File, Unit
    from crossgate.model.text import TextLike

_DROP_IN = re.compile(r"/etc/systemd/system/([^/]+)\.d/[^/]+\.conf")
_KEY = 60


def host_script(
    document: Document, *, host: str, owner: str, ports: Sequence[int] = (), deadline: int = 60
) -> Text:
    """Return the script; root runs it with `apply`, `check` or `remove`.

    `apply` makes the host what the document says. A unit is restarted when its own part of the
    document changed, or a part without units that its text names; a drop-in restarts what it
    extends. Where the host has been well before, `apply` runs `leave` first, and ends only when it
    is well again. `check` waits until it is well for the first time. `remove` takes away what was
    put there: units, files, packages, users and what is theirs; a file that was there before is
    put back.

    Args:
        document: what the host shall be.
        host: its name in every message.
        owner: what it is for; a host that carries something else refuses.
        ports: TCP ports on which something listens when it is well.
        deadline: seconds until it must be well.

    """
    settings = f"""#!/bin/sh
# Makes this host what its document says (apply), waits until it is well (check), or takes away
# what was put here (remove). It may run again.
set -eu
host={shlex.quote(host)}
owner={shlex.quote(owner)}
ports={shlex.quote(" ".join(map(str, sorted(ports))))}
deadline={deadline}
"""
    return Text.of(
        settings,
        HEAD,
        RETRY,
        INSTALL,
        STAGING,
        RECORDS,
        HEALTH,
        APPLY,
        REMOVE,
        "\ndocument() {\n",
        *_staged(document),
        "}\n\n",
        "trap finish EXIT\n",
        "case ${1:-} in\n  apply) apply ;;\n  check) take_lock && wait_until_well ;;\n"
        '  remove) remove ;;\n  *) fail "apply, check or remove?" ;;\nesac\n',
    )


def _staged(document: Document) -> Iterator[TextLike]:
    parts = _by_label(document)
    for key, several in parts.items():
        yield f"part {key}\n"
        for file in _distinct_files(several):
            yield from _file(file)
        for name in dict.fromkeys(name for part in several for name in part.packages):
            yield f"package {name}\n"
        for user in dict.fromkeys(user for part in several for user in part.users):
            yield f"user {user.name} {shlex.quote(user.home)}\n"
        for when in ("before", "after", "leave", "rejoin"):
            commands = dict.fromkeys(c for part in several for c in getattr(part, when))
            for command in commands:
                yield from _line(when, command)
        for path in dict.fromkeys(path for part in several for path in part.makes):
            yield f"makes {path}\n"
    for unit in document.units:
        own = "own" if unit.text is not None else "others"
        enable = "enable" if unit.enable else "leave"
        yield f"unit {unit.name} {own} {enable} {' '.join(_concerns(unit, parts))}\n"
    units = {unit.name for unit in document.units}
    for key, several in parts.items():
        extended = {
            found[1]
            for file in _distinct_files(several)
            if (found := _DROP_IN.fullmatch(file.path)) and found[1] not in units
        }
        yield from (f"extends {name} {key}\n" for name in sorted(extended))


def _by_label(document: Document) -> dict[str, list[Document]]:
    found: dict[str, list[Document]] = {}
    for part in document.parts or [document]:
        found.setdefault(_key(part.label), []).append(part)
    return found


def _key(label: str) -> str:
    """Return a label as the name of a file, another one for each label."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", label).strip("-")
    if plain == label and len(plain) <= _KEY:
        return plain
    return f"{plain[:_KEY]}-{hashlib.sha256(label.encode()).hexdigest()[:6]}"


def _distinct_files(parts: Sequence[Document]) -> list[File]:
    files = itertools.chain.from_iterable(part.written() for part in parts)
    return list({file.path: file for _, file in files}.values())


def _file(file: File) -> Iterator[TextLike]:
    text = Text.of(file.text)
    literal = text.literal
    place = f"{file.mode:04o} {file.owner} {shlex.quote(file.path)}"
    if literal is None or literal.isascii():
        yield Text.of(f"file {place} ", Quoted(text, "shell"), "\n")
    else:
        yield f"file_base64 {place} {base64.b64encode(literal.encode()).decode()}\n"


def _line(when: str, command: Command) -> Iterator[TextLike]:
    line = Text.of("retry " if command.retry else "", command.line)
    yield Text.of(f"line {when} ", Quoted(line, "shell"), "\n")


def _concerns(unit: Unit, parts: Mapping[str, Sequence[Document]]) -> list[str]:
    """Return the parts whose change restarts a unit."""
    text = Text.of(unit.text or "").sample()
    drop_in = f"{unit_path(unit.name)}.d/"
    found = []
    for key, several in parts.items():
        named = not any(part.units for part in several) and any(
            re.search(rf"(?<![\w-]){re.escape(part.label)}(?![\w-])", text) for part in several
        )
        own = any(unit in part.units for part in several)
        extends = any(file.path.startswith(drop_in) for file in _distinct_files(several))
        if own or named or extends:
            found.append(key)
    return found
