"""How the value of each kind of argument is checked and written for Terraform's JSON."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, Protocol

from crossgate.errors import ArgumentError
from crossgate.model.text import Quoted, Reference, Text
from crossgate.model.value import holds_token
from crossgate.terraform.text import template

# Terraform's JSON knows no word for "not given" inside an object, all of whose members it wants.
_NULL = "${null}"
_NOT_DEFERRED = object()


@dataclass(slots=True)
class Reading:
    """One walk through the arguments of a block.

    Attributes:
        at_synthesis: call the functions among the values; until then they are passed over.
        late: a function was met and passed over, so the block must be read again.

    """

    at_synthesis: bool = False
    late: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """How many blocks there must and may be."""

    least: int = 0
    most: int | None = None


class Kind(Protocol):
    """What an argument may hold."""

    @property
    def wanted(self) -> str:
        """What is accepted, in words."""

    def read(self, given: object, path: str, reading: Reading) -> object:
        """Return `given` as Terraform's JSON has it.

        Raises:
            ArgumentError: it is of another kind; names `path`.

        """


@dataclass(frozen=True, slots=True)
class StringKind:
    """Text: a string that may hold tokens, or a `Text`, which is escaped."""

    wanted: str = "text"

    def read(self, given: object, path: str, reading: Reading) -> object:  # noqa: ARG002  # of `Kind`
        """Return the string; see `Kind`."""
        if isinstance(given, str):
            return given
        if isinstance(given, Text):
            return _inline(given, path)
        return _deferred_or_refused(given, path, self.wanted)


@dataclass(frozen=True, slots=True)
class NumberKind:
    """A number, whole or not; a boolean is none."""

    wanted: str = "a number"

    def read(self, given: object, path: str, reading: Reading) -> object:  # noqa: ARG002  # of `Kind`
        """Return the number; see `Kind`."""
        if isinstance(given, int | float) and not isinstance(given, bool):
            return given
        return _deferred_or_refused(given, path, self.wanted)


@dataclass(frozen=True, slots=True)
class BooleanKind:
    """True or False; no number and no text stands for them."""

    wanted: str = "True or False"

    def read(self, given: object, path: str, reading: Reading) -> object:  # noqa: ARG002  # of `Kind`
        """Return the boolean; see `Kind`."""
        if isinstance(given, bool):
            return given
        return _deferred_or_refused(given, path, self.wanted)


@dataclass(frozen=True, slots=True)
class ReadOnlyKind:
    """What the provider alone decides."""

    wanted: str = "nothing: the provider decides it"

    def read(self, given: object, path: str, reading: Reading) -> object:  # noqa: ARG002  # of `Kind`
        """Refuse; see `Kind`."""
        raise read_only(path, given)


@dataclass(frozen=True, slots=True)
class ListKind:
    """A list (or Terraform's set) of values of one kind."""

    item: Kind

    @property
    def wanted(self) -> str:
        """What is accepted, in words."""
        return f"a list, of {self.item.wanted} each"

    def read(self, given: object, path: str, reading: Reading) -> object:
        """Return the list; see `Kind`."""
        if not _is_sequence(given):
            return _deferred_or_refused(given, path, self.wanted)
        if _is_list_token(given):
            return list(given)
        return [read(self.item, x, f"{path}[{n}]", reading) for n, x in enumerate(given)]


@dataclass(frozen=True, slots=True)
class MapKind:
    """A mapping from names to values of one kind."""

    item: Kind

    @property
    def wanted(self) -> str:
        """What is accepted, in words."""
        return f"a mapping from text to {self.item.wanted}"

    def read(self, given: object, path: str, reading: Reading) -> object:
        """Return the mapping, without what is None; see `Kind`."""
        if not isinstance(given, Mapping):
            return _deferred_or_refused(given, path, self.wanted)
        made = {}
        for name, item in given.items():
            if not isinstance(name, str):
                raise mistyped(path, name, "names that are text")
            value = read(self.item, item, f"{path}.{name}", reading)
            if value is not None:
                made[name] = value
        return made


@dataclass(frozen=True, slots=True)
class TableKind:
    """A nested block, or a list of them.

    Attributes:
        table: the class whose annotations say what a block holds.
        many: a list of blocks is meant, not one.
        whole: it is an attribute of objects, which Terraform wants with every member written out.

    """

    table: type
    many: bool
    whole: bool = False

    @property
    def wanted(self) -> str:
        """What is accepted, in words."""
        names = ", ".join(fields_of(self.table))
        return f"{'a list of mappings' if self.many else 'a mapping'} with {names}"

    def read(self, given: object, path: str, reading: Reading) -> object:
        """Return one mapping or a list of them; see `Kind`."""
        if not self.many:
            return self._one(given, path, reading)
        if _is_sequence(given) and not _is_list_token(given):
            return [self._one(x, f"{path}[{n}]", reading) for n, x in enumerate(given)]
        if self.whole:
            return _deferred_or_refused(given, path, self.wanted)
        raise mistyped(path, given, self.wanted)  # a block itself cannot come from an expression

    def _one(self, given: object, path: str, reading: Reading) -> dict[str, object]:
        if not isinstance(given, Mapping):
            raise mistyped(path, given, self.wanted)
        made = read_table(self.table, given, path, reading)
        return dict.fromkeys(fields_of(self.table), _NULL) | made if self.whole else made


@dataclass(frozen=True, slots=True)
class Field:
    """One argument of a block."""

    kind: Kind
    required: bool
    items: Items


@cache
def fields_of(table: type) -> Mapping[str, Field]:
    """Return the arguments that a table declares, by name."""
    fields = {}
    for name, hint in _hints(table).items():
        required = typing.get_origin(hint) is typing.Required
        inner = typing.get_args(hint)[0] if required else hint
        counted = typing.get_origin(inner) is typing.Annotated
        kind, items = typing.get_args(inner) if counted else (inner, Items())
        fields[name] = Field(kind, required, items)
    return fields


def _hints(table: type) -> dict[str, Any]:
    """Return what `typing.get_type_hints` would, in a tenth of the time: most are a single word."""
    # The tables import the kinds for the checker only; `Table` brings them at run time.
    kinds: dict[str, Any] = table.kinds  # type: ignore[attr-defined]  # a TypedDict to mypy
    module = vars(sys.modules[table.__module__])
    return {
        name: kinds[hint] if hint in kinds else eval(hint, module, kinds)  # noqa: S307  # our own code
        for name, hint in inspect.get_annotations(table).items()
    }


def read_table(
    table: type, given: Mapping[str, object], path: str, reading: Reading
) -> dict[str, object]:
    """Return the arguments of one block as Terraform's JSON has them, without what is empty.

    Raises:
        ArgumentError: one is unknown, missing, mistyped, read-only, or there are too few or too
            many of a nested block.

    """
    fields = fields_of(table)
    made = {}
    for name, value in given.items():
        place = f"{path}.{name}" if path else name
        field = fields.get(name)
        if field is None:
            raise unknown(place, name, value, fields)
        plain = read(field.kind, value, place, reading)
        if plain is LATE:
            continue
        _check_count(field, plain, place)
        if plain is not None and plain != [] and (plain != {} or isinstance(field.kind, TableKind)):
            made[name.rstrip("_")] = plain
    for name, field in fields.items():
        if (
            field.required
            and name.rstrip("_") not in made
            and not _is_late(given.get(name), reading)
        ):
            raise ArgumentError(
                "is required and must not be empty" if name in given else "is required",
                path=f"{path}.{name}" if path else name,
                want=field.kind.wanted,
            )
    return made


LATE = object()
"""Stands for what is known at synthesis only."""


def read(kind: Kind, given: object, path: str, reading: Reading) -> object:
    """Return a value as Terraform's JSON has it: None when it is none, `LATE` when it is late."""
    if callable(given):
        if not reading.at_synthesis:
            reading.late = True
            return LATE
        given = given()
    return None if given is None else kind.read(given, path, reading)


def unknown(path: str, name: str, got: object, known: Mapping[str, object]) -> ArgumentError:
    """Return the error for an argument that a block does not know."""
    near = get_close_matches(name, known, n=3)
    return ArgumentError(
        "no such argument",
        path=path,
        got=got,
        want=f"one of {', '.join(sorted(known))}",
        do=f"did you mean {' or '.join(near)}?" if near else None,
    )


def mistyped(path: str, got: object, want: str) -> ArgumentError:
    """Return the error for a value of the wrong kind."""
    return ArgumentError("is of the wrong type", path=path, got=got, want=want)


def read_only(path: str, got: object) -> ArgumentError:
    """Return the error for a value that nobody may set."""
    return ArgumentError(
        "is read-only",
        path=path,
        got=got,
        want="nothing: the provider decides it",
        do="leave it out; other constructs may read it",
    )


def _check_count(field: Field, plain: object, path: str) -> None:
    if not isinstance(plain, list) or not isinstance(field.kind, TableKind):
        return
    if len(plain) < field.items.least or len(plain) > (field.items.most or len(plain)):
        most = "any number" if field.items.most is None else field.items.most
        raise ArgumentError(
            "has too few or too many blocks",
            path=path,
            got=len(plain),
            want=f"{field.items.least} to {most}",
        )


def _is_late(given: object, reading: Reading) -> bool:
    return callable(given) and not reading.at_synthesis


def _is_sequence(given: object) -> typing.TypeGuard[Sequence[Any]]:
    return isinstance(given, Sequence) and not isinstance(given, str | bytes | bytearray)


def _is_list_token(given: Sequence[object]) -> bool:
    return len(given) == 1 and holds_token(given[0]) and str(given[0]).startswith(("#{", "-"))


def _deferred_or_refused(given: object, path: str, wanted: str) -> object:
    """Return what Terraform evaluates later, in whatever place it stands; refuse all else."""
    if isinstance(given, Reference):
        return given.token
    if isinstance(given, Text) and given.literal is None:
        return _inline(given, path)
    if isinstance(given, str) and "${" in given:
        return given
    if isinstance(given, float) and holds_token(given):
        return given
    if callable(getattr(given, "resolve", None)):
        return given
    raise mistyped(path, given, wanted)


def _inline(given: Text, path: str) -> str:
    """Return a text as an argument holds it.

    The engine counts braces around its tokens, and a brace in literal text confuses it (seen with
    cdktf 0.21: it then writes the reference without its own braces).
    """
    tokens = any(holds_token(reference.token) for reference in given.references())
    plain = all(
        isinstance(p, Reference) or ("{" not in p and "}" not in p)
        for p in given.pieces
        if not isinstance(p, Quoted)
    )
    if tokens and (not plain or any(isinstance(p, Quoted) for p in given.pieces)):
        raise ArgumentError(
            "mixes braces with what only Terraform learns, which the engine cannot keep apart",
            path=path,
            got=given,
            do="make it a local value first: crossgate.terraform.locals.local_text(...)",
        )
    return template(given)
