"""What a listener shows of itself, and asks of clients, when it speaks TLS."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic
from pydantic.json_schema import SkipJsonSchema

from crossgate.errors import ConfigError
from crossgate.model.names import VariableName
from crossgate.model.text import Text, TextLike
from crossgate.model.value import Many, value

_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
_REVOKED = "-----BEGIN X509 CRL-----"
_PRIVATE = "PRIVATE KEY-----"


@value
class Certificate:
    """A certificate that balancers show, and its private key.

    Attributes:
        chain: PEM: the certificate, then those between it and the root.
        chain_variable: name of a sensitive Terraform variable that holds it, instead.
        key: PEM, without a passphrase: a reference, for a literal key would stand in the JSON.
        key_variable: name of a sensitive Terraform variable that holds it, instead.

    Raises:
        ConfigError: one of the two is missing, or given twice; a literal is no certificate, or is a
            key.

    """

    chain: TextLike | None = None
    chain_variable: VariableName | None = None
    # A file can only write one down, so its schema does not offer it.
    key: SkipJsonSchema[TextLike | None] = None
    key_variable: VariableName | None = None

    def __post_init__(self) -> None:
        """Refuse what is incomplete, and a key that everybody could read."""
        for name in ("chain", "key"):
            given = [getattr(self, name), getattr(self, f"{name}_variable")]
            if given.count(None) != 1:
                raise ConfigError(
                    "is given twice" if None not in given else "is missing",
                    path=f"Certificate: {name}",
                    want=f"{name} or {name}_variable",
                )
        if self.chain is not None:
            _refuse_other(self.chain, "Certificate: chain", "certificate", _CERTIFICATE)
        if self.key is not None and (_is_written(self.key) or not Text.of(self.key).references()):
            raise ConfigError(
                "a private key that is written here stands in the JSON",
                path="Certificate: key",
                want="a reference, or key_variable",
                do='write key_variable="site_key" and give TF_VAR_site_key to whoever applies it',
            )


@value
class Tls:
    """How a listener speaks TLS.

    Attributes:
        certificates: which one is shown depends on the name that the client asks for; the first,
            where it asks for none or for one that nobody has.
        client_ca: PEM: authorities, of which clients must have a certificate (mutual TLS). Default
            None: clients need none.
        revoked: PEM: lists of revoked certificates, one of each authority between a client and
            the root, or none of its clients gets in. Default None: what an authority signed is good
            until it ends. Past its next update a list lets nobody in, so it is given anew before.
        minimum: the oldest version that clients may speak; default `1.2`.

    Raises:
        ConfigError: there is no certificate, `client_ca` is none, `revoked` is no list, or has no
            `client_ca` beside it.

    """

    certificates: Annotated[Many[Certificate], pydantic.Field(min_length=1)]
    client_ca: TextLike | None = None
    revoked: TextLike | None = None
    minimum: Literal["1.2", "1.3"] = "1.2"

    def __post_init__(self) -> None:
        """Refuse an authority that is none, and a list that nobody would read."""
        if self.client_ca is not None:
            _refuse_other(self.client_ca, "Tls: client_ca", "certificate", _CERTIFICATE)
        if self.revoked is not None:
            _refuse_other(self.revoked, "Tls: revoked", "list of revoked certificates", _REVOKED)
            self._refuse_lists(Text.of(self.revoked).literal or "")

    def _refuse_lists(self, revoked: str) -> None:
        """Raise where lists have no authority, too few have one, or one comes with them."""
        if self.client_ca is None:
            raise ConfigError(
                "nobody is asked for a certificate",
                path="Tls: revoked",
                do="give client_ca= too, or leave the list out",
            )
        if _CERTIFICATE in revoked:
            raise ConfigError(
                "holds a certificate, which HAProxy would take for one more authority",
                path="Tls: revoked",
                want="lists alone",
            )
        lists = revoked.count(_REVOKED)
        authorities = (Text.of(self.client_ca).literal or "").count(_CERTIFICATE)
        if 0 < lists < authorities:
            raise ConfigError(
                "clients of an authority without a list would be refused",
                path="Tls: revoked",
                got=f"{lists} of {authorities}",
                want="a list of each authority in client_ca, if it is an empty one",
            )


def _is_written(given: TextLike) -> bool:
    return any(isinstance(piece, str) and _PRIVATE in piece for piece in Text.of(given).pieces)


def _refuse_other(given: TextLike, path: str, what: str, beginning: str) -> None:
    """Raise where a literal is not that in PEM, or holds a private key that all could read."""
    if _is_written(given):
        raise ConfigError(
            "holds a private key, which would stand in the JSON",
            path=path,
            want="the same without the key",
        )
    literal = Text.of(given).literal
    if literal is not None and beginning not in literal:
        raise ConfigError(
            f"is no {what} in PEM",
            path=path,
            got=literal,
            want=f"text that begins with {beginning}",
            do="give the text of the file, not its name: Path(...).read_text()",
        )
