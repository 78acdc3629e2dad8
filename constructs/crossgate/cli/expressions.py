"""Terraform's expressions inside texts: found, and taken out so that the text can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator

REFERENCE = re.compile(r"\b(data\.[a-z]\w*\.[\w-]+|local\.[\w-]+|[a-z]\w*_\w+\.[\w-]+)")
"""What an expression names: a resource, a look-up or a local value."""


def reference(text: str) -> str | None:
    """Return the first address that the expressions in `text` name: `aws_vpc.own`; else None."""
    for literal, expression in _pieces(text):
        del literal
        if found := REFERENCE.search(expression):
            return found.group()
    return None


def plain(text: str) -> str:
    """Return `text` with each expression as a short `${address}`, so that JSON around it is JSON.

    Escapes are undone: Terraform writes `$${` for a `${` that is no expression.
    """
    parts = []
    for literal, expression in _pieces(text):
        parts.append(literal.replace("$${", "${").replace("%%{", "%{"))
        if expression:
            found = REFERENCE.search(expression)
            parts.append(f"${{{found.group() if found else 'unknown'}}}")
    return "".join(parts)


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """Yield literal text and the expression that follows it; the last may have none."""
    begin = at = 0
    while (at := text.find("${", at)) >= 0:
        if text[at - 1 : at] == "$":  # escaped
            at += 2
            continue
        end = _end(text, at + 2)
        yield text[begin:at], text[at + 2 : end - 1]
        begin = at = end
    yield text[begin:], ""


def _end(text: str, at: int) -> int:
    """Return where an expression ends that begins at `at`, behind its closing brace."""
    depth = 1
    while at < len(text) and depth:
        if text[at] == '"':
            at = _end_of_string(text, at + 1)
            continue
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return at


def _end_of_string(text: str, at: int) -> int:
    while at < len(text) and text[at] != '"':
        if text.startswith(("${", "%{"), at):
            at = _end(text, at + 2)
        else:
            at += 2 if text[at] == "\\" else 1
    return at + 1
