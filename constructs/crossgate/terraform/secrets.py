"""Secrets that nobody types: made by Terraform, kept in its state, never written to the JSON."""

from __future__ import annotations

from crossgate.model.text import Reference
from crossgate.terraform.bindings.provider import RandomProvider
from crossgate.terraform.bindings.random import RandomBytes, RandomPassword
from crossgate.terraform.engine import Construct, stack_of

_PROVIDER_ID = "crossgate-random"
# Terraform takes one provider of a kind without an alias, and that may be the app's own.
_ALIAS = "crossgate"
_PASSWORD_LENGTH = 32


def random_key(scope: Construct, id: str, *, length: int) -> Reference:
    """Make `length` random bytes; returns them in base64, as a reference.

    The value lives in Terraform's state: keep the state where secrets may be kept.
    """
    made = RandomBytes(scope, id, length=length, provider=_provider(scope))
    return Reference(made.base64)


def random_password(scope: Construct, id: str) -> Reference:
    """Make a password of 32 letters and digits; returns it as a reference.

    The value lives in Terraform's state: keep the state where secrets may be kept.
    """
    made = RandomPassword(
        scope, id, length=_PASSWORD_LENGTH, special=False, provider=_provider(scope)
    )
    return Reference(made.result)


def _provider(scope: Construct) -> RandomProvider:
    stack = stack_of(scope)
    found = stack.node.try_find_child(_PROVIDER_ID)
    if isinstance(found, RandomProvider):
        return found
    return RandomProvider(stack, _PROVIDER_ID, alias=_ALIAS)
