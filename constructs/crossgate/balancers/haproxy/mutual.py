"""By what balancers know each other: certificates of an authority that signs nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.balancers.haproxy.settings import LAYOUT, Layout
from crossgate.boot.document import File
from crossgate.model.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgate.model.text import TextLike


def host(cloud: str) -> str:
    """Return the name in the certificate of a cloud's balancers."""
    return f"{cloud}.balancers.crossgate"


def files(
    authority: TextLike, certificate: TextLike, key: TextLike, layout: Layout = LAYOUT
) -> Sequence[File]:
    """Return the files with the balancers' own certificate and its authority, for root alone."""
    return (
        File(_authority(layout), authority, mode=0o600),
        File(_own(layout), Text.of(certificate, "\n", key, "\n"), mode=0o600),
    )


def secured(layout: Layout) -> str:
    """Return what stands behind an address where balancers meet, on either side."""
    return (
        f"ssl crt {_own(layout)} ca-file {_authority(layout)} verify required ssl-min-ver TLSv1.3"
    )


def _own(layout: Layout) -> str:
    return f"{layout.tls}-balancers.pem"


def _authority(layout: Layout) -> str:
    return f"{layout.tls}-balancers-authority.pem"
