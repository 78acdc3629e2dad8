"""Writes the arguments of all our blocks into the JSON of a stack at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from crossgate.errors import ConfigError
from crossgate.terraform.engine import TerraformElement, TerraformStack, make, path_of, stack_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossgate.terraform.engine import IConstruct

_LEDGER = "_crossgate_ledger"
_ID = "crossgate-arguments"


class Entry(Protocol):
    """What stands in the ledger."""

    def written(self) -> dict[str, Any]:
        """Return its part of the JSON: sections, then kinds, then blocks (`locals`: values)."""


class Ledger(TerraformElement):
    """The arguments of our resources and data sources in one stack.

    The engine asks every resource for its arguments, twice, and every question crosses from its
    kernel to Python and back: for a hundred resources that takes as long as the rest of the
    synthesis. So our resources answer the engine with a frame (where they are, their provider, what
    they depend on), and this element tells it the arguments of all of them. The engine merges what
    elements say about one block.
    """

    def __init__(self, stack: TerraformStack) -> None:
        make(self, stack, _ID)
        self._entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Take in the arguments of one more construct, which are read at synthesis."""
        self._entries.append(entry)

    def to_terraform(self) -> dict[str, Any]:
        """Return all of them as the engine wants it."""
        made: dict[str, Any] = {}
        for entry in self._entries:
            for section, content in entry.written().items():
                below = made.setdefault(section, {})
                if section == "locals":
                    below.update(content)
                    continue
                for kind, blocks in content.items():
                    below.setdefault(kind, {}).update(blocks)
        return made

    def to_hcl_terraform(self) -> dict[str, Any]:
        """Refuse: text is escaped for JSON, and a frame without arguments is no resource.

        Raises:
            ConfigError: always.

        """
        raise ConfigError(
            "cannot be written as HCL",
            path=path_of(stack_of(self)),
            do="synthesize JSON: leave out --hcl and hcl_output=True",
        )


def ledger_of(construct: IConstruct) -> Ledger:
    """Return the ledger of the stack that a construct is in."""
    stack = stack_of(construct)
    kept: dict[str, Ledger] = stack.__dict__
    if _LEDGER not in kept:
        kept[_LEDGER] = Ledger(stack)
    return kept[_LEDGER]


def put_over(block: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return a block with what `add_override` has put over it, by the engine's own rules.

    Mappings are merged, a number names a place in a list, lists are joined, None takes away.
    """
    made = dict(block)
    for name, value in overrides.items():
        made[name] = _over(made.get(name), value)
    return {name: value for name, value in made.items() if value is not None}


def _over(below: Any, value: Any) -> Any:  # noqa: ANN401  # JSON
    if isinstance(value, dict) and isinstance(below, dict):
        return put_over(below, value)
    if isinstance(value, dict) and isinstance(below, list):
        places = dict(enumerate(below))
        for place, item in value.items():
            places[int(place)] = _over(places.get(int(place)), item)
        return [places[place] for place in sorted(places)]
    if isinstance(value, list) and isinstance(below, list):
        return [*below, *value]
    return value
