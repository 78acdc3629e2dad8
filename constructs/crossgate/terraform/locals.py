"""Local values: texts that are too long, or too full of braces, to stand in an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.model.text import Reference
from crossgate.model.value import holds_token
from crossgate.terraform.engine import Construct, TerraformLocal, claim
from crossgate.terraform.text import template

if TYPE_CHECKING:
    from crossgate.model.text import Text


def local_text(scope: Construct, id: str, text: Text) -> str:
    """Make a local value that holds `text`; returns the expression that names it: `local.x`.

    Each token of the engine in it becomes a local value of its own. The engine counts braces to
    tell whether a token stands inside an expression, and a shell's `${` or a lone `}` in the text
    leads it astray; a local value holds nothing but the token, and the text names that one in
    Terraform's own words, which the engine leaves alone.

    Raises:
        ConfigError: the id is taken.

    """
    claim(scope, id)
    own = Construct(scope, id)
    named: dict[Reference, Reference] = {}
    for reference in text.references():
        if holds_token(reference.token):
            made = TerraformLocal(own, f"value-{len(named)}", reference.token)
            named[reference] = Reference(f"${{local.{made.friendly_unique_id}}}")
    whole = TerraformLocal(own, "text", template(text.replaced(named)))
    return f"local.{whole.friendly_unique_id}"
