"""TLS of listeners: what stands on their lines, and the files that HAProxy reads for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crossgate.balancers.haproxy.settings import LAYOUT, Layout
from crossgate.boot.document import Document, File
from crossgate.model.text import Reference, Text
from crossgate.terraform.locals import local_text
from crossgate.terraform.shown import chain, chain_and_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossgate.model.listener import Listener
    from crossgate.specs import WatchedFile
    from crossgate.terraform.engine import Construct

# "Intermediate" of Mozilla's Server Side TLS, version 5.7, without the ciphers of DHE: forward
# secrecy and authenticated encryption, which every client of the last ten years has.
_SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
_CIPHERS = tuple(
    f"ECDHE-{signs}-{hides}"
    for hides in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for signs in ("ECDSA", "RSA")
)
_DEFAULTS = (
    f"ssl-default-bind-ciphersuites {':'.join(_SUITES)}",
    f"ssl-default-bind-ciphers {':'.join(_CIPHERS)}",
    # A ticket is opened with a key that lives as long as the process.
    "ssl-default-bind-options no-tls-tickets",
)
_NO_SESSIONS = "tune.ssl.cachesize 0"


def defaults(
    listeners: Sequence[Listener], *, met: bool = False, told: bool = False
) -> Sequence[str]:
    """Return lines of the section `global`; none where nobody speaks TLS.

    Args:
        listeners: of the balancer.
        met: whether balancers of other clouds come, with certificates; default False.
        told: whether those of this cloud do, where nothing looks how they come; default False.

    """
    spoken = [listener.tls for listener in listeners if listener.tls is not None]
    # HAProxy keeps one store of sessions for all listeners, and who goes on with one is not asked
    # for a certificate: a session of a listener that wants none would open the others.
    asked = any(one.client_ca is not None for one in spoken) or (told and spoken)
    return (*_DEFAULTS, *((_NO_SESSIONS,) if asked else ())) if spoken or met or told else ()


def bound(listener: Listener, layout: Layout) -> str:
    """Return what stands behind the address on a listener's line; nothing without TLS."""
    tls = listener.tls
    if tls is None:
        return ""
    words = ["ssl", f"ssl-min-ver TLSv{tls.minimum}"]
    words += [f"crt {_path(listener, number, layout)}" for number in range(len(tls.certificates))]
    if listener.mode == "http":
        words.append("alpn h2,http/1.1")
    elif listener.to.protocol == "grpc":
        # Its clients go away when nobody says that HTTP/2 is spoken.
        words.append("alpn h2")
    if tls.client_ca is not None:
        words.append(f"ca-file {_path(listener, 'clients', layout)} verify required")
    if tls.revoked is not None:
        words.append(f"crl-file {_path(listener, 'revoked', layout)}")
    return "".join(f" {word}" for word in words)


def told(listener: Listener) -> Iterator[str]:
    """Yield what services behind an HTTP listener are told of the connection."""
    # What clients say of it themselves goes, with `_` too: to WSGI and its like the two are one.
    yield "http-request del-header ^x.(forwarded.proto|ssl.client.dn)$ -m reg"
    yield "http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]"
    if listener.tls is not None and listener.tls.client_ca is not None:
        # In HAProxy's own format a `/` inside of a name is not told from one between two.
        yield "http-request set-header X-SSL-Client-DN %[ssl_c_s_dn(,0,rfc2253)]"


def files(
    scope: Construct, listeners: Sequence[Listener], layout: Layout = LAYOUT
) -> Sequence[File]:
    """Return the files with certificates and keys, readable by root alone.

    Args:
        scope: who needs them; variables are declared in its stack.
        listeners: of the balancer.
        layout: where the files lie.

    """
    made = []
    for listener in listeners:
        if listener.tls is None:
            continue
        for number, one in enumerate(listener.tls.certificates):
            shown, key = chain_and_key(scope, one)
            pem = Text.of(shown, "\n", key, "\n")
            made.append(File(_path(listener, number, layout), pem, mode=0o600))
        asked = {"clients": listener.tls.client_ca, "revoked": listener.tls.revoked}
        for what, given in asked.items():
            if given is not None:
                text = Text.of(chain(given), "\n")
                made.append(File(_path(listener, what, layout), text, mode=0o600))
    return made


def tls_document(made: Sequence[File]) -> Document:
    """Return what puts the files on a machine."""
    return Document(label="haproxy-tls", files=made)


def marked(scope: Construct, file: WatchedFile, made: Sequence[File]) -> WatchedFile:
    """Return the configuration with a last line that changes with the files.

    HAProxy reads them when it is reloaded, which it is when its configuration has changed. A
    machine that is kept, as those in-house are, shows another certificate by that.
    """
    if not made:
        return file
    held = local_text(scope, "tls", Text.of(*(Text.of(one.text) for one in made)))
    mark = Text.of("# Certificates: ", Reference(f"${{sha256({held})}}"), "\n")
    return replace(file, pieces=(*file.pieces, mark))


def _path(listener: Listener, what: int | str, layout: Layout) -> str:
    return f"{layout.tls}-{listener.port}-{what}.pem"
