"""Secrets that nobody types: made by Terraform, kept in its state, never written to the JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.model.text import Reference
from crossgate.terraform.bindings.provider import RandomProvider
from crossgate.terraform.bindings.random import RandomBytes, RandomPassword
from crossgate.terraform.engine import TerraformOutput
from crossgate.terraform.providers import own_provider

if TYPE_CHECKING:
    from crossgate.terraform.engine import Construct

_PASSWORD_LENGTH = 32


def random_key(scope: Construct, id: str, *, length: int) -> Reference:
    """Make `length` random bytes; returns them in base64, as a reference.

    The value lives in Terraform's state: keep the state where secrets may be kept.
    """
    made = RandomBytes(scope, id, length=length, provider=own_provider(scope, RandomProvider))
    return Reference(RandomBytes.base64.of(made))


def random_password(scope: Construct, id: str) -> Reference:
    """Make a password of 32 letters and digits; returns it as a reference.

    The value lives in Terraform's state: keep the state where secrets may be kept.
    """
    made = RandomPassword(
        scope,
        id,
        length=_PASSWORD_LENGTH,
        special=False,
        provider=own_provider(scope, RandomProvider),
    )
    return Reference(RandomPassword.result.of(made))


def uuid_of(secret: Reference, name: str) -> Reference:
    """Return a UUID that is worked out from a secret and a name: as hard to guess as the secret.

    It is version 5, in the namespace of DNS, of the two with a slash between them.

    Args:
        secret: an attribute of a resource: letters and digits.
        name: without quotes and dollars.

    """
    return Reference(f'${{uuidv5("dns", join("/", [{secret.token[2:-1]}, "{name}"]))}}')


def random_login(scope: Construct, id: str, *, of: str) -> Reference:
    """Make a password and a sensitive output that shows it to people, `<id>_login`.

    Args:
        scope: what has them.
        id: of the password among the constructs of `scope`.
        of: whose password it is and what it opens, for the output's description.

    """
    password = random_password(scope, id)
    TerraformOutput(
        scope,
        f"{id}_login",
        value=password.token,
        sensitive=True,
        description=f"Password of {of}",
    )
    return password
