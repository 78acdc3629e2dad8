"""Text of which some pieces are known only when Terraform runs: literals and references apart."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from pydantic_core import PydanticOmit, core_schema

from crossgate.errors import ConfigError
from crossgate.model.quoting import Style, escaped, quoted
from crossgate.model.value import holds_token, refuse_tokens

if TYPE_CHECKING:
    from typing import Self

_SHOWN_WIDTH = 64
_LINE_STARTS = re.compile(r"(?<=\n)(?=[^\n])")
# A token of the engine, a NUL, half a surrogate pair.
_UNFIT = re.compile(r"[$#]\{TfToken\[|[\0\ud800-\udfff]")


class _Opaque:
    """What pydantic takes as it is: it neither looks inside nor shows it in a JSON Schema."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> Any:  # noqa: ANN401  # pydantic's own type is a dict of anything
        return core_schema.is_instance_schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: object, _handler: object) -> NoReturn:
        raise PydanticOmit


@dataclass(frozen=True, slots=True)
class Reference(_Opaque):
    """A text that only Terraform learns: an address, an id, a generated password.

    Attributes:
        token: one interpolation and nothing else: an attribute of any construct of the engine
            (`Reference(vpc.id)`) or an expression in Terraform's words (`"${local.name}"`).
        length: characters that it is taken to have where room is measured, such as that of user
            data; default 64. It makes no other reference of it.

    Raises:
        ConfigError: `token` is no string, or is more than one interpolation.

    """

    token: str
    length: int = field(default=_SHOWN_WIDTH, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what is no reference, before it is taken for one."""
        given: object = self.token
        one = isinstance(given, str) and given.startswith("${") and given.endswith("}")
        if not one or (holds_token(given) and self.token.count("${") > 1):
            raise ConfigError(
                "is no reference",
                path="Reference",
                got=self.token,
                want="a token of the engine, or one ${...} of Terraform",
                do='put text beside a reference with Text.of("http://", Reference(token), ":80")',
            )

    def __str__(self) -> str:
        """Refuse: the value is not known yet."""
        return _refuse_as_text(repr(self))

    def __format__(self, spec: str) -> str:
        """Refuse: the value is not known yet."""
        return _refuse_as_text(repr(self))


@dataclass(frozen=True, slots=True)
class Quoted:
    """A text inside double quotes, whatever its references turn out to hold.

    Attributes:
        text: what is between the quotes.
        style: whose double quotes; default `json`.
        bare: leave the quotes themselves out, because the caller writes them; default False.

    """

    text: Text
    style: Style = "json"
    bare: bool = False


Piece: TypeAlias = str | Reference | Quoted
"""What a text is made of."""


@dataclass(frozen=True, slots=True, repr=False)
class Text(_Opaque):
    """Text made of literal pieces and references; write `Text.of("http://", ref, ":80")`.

    Neighbouring literals are one piece, so two texts are equal when they say the same. It is no
    sequence and turns into a `str` only while it holds no reference.

    Attributes:
        pieces: literals, references, and quoted texts that hold references.

    """

    pieces: tuple[Piece, ...] = ()

    @classmethod
    def of(cls, *parts: TextLike | Quoted) -> Self:
        """Return `parts` one after the other.

        Raises:
            ConfigError: a literal holds a token of the engine (it would be escaped and lost), a
                NUL, or half a surrogate pair, none of which Terraform can carry.

        """
        merged: list[Piece] = []
        for piece in _flat(parts):
            if isinstance(piece, str) and merged and isinstance(merged[-1], str):
                merged[-1] += piece
            elif piece != "":
                merged.append(piece)
        return cls(tuple(merged))

    @classmethod
    def join(cls, separator: TextLike, texts: Iterable[TextLike | Quoted]) -> Self:
        """Return `texts` with `separator` between each two of them."""
        parts: list[TextLike | Quoted] = []
        for text in texts:
            parts += [separator, text]
        return cls.of(*parts[1:])

    @classmethod
    def lines(cls, *lines: TextLike | Quoted) -> Self:
        """Return `lines`, each ended by a newline."""
        return cls.of(*(part for line in lines for part in (line, "\n")))

    @property
    def literal(self) -> str | None:
        """The text itself, or None when it holds references."""
        if not self.pieces:
            return ""
        first = self.pieces[0]
        return first if len(self.pieces) == 1 and isinstance(first, str) else None

    def references(self) -> tuple[Reference, ...]:
        """Return what Terraform must know before the text is whole, in order, each once."""
        found: dict[Reference, None] = {}
        for piece in self.pieces:
            if isinstance(piece, Reference):
                found[piece] = None
            elif isinstance(piece, Quoted):
                found.update(dict.fromkeys(piece.text.references()))
        return tuple(found)

    def sample(self, width: int | None = None, known: Mapping[Reference, str] | None = None) -> str:
        """Return the text as it may look, to be measured, shown or checked by a real program.

        Args:
            width: how many characters stand for a reference; default: its own length. They differ
                from one reference to the next and do not compress, as values do.
            known: what certain references are taken to hold.

        """
        values = known or {}
        shown = []
        for piece in self.pieces:
            if isinstance(piece, str):
                shown.append(piece)
            elif isinstance(piece, Reference):
                shown.append(values.get(piece, _stand_in(piece, width or piece.length)))
            else:
                inner = piece.text.sample(width, values)
                write = escaped if piece.bare else quoted
                shown.append(write(inner, piece.style))
        return "".join(shown)

    def replaced(self, values: Mapping[Reference, Reference]) -> Text:
        """Return the text with references changed for others, in quoted texts too."""
        parts: list[TextLike | Quoted] = []
        for piece in self.pieces:
            if isinstance(piece, Reference):
                parts.append(values.get(piece, piece))
            elif isinstance(piece, Quoted):
                parts.append(replace(piece, text=piece.text.replaced(values)))
            else:
                parts.append(piece)
        return Text.of(*parts)

    def indented(self, by: int) -> Self:
        """Return the text with `by` spaces before every line that is not empty."""
        margin, parts, fresh = " " * by, list[Piece](), True
        for piece in self.pieces:
            if isinstance(piece, str):
                whole = _LINE_STARTS.sub(margin, piece)
                parts.append(margin + whole if fresh and piece[0] != "\n" else whole)
                fresh = piece.endswith("\n")
            else:
                parts += [margin, piece] if fresh else [piece]
                fresh = False
        return type(self).of(*parts)

    def __add__(self, other: TextLike) -> Text:
        """Return this text followed by `other`."""
        return Text.of(self, other)

    def __radd__(self, other: str | Reference) -> Text:
        """Return `other` followed by this text."""
        return Text.of(other, self)

    def __bool__(self) -> bool:
        """Whether there is any text."""
        return bool(self.pieces)

    def __str__(self) -> str:
        """Return the text, which must hold no reference."""
        literal = self.literal
        return _refuse_as_text(repr(self)) if literal is None else literal

    def __format__(self, spec: str) -> str:
        """Return the text in an f-string, which must hold no reference."""
        return format(str(self), spec)

    def __repr__(self) -> str:
        """Show the pieces as `Text.of` takes them."""
        return f"Text.of({', '.join(repr(piece) for piece in self.pieces)})"


TextLike: TypeAlias = str | Reference | Text
"""Whatever can be made a `Text`."""


def json_text(value: object, indent: int | None = None) -> Text:
    """Return JSON whose strings may be texts with references.

    Args:
        value: mappings with string keys, sequences, strings, texts, references, numbers, booleans
            and None, nested as needed; the order of keys is kept.
        indent: spaces for each level; default None, all on one line.

    Raises:
        ConfigError: something else is among the values.

    """
    return Text.of(*_json(value, indent, 0))


def _json(value: object, indent: int | None, level: int) -> list[TextLike | Quoted]:
    if isinstance(value, Text | Reference):
        return [Quoted(Text.of(value))]
    if isinstance(value, str):
        return [quoted(value)]
    if value is None or isinstance(value, bool | int | float):
        refuse_tokens(value, "json_text")
        if not isinstance(value, float) or math.isfinite(value):
            return [json.dumps(value)]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        members = [
            [f"{quoted(key)}: ", *_json(item, indent, level + 1)] for key, item in value.items()
        ]
        return _enclosed("{", members, "}", indent, level)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return _enclosed("[", [_json(x, indent, level + 1) for x in value], "]", indent, level)
    raise ConfigError(
        "cannot be written as JSON",
        got=value,
        want="mappings with string keys, sequences, text, numbers, booleans or None",
    )


def _enclosed(
    first: str,
    members: Sequence[Sequence[TextLike | Quoted]],
    last: str,
    indent: int | None,
    level: int,
) -> list[TextLike | Quoted]:
    if not members:
        return [first + last]
    inner, outer = (
        ("", "")
        if indent is None
        else ("\n" + " " * indent * (level + 1), "\n" + " " * indent * level)
    )
    between = ", " if indent is None else ","
    parts: list[TextLike | Quoted] = [first]
    for number, member in enumerate(members):
        parts += [between * (number > 0) + inner, *member]
    return [*parts, outer + last]


def _stand_in(reference: Reference, width: int) -> str:
    blocks = -(-width // _DIGEST_LENGTH)
    digests = (f"{block}{reference.token}".encode() for block in range(blocks))
    return "".join(hashlib.sha256(digest).hexdigest() for digest in digests)[:width]


_DIGEST_LENGTH = 64


def _flat(parts: Iterable[TextLike | Quoted]) -> Iterable[Piece]:
    for part in parts:
        if isinstance(part, Text):
            yield from part.pieces
        elif isinstance(part, Quoted):
            literal = part.text.literal
            write = escaped if part.bare else quoted
            yield part if literal is None else write(literal, part.style)
        elif isinstance(part, Reference):
            yield part
        else:
            yield _checked(part)


def _checked(literal: object) -> str:
    if not isinstance(literal, str):
        raise ConfigError("is no text", path="Text", got=literal, want="str, Reference or Text")
    if not _UNFIT.search(literal):
        return literal
    if holds_token(literal):
        raise ConfigError(
            "a token stands inside literal text, where it would be escaped and lost",
            path="Text",
            got=literal,
            do='keep them apart: Text.of("http://", Reference(token), ":80")',
        )
    if "\0" in literal:
        raise ConfigError("text must not hold a NUL character", path="Text", got=literal)
    raise ConfigError("text holds half a surrogate pair", path="Text", got=literal)


def _refuse_as_text(shown: str) -> NoReturn:
    raise ConfigError(
        "a reference has no value while the program runs, so it cannot become a str",
        got=shown,
        do='join with Text.of("http://", reference, ":80") instead of an f-string or str()',
    )
