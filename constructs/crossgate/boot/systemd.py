"""Words as systemd reads them: arguments of a command line, values of an environment file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crossgate.errors import ConfigError
from crossgate.model.text import Quoted, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crossgate.model.text import TextLike

_PLAIN = re.compile(r"[A-Za-z0-9_./:=@,+-]+\Z")
_CONTROL = re.compile(r"[\x01-\x1f\x7f-\x9f]")
_REFUSED_IN_ENVIRONMENT = re.compile(r"[\x01-\x08\x0b-\x1f\x7f]")


def command_line(words: Iterable[str]) -> str:
    """Return a value of `ExecStart=` that gives a program exactly these words.

    The first word is the program, for which systemd replaces `%` but not `$`.

    Raises:
        ConfigError: the program is not something systemd can start, or a word is empty first.

    """
    program, *arguments = words
    if not program.startswith("/") or re.search(r"[\s'\"\\$\x01-\x1f\x7f]", program):
        raise ConfigError(
            "is no program that systemd can start",
            path="command",
            got=program,
            want="an absolute path without blanks, quotes, backslashes or dollar signs",
        )
    return " ".join([program.replace("%", "%%"), *(_argument(word) for word in arguments)])


def _argument(word: str) -> str:
    """Quote by systemd.service(5), "Command lines": C escapes, then `%`, then `$` are replaced."""
    if _PLAIN.match(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    escaped = _CONTROL.sub(lambda m: f"\\u{ord(m[0]):04x}", escaped)
    return '"' + escaped.replace("%", "%%").replace("$", "$$") + '"'


def environment_file(variables: Mapping[str, TextLike]) -> Text:
    """Return an environment file of systemd; newlines, quotes and dollars in values survive.

    The rules are those of systemd.exec(5), `EnvironmentFile=`: double quotes as in a POSIX shell.

    Raises:
        ConfigError: a value holds a control character other than tab and newline, which systemd
            drops together with its variable.

    """
    lines = []
    for name, given in variables.items():
        text = Text.of(given)
        if found := _REFUSED_IN_ENVIRONMENT.search(text.sample()):
            raise ConfigError(
                "holds a control character, which systemd does not pass on",
                path=f"environment: {name}",
                got=found[0],
                want="text with no control characters but tab and newline",
            )
        lines.append(Text.of(f"{name}=", Quoted(text, "shell")))
    return Text.lines(*lines)
