"""Certificates that a listener shows, as whoever applies the stack gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.model.text import Reference, Text
from crossgate.terraform.variables import sensitive_variable

if TYPE_CHECKING:
    from crossgate.model.text import TextLike
    from crossgate.model.tls import Certificate
    from crossgate.terraform.engine import Construct

_ROOM = {"chain": 3750, "key": 350}
"""What two certificates and a key of ECDSA take after gzip, as letters of which gzip makes half."""


def chain_and_key(scope: Construct, certificate: Certificate) -> tuple[Text, Text]:
    """Return both in PEM, with references that take the room of what they are.

    Args:
        scope: who needs them; variables are declared in its stack.
        certificate: what is shown.

    Raises:
        ConfigError: another construct of the stack has the id of a variable.

    """
    return (
        chain(_given(scope, certificate.chain, certificate.chain_variable)),
        _measured(_given(scope, certificate.key, certificate.key_variable), _ROOM["key"]),
    )


def chain(text: TextLike) -> Text:
    """Return certificates, or a list of revoked ones; its references take the room of such."""
    return _measured(text, _ROOM["chain"])


def _given(scope: Construct, given: TextLike | None, variable: str | None) -> TextLike:
    if given is not None:
        return given
    if variable is None:
        raise AssertionError  # a certificate has one of the two
    return sensitive_variable(scope, variable, kind="string")


def _measured(text: TextLike, room: int) -> Text:
    """Give that room to references that do not say theirs."""
    whole = Text.of(text)
    short = Reference("${room}").length
    return whole.replaced(
        {
            one: Reference(one.token, length=room)
            for one in whole.references()
            if one.length == short
        }
    )
