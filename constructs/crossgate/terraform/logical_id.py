"""What Terraform calls a block: the engine's own rule, so that it need not be asked each time."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from crossgate.terraform.engine import TerraformStack, path_of, stack_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgate.terraform.engine import TerraformElement

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_READABLE = 240
_HASH_LENGTH = 8
_OWN_NAME = "_crossgate_own_name"
_RULE_HOLDS = "_crossgate_names_follow_the_rule"


def logical_id(element: TerraformElement) -> str:
    """Return the name of an element in Terraform's JSON.

    The rule is that of both engines: one id below the stack is the name; of several, those that
    repeat the end of the one before are dropped, and a hash of the whole path is added. A stack
    with a rule of its own is asked.
    """
    if _OWN_NAME in element.__dict__:
        return str(element.__dict__[_OWN_NAME])
    stack = stack_of(element)
    rule: dict[str, bool] = stack.__dict__
    if _RULE_HOLDS not in rule:
        # A stack's class says so nowhere else.
        usual = type(stack)._allocate_logical_id is TerraformStack._allocate_logical_id
        rule[_RULE_HOLDS] = usual and _by_the_rule(element) == element.friendly_unique_id
    return _by_the_rule(element) if rule[_RULE_HOLDS] else element.friendly_unique_id


def name_differently(element: TerraformElement, name: str) -> None:
    """Remember the name that a user has given an element."""
    element.__dict__[_OWN_NAME] = name


def _by_the_rule(element: TerraformElement) -> str:
    return named_by_path(stack_of(element), path_of(element))


def named_by_path(stack: TerraformStack, path: str) -> str:
    """Return the name that the engine gives to an element at `path` in a stack."""
    below = path[len(path_of(stack)) :].lstrip("/")
    ids = [part for part in below.split("/") if part != "Default"]
    if len(ids) == 1:
        return _NOT_IN_A_NAME.sub("", ids[0])
    digest = hashlib.md5("/".join(ids).encode(), usedforsecurity=False).hexdigest()
    shown = (_NOT_IN_A_NAME.sub("", part) for part in _unrepeated(ids) if part != "Resource")
    readable = "_".join(shown)[:_LONGEST_READABLE]
    return f"{readable}_{digest[:_HASH_LENGTH].upper()}"


def _unrepeated(ids: Sequence[str]) -> list[str]:
    kept: list[str] = []
    for part in ids:
        if not kept or not kept[-1].endswith(part):
            kept.append(part)
    return kept
