"""An authority, the certificate of a server and the tokens of all, as Terraform makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trustme

from crossgate.discovery.consul.acl import Tokens
from crossgate.discovery.consul.agent import server_name
from crossgate.discovery.consul.programs.consul_tokens import (
    AGENT,
    BALANCER,
    MANAGEMENT,
    SERVICES,
    Secret,
)
from crossgate.discovery.consul.programs.consul_tokens import (
    SERVER as ON_SERVER,
)
from crossgate.model.text import Reference

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTHORITY = Reference("${tls_self_signed_cert.authority.cert_pem}")
CERTIFICATE = Reference("${tls_locally_signed_cert.server.cert_pem}")
PRIVATE = Reference("${tls_private_key.server.private_key_pem}")
NAMES = ("api", "api,orders,raw,web", "web")
SECRET = Reference("${random_password.tokens.result}")
TOKENS = Tokens(number=1, secret=SECRET)
SERVER = {
    "authority": AUTHORITY,
    "certificate": CERTIFICATE,
    "key": PRIVATE,
    "tokens": TOKENS,
}
"""What the document of a server takes of it."""


def known(datacenter: str) -> Mapping[Reference, str]:
    """Return what the references turn out to hold."""
    authority = trustme.CA()
    return {
        AUTHORITY: authority.cert_pem.bytes().decode(),
        **of_server(authority, datacenter, CERTIFICATE, PRIVATE),
        **of_tokens(TOKENS, "Abc123"),
    }


def of_server(
    authority: trustme.CA, datacenter: str, certificate: Reference, key: Reference
) -> Mapping[Reference, str]:
    """Return what the references to a server's certificate and its key turn out to hold."""
    server = authority.issue_cert(server_name(datacenter), "localhost", "127.0.0.1")
    return {
        certificate: server.cert_chain_pems[0].bytes().decode(),
        key: server.private_key_pem.bytes().decode(),
    }


def of_tokens(tokens: Tokens, secret: str) -> Mapping[Reference, str]:
    """Return what the references of tokens turn out to hold: `uuidv5` of Terraform is Python's."""
    made = Secret(tokens.number, secret)
    roles = (AGENT, BALANCER, MANAGEMENT, ON_SERVER, *(f"{SERVICES}{one}" for one in NAMES))
    return {tokens.secret: secret, **{tokens.of(role): made.token(role) for role in roles}}
