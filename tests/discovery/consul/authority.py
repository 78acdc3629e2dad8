"""An authority, and the certificate of a server, as Terraform makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trustme

from crossgate.discovery.consul.agent import server_name
from crossgate.model.text import Reference

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTHORITY = Reference("${tls_self_signed_cert.authority.cert_pem}")
CERTIFICATE = Reference("${tls_locally_signed_cert.server.cert_pem}")
PRIVATE = Reference("${tls_private_key.server.private_key_pem}")
SERVER = {"authority": AUTHORITY, "certificate": CERTIFICATE, "key": PRIVATE}
"""What the document of a server takes of it."""


def known(datacenter: str) -> Mapping[Reference, str]:
    """Return what the references turn out to hold."""
    authority = trustme.CA()
    server = authority.issue_cert(server_name(datacenter), "localhost", "127.0.0.1")
    return {
        AUTHORITY: authority.cert_pem.bytes().decode(),
        CERTIFICATE: server.cert_chain_pems[0].bytes().decode(),
        PRIVATE: server.private_key_pem.bytes().decode(),
    }
