"""Text as Terraform reads it: the one place that escapes `${` and `%{`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crossgate.model.quoting import escaped
from crossgate.model.text import Reference

if TYPE_CHECKING:
    from crossgate.model.quoting import Style
    from crossgate.model.text import Text

_OPENING = re.compile(r"([$%]*)([$%])\{")
_RETURNS = re.compile(r"([$%]*)(\r+)")
_TRAILING = re.compile(r"[$%]+\Z")


def template(text: Text) -> str:
    r"""Return `text` as a string of Terraform JSON, which Terraform turns into just that text.

    Terraform reads every string of its JSON as a template. A single `${` or `%{` is doubled; a
    longer run (`$${`), for which the language has no spelling, and a run right before a reference
    go through an interpolation of a quoted string, `${"$"}`.

    A carriage return goes that way too: beside one that is not part of a CRLF, Terraform silently
    takes the whole string for literal (seen with 1.11: its template scanner refuses the character
    and the JSON reader falls back).

    A quoted text that holds references stays literal but for these, whose values Terraform
    escapes as often as they are nested.

    Terraform normalizes every string to Unicode NFC (cty's rule): literal text beyond ASCII is
    kept byte for byte only if it is in NFC. Boot documents and `json_text` are ASCII.
    """
    return _template(text, ())


def _template(text: Text, styles: tuple[Style, ...]) -> str:
    made = []
    last = len(text.pieces) - 1
    for number, piece in enumerate(text.pieces):
        if isinstance(piece, str):
            made.append(_literal(_wrapped(piece, styles), ends=number == last and not styles))
        elif isinstance(piece, Reference):
            made.append(_reference(piece, styles))
        else:
            quote = "" if piece.bare else _wrapped('"', styles)
            made.append(quote + _template(piece.text, (piece.style, *styles)) + quote)
    return "".join(made)


def _wrapped(literal: str, styles: tuple[Style, ...]) -> str:
    for style in styles:
        literal = escaped(literal, style)
    return literal


def _literal(literal: str, *, ends: bool) -> str:
    whole = _OPENING.sub(lambda m: f"{_run(m[1])}{m[2] * 2}{{", literal)
    whole = _RETURNS.sub(lambda m: _run(m[1] + "\\r" * len(m[2])), whole)
    return whole if ends else _TRAILING.sub(lambda m: _run(m[0]), whole)


def _run(characters: str) -> str:
    return f'${{"{characters}"}}' if characters else ""


def _reference(reference: Reference, styles: tuple[Style, ...]) -> str:
    expression = f'"{reference.token}"'
    for style in styles:
        if style == "shell":
            expression = rf'replace({expression}, "/([$\"\\\\`])/", "\\$1")'
        else:
            # The quotes that jsonencode adds are cut off: numbers and booleans have none.
            expression = rf'trimsuffix(trimprefix(jsonencode({expression}), "\""), "\"")'
    return f"${{{expression}}}" if styles else reference.token
