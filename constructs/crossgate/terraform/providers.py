"""Providers that constructs bring themselves, one of each kind in a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from crossgate.terraform.engine import Construct, stack_of

if TYPE_CHECKING:
    from crossgate.terraform.resource import Provider

    _P = TypeVar("_P", bound=Provider)

# Terraform takes one provider of a kind without an alias, and that may be the app's own.
_ALIAS = "crossgate"


def own_provider(scope: Construct, kind: type[_P]) -> _P:
    """Return the provider of a kind in the stack of `scope`; made when nobody has asked before."""
    stack = stack_of(scope)
    kept: dict[str, _P] = stack.__dict__
    key = f"_crossgate_{kind.terraform_type}"
    if key not in kept:
        # Each kind takes arguments of its own, and all of them an alias.
        kept[key] = kind(stack, f"crossgate-{kind.terraform_type}", alias=_ALIAS)  # type: ignore[call-arg]
    return kept[key]
