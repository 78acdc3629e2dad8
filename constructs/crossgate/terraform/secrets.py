"""Secrets that nobody types: made by Terraform, kept in its state, never written to the JSON."""

from __future__ import annotations

from crossgate.model.text import Reference
from crossgate.terraform.bindings.provider import RandomProvider
from crossgate.terraform.bindings.random import RandomBytes, RandomPassword
from crossgate.terraform.engine import Construct, stack_of

_PROVIDER = "_crossgate_random"
# Terraform takes one provider of a kind without an alias, and that may be the app's own.
_ALIAS = "crossgate"
_PASSWORD_LENGTH = 32


def random_key(scope: Construct, id: str, *, length: int) -> Reference:
    """Make `length` random bytes; returns them in base64, as a reference.

    The value lives in Terraform's state: keep the state where secrets may be kept.
    """
    made = RandomBytes(scope, id, length=length, provider=_provider(scope))
    return Reference(RandomBytes.base64.of(made))


def random_password(scope: Construct, id: str) -> Reference:
    """Make a password of 32 letters and digits; returns it as a reference.

    The value lives in Terraform's state: keep the state where secrets may be kept.
    """
    made = RandomPassword(
        scope, id, length=_PASSWORD_LENGTH, special=False, provider=_provider(scope)
    )
    return Reference(RandomPassword.result.of(made))


def _provider(scope: Construct) -> RandomProvider:
    stack = stack_of(scope)
    kept: dict[str, RandomProvider] = stack.__dict__
    if _PROVIDER not in kept:
        kept[_PROVIDER] = RandomProvider(stack, "crossgate-random", alias=_ALIAS)
    return kept[_PROVIDER]
