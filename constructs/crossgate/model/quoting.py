"""How a known text is written between double quotes."""

from __future__ import annotations

import json
import re
from typing import Literal, TypeAlias

Style: TypeAlias = Literal["json", "yaml", "shell"]
r"""Whose double quotes.

`json`, in ASCII. `yaml`, a double-quoted scalar in ASCII: beyond U+FFFF it has one `\U` where JSON
has two `\u`. `shell`, POSIX double quotes, where `$`, `"`, `\` and the backtick take a backslash
and all else stands for itself: also the words of systemd's environment files.
"""

_SHELL_SPECIAL = re.compile(r'[$"\\`]')
_BEYOND_PLANE_0 = re.compile(r"([\U00010000-\U0010ffff])")


def quoted(literal: str, style: Style = "json") -> str:
    """Return a text inside double quotes; see `Style`."""
    return f'"{escaped(literal, style)}"'


def escaped(literal: str, style: Style = "json") -> str:
    """Return a text as it stands between double quotes; see `Style`."""
    if style == "shell":
        return _SHELL_SPECIAL.sub(r"\\\g<0>", literal)
    if style == "yaml":
        parts = _BEYOND_PLANE_0.split(literal)
        parts[::2] = [_as_json(part) for part in parts[::2]]
        parts[1::2] = [f"\\U{ord(character):08x}" for character in parts[1::2]]
        return "".join(parts)
    return _as_json(literal)


def _as_json(literal: str) -> str:
    # DEL is the one ASCII character that JSON leaves alone and YAML refuses.
    return json.dumps(literal)[1:-1].replace("\x7f", "\\u007f")
