"""Local values: texts that are too long, or too full of braces, to stand in an argument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossgate.model.text import Reference
from crossgate.model.value import holds_token
from crossgate.terraform.engine import reserve, stack_of
from crossgate.terraform.ledger import ledger_of
from crossgate.terraform.logical_id import named_by_path
from crossgate.terraform.text import template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossgate.model.text import Text
    from crossgate.terraform.engine import Construct


def local_text(scope: Construct, id: str, text: Text) -> str:
    """Make a local value that holds `text`; returns the expression that names it: `local.x`.

    Each token of the engine in it becomes a local value of its own. The engine counts braces to
    tell whether a token stands inside an expression, and a shell's `${` or a lone `}` in the text
    leads it astray; a local value holds nothing but the token, and the text names that one in
    Terraform's own words, which the engine leaves alone.

    Raises:
        ConfigError: the id is taken.

    """
    path = reserve(scope, id)
    name = named_by_path(stack_of(scope), path)
    values: dict[str, str] = {}
    named: dict[Reference, Reference] = {}
    for reference in text.references():
        if holds_token(reference.token):
            own_name = f"{name}_{len(values)}"
            values[own_name] = reference.token
            named[reference] = Reference(f"${{local.{own_name}}}")
    values[name] = template(text.replaced(named))
    ledger_of(scope).add(_Locals(values))
    return f"local.{name}"


@dataclass(frozen=True)
class _Locals:
    values: Mapping[str, str]

    def written(self) -> dict[str, Any]:
        """Return them as the ledger of the stack takes them."""
        return {"locals": self.values}
