"""Certificates that nobody types: made by Terraform, their keys kept in its state.

A deploy renews what would expire within a year, and makes it anew where it has been tainted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossgate.model.text import Reference, Text
from crossgate.terraform.certificates.bindings.provider import TlsProvider
from crossgate.terraform.certificates.bindings.tls import (
    TlsCertRequest,
    TlsLocallySignedCert,
    TlsPrivateKey,
    TlsSelfSignedCert,
)
from crossgate.terraform.providers import own_provider

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgate.terraform.engine import Construct

_YEAR = 365 * 24
_AUTHORITY_HOURS = 10 * _YEAR
_CERTIFICATE_HOURS = 5 * _YEAR
_RENEWED_HOURS = _YEAR
# With the names that ours have; where user data has little room they are counted.
_AUTHORITY_LENGTH = 640
_CERTIFICATE_LENGTH = 750
_KEY_LENGTH = 230


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate and its private key, both PEM; they are known when Terraform runs.

    Attributes:
        certificate: what may be shown.
        key: what may not: it lives in Terraform's state.

    """

    certificate: Reference
    key: Reference


@dataclass(frozen=True, kw_only=True)
class Authority:
    """An authority that can be exchanged for the next one without an outage.

    Attributes:
        signs: the one that signs now.
        trusted: the certificates of the one before, of this one and of the next one, PEM. Machines
            that trust these take each other for what they are, also those of the number before and
            after theirs, in whichever order they are replaced.

    """

    signs: Certificate
    trusted: Text


def authority(scope: Construct, id: str, *, name: str, number: int) -> Authority:
    """Make an authority of one's own, with the next one and the one before it.

    Args:
        scope: the construct that they belong to.
        id: their name among the constructs of `scope`.
        name: their common name.
        number: how often it has been exchanged, and one.

    """
    made = {
        one: _authority(scope, numbered(id, one), name=name if one == 1 else f"{name} {one}")
        for one in (number - 1, number, number + 1)
        if one > 0
    }
    trusted = Text.of(*(Text.of(one.certificate, "\n") for one in made.values()))
    return Authority(signs=made[number], trusted=trusted)


def numbered(id: str, number: int) -> str:
    """Return the id of something that is exchanged: the first one has none of its own."""
    return id if number == 1 else f"{id}-{number}"


def _authority(scope: Construct, id: str, *, name: str) -> Certificate:
    """Make a certificate authority of one's own, good for ten years.

    Args:
        scope: the construct that it belongs to.
        id: its name among the constructs of `scope`.
        name: its common name.

    """
    provider = own_provider(scope, TlsProvider)
    key = _key(scope, f"{id}-key")
    made = TlsSelfSignedCert(
        scope,
        id,
        private_key_pem=TlsPrivateKey.private_key_pem.of(key),
        subject=[{"common_name": name}],
        is_ca_certificate=True,
        set_subject_key_id=True,
        validity_period_hours=_AUTHORITY_HOURS,
        early_renewal_hours=_RENEWED_HOURS,
        allowed_uses=["cert_signing", "crl_signing"],
        provider=provider,
    )
    return Certificate(
        certificate=Reference(TlsSelfSignedCert.cert_pem.of(made), _AUTHORITY_LENGTH),
        key=Reference(TlsPrivateKey.private_key_pem.of(key), _KEY_LENGTH),
    )


def signed(
    scope: Construct,
    id: str,
    *,
    by: Certificate,
    name: str,
    dns_names: Sequence[str],
    ip_addresses: Sequence[str],
) -> Certificate:
    """Make a certificate for a server that is a client of its like, good for five years.

    Args:
        scope: the construct that it belongs to.
        id: its name among the constructs of `scope`.
        by: the authority that signs it.
        name: its common name.
        dns_names: names that it is good for.
        ip_addresses: addresses that it is good for.

    """
    provider = own_provider(scope, TlsProvider)
    key = _key(scope, f"{id}-key")
    request = TlsCertRequest(
        scope,
        f"{id}-request",
        private_key_pem=TlsPrivateKey.private_key_pem.of(key),
        subject=[{"common_name": name}],
        dns_names=list(dns_names),
        ip_addresses=list(ip_addresses),
        provider=provider,
    )
    made = TlsLocallySignedCert(
        scope,
        id,
        cert_request_pem=TlsCertRequest.cert_request_pem.of(request),
        ca_cert_pem=by.certificate.token,
        ca_private_key_pem=by.key.token,
        validity_period_hours=_CERTIFICATE_HOURS,
        early_renewal_hours=_RENEWED_HOURS,
        allowed_uses=["digital_signature", "server_auth", "client_auth"],
        provider=provider,
    )
    return Certificate(
        certificate=Reference(TlsLocallySignedCert.cert_pem.of(made), _CERTIFICATE_LENGTH),
        key=Reference(TlsPrivateKey.private_key_pem.of(key), _KEY_LENGTH),
    )


def _key(scope: Construct, id: str) -> TlsPrivateKey:
    return TlsPrivateKey(
        scope, id, algorithm="ECDSA", ecdsa_curve="P256", provider=own_provider(scope, TlsProvider)
    )
