"""Local values: texts that are too long, or too full of braces, to stand in an argument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossgate.model.text import Reference, json_text
from crossgate.model.value import holds_token
from crossgate.terraform.engine import reserve, stack_of
from crossgate.terraform.ledger import ledger_of
from crossgate.terraform.logical_id import named_by_path
from crossgate.terraform.text import template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from crossgate.model.text import Text
    from crossgate.terraform.engine import Construct

NOTE = "crossgate"
"""The first key of a note."""


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
    ledger_of(scope).add(_Locals(_values(name, text)))
    return f"local.{name}"


def note(scope: Construct, id: str, kind: str, facts: Mapping[str, object]) -> None:
    """Write down what the command line reads in the JSON, and Terraform does not.

    Args:
        scope: the construct that it is about.
        id: its name below it; it takes an id as a construct does.
        kind: what it is about, as `crossgate.cli` asks for it.
        facts: what is to be known; texts may hold references.

    Raises:
        ConfigError: the id is taken.

    """
    local_text(scope, id, json_text({NOTE: kind, **facts}))


def late_texts(
    scope: Construct, id: str, count: int, make: Callable[[], Sequence[Text]]
) -> list[str]:
    """Make local values whose texts are asked for at synthesis; returns what names each of them.

    It is for what grows until then: rules of a firewall, addresses of machines.

    Args:
        scope: the construct they belong to.
        id: their name below it; it takes an id as a construct does.
        count: how many texts `make` returns.
        make: asked at synthesis, perhaps more than once.

    Raises:
        ConfigError: the id is taken.

    """
    name = named_by_path(stack_of(scope), reserve(scope, id))
    names = [f"{name}_{number}" for number in range(count)]
    ledger_of(scope).add(_LateLocals(names, make))
    return [f"local.{one}" for one in names]


@dataclass(frozen=True)
class _LateLocals:
    names: Sequence[str]
    make: Callable[[], Sequence[Text]]

    def written(self) -> dict[str, Any]:
        """Return them as the ledger of the stack takes them."""
        made: dict[str, str] = {}
        for name, text in zip(self.names, self.make(), strict=True):
            made |= _values(name, text)
        return {"locals": made}


@dataclass(frozen=True)
class _Locals:
    values: Mapping[str, str]

    def written(self) -> dict[str, Any]:
        """Return them as the ledger of the stack takes them."""
        return {"locals": self.values}


def _values(name: str, text: Text) -> dict[str, str]:
    values: dict[str, str] = {}
    named: dict[Reference, Reference] = {}
    for reference in text.references():
        if holds_token(reference.token):
            own_name = f"{name}_{len(values)}"
            values[own_name] = reference.token
            named[reference] = Reference(f"${{local.{own_name}}}")
    values[name] = template(text.replaced(named))
    return values
