"""What was found of snapshots, told as text and as data."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.text import Text

from crossgate.cli.findings import Exit

if TYPE_CHECKING:
    from rich.console import Console

    from crossgate.cli.archives import Answer

_SHOWN = 10
_MINUTE, _HOUR, _DAY = 60, 3600, 24 * 3600


def told(found: Sequence[Answer]) -> Exit:
    """Return what the shell is told: what could not be asked weighs more than what is missing."""
    if any(one.failed for one in found):
        return Exit.NOT_RUN
    return Exit.MISSING if any(one.wanted is None for one in found) else Exit.FINE


def answers_as_json(stack: str, found: Sequence[Answer]) -> str:
    """Return all of it as JSON."""
    data = {
        "stack": stack,
        "exit": int(told(found)),
        "archives": [asdict(one) for one in found],
    }
    return json.dumps(data, indent=2, ensure_ascii=False)


def show_answers(console: Console, found: Sequence[Answer]) -> None:
    """Print which snapshots there are, and what brings one back."""
    for one in found:
        console.print(Text(f"{one.cloud}: {one.of}, in {one.where}", style="bold"), soft_wrap=True)
        if one.failed:
            console.print(Text(f"  could not be asked: {one.failed}", style="magenta"))
            continue
        for name in one.kept[:_SHOWN]:
            console.print(Text(f"  {name}"), soft_wrap=True)
        if len(one.kept) > _SHOWN:
            console.print(Text(f"  and {len(one.kept) - _SHOWN} older ones"))
        if one.wanted is None:
            console.print(Text("  there is none" if not one.kept else "  none has this name"))
            continue
        age = _age(time.time() - (one.taken or 0))
        here = one.commands[0].startswith("ssh ")
        whence = "from here" if here else "on one of its servers"
        line = f"to bring back {one.wanted}, taken {age} ago, run {whence}:"
        console.print(Text(line), soft_wrap=True)
        for command in one.commands:
            console.print(Text(f"  {command}", style="green"), soft_wrap=True)


def _age(seconds: float) -> str:
    for length, noun in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {noun}{'s' if number > 1 else ''}"
    return "less than a minute"
