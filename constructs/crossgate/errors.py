"""Every error that Crossgate raises, in one tree.

.. code-block:: text

    CrossgateError
    ├── ConfigError          what the user wrote is wrong; the message says where and what to do
    │   ├── ArgumentError    an argument of a raw Terraform block
    │   ├── RefusedError     valid, but this cloud, balancer or discovery cannot do it
    │   ├── PolicyError      valid, but unwise: a rule of `crossgate.policy` forbids it
    │   └── FileError        a gateway file: the place inside the file is named
    ├── SynthesisError       several of the above, found late and reported once
    └── ToolError            a program that a command needs is missing or failed
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

_UNSET = object()


class CrossgateError(Exception):
    """The root of the tree: catch it to catch everything that Crossgate raises."""


class ConfigError(CrossgateError, ValueError):
    """Something the user wrote cannot be built.

    It is a `ValueError` too, so that a check inside a value keeps the field's place.

    Args:
        what: one sentence, what is wrong.
        path: the construct path, value or place in a file where it was written.
        got: the value that was found; left out of the message when not given.
        want: what would have been accepted.
        do: the way out.

    """

    def __init__(
        self,
        what: str,
        *,
        path: str | None = None,
        got: object = _UNSET,
        want: str | None = None,
        do: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.path = path
        self.got = got
        self.want = want
        self.do = do

    def at(self, path: str) -> Self:
        """Return the same problem with `path` put in front of where it was found."""
        place = path if self.path is None else f"{path}: {self.path}"
        return type(self)(self.what, path=place, got=self.got, want=self.want, do=self.do)

    def __str__(self) -> str:
        """Join place, problem, what was got, what is wanted and what to do."""
        lines = [self.what if self.path is None else f"{self.path}: {self.what}"]
        if self.got is not _UNSET:
            lines.append(f"  got:  {_shown(self.got)}")
        if self.want is not None:
            lines.append(f"  want: {self.want}")
        if self.do is not None:
            lines.append(f"  do:   {self.do}")
        return "\n".join(lines)


class ArgumentError(ConfigError):
    """An argument of a raw Terraform block is misspelt, missing, mistyped or read-only."""


class RefusedError(ConfigError):
    """A cloud, balancer or discovery cannot build what is asked; says why and the way out."""


class PolicyError(ConfigError):
    """Terraform would accept it, and it would hurt: a rule of `crossgate.policy` forbids it."""


class FileError(ConfigError):
    """A gateway file is wrong at one place, which `path` names."""


class SynthesisError(CrossgateError):
    """Several problems that only the whole stack could show, reported once."""

    def __init__(self, problems: Sequence[ConfigError]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = tuple(problems)

    def __str__(self) -> str:
        """List every problem, one after the other."""
        head = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        return "\n".join([f"{head}; nothing was written:", *(str(p) for p in self.problems)])


class ToolError(CrossgateError):
    """A program that a command needs is missing, or it failed; says what to do."""


def _shown(value: object) -> str:
    text = repr(value)
    if _NEVER_SHOWN in text:
        return "a private key, which no message shows"
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}… ({len(text)} characters)"


_SHOWN_MAX = 200
_NEVER_SHOWN = "PRIVATE KEY-----"
