"""The page with a machine's figures for Prometheus: what is on it, and who may read it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from crossgate.boot.document import Document, File, User
from crossgate.boot.program import PYTHON, program, program_unit
from crossgate.model.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossgate.model.text import TextLike

METRICS_PORT = 8404
"""Where a machine shows its figures to others, who must know a login."""

LOOPBACK_METRICS_PORT = 8406
"""Where it shows them to itself, when another program asks for the login."""

METRICS_USER = "stats"
"""The user of that login."""

METRICS_FILES = "/run/*/metrics.prom"
"""Where programs write figures that shall be on the page: in a directory of their own, for all."""

_USER = "crossgate-metrics"
"""One that lasts: D-Bus tells nothing of units to a user whom /etc/passwd does not know."""

_PROGRAM = "/usr/local/lib/crossgate/metrics_page.py"
_SETTINGS = "/etc/crossgate/metrics-page.json"
_LOGIN = "/etc/crossgate/metrics.login"
_UNITS = (
    "consul.service",
    "consul-template-*.service",
    "crossgate-*.service",
    "fabio.service",
    "haproxy.service",
)


def metrics_document(
    *,
    pages: Mapping[str, str],
    password: TextLike | None = None,
    facts: Mapping[str, float] | None = None,
) -> Document:
    """Return what shows all figures of a machine on one page.

    Args:
        pages: pages of other programs on the loopback address, by what these are called.
        password: of the login, printable and on one line; then the page is on `METRICS_PORT` of
            every address. Without one it is on `LOOPBACK_METRICS_PORT` of the loopback address.
        facts: figures that do not change.

    """
    settings = {
        "address": "127.0.0.1" if password is None else "0.0.0.0",  # noqa: S104  (closed to all)
        "port": LOOPBACK_METRICS_PORT if password is None else METRICS_PORT,
        "pages": dict(pages),
        "files": METRICS_FILES,
        "units": list(_UNITS),
        "facts": dict(facts or {}),
    }
    files = [
        program(_PROGRAM, "crossgate.boot.programs", "metrics_page"),
        File(_SETTINGS, json.dumps(settings, indent=2) + "\n"),
    ]
    lines = [f"User={_USER}"]
    if password is not None:
        files.append(File(_LOGIN, Text.of(f"{METRICS_USER}:", password, "\n"), mode=0o600))
        lines.append(f"LoadCredential=login:{_LOGIN}")
    return Document(
        label="metrics",
        packages=("dbus", "python3"),
        users=(User(_USER, home="/nonexistent"),),
        files=files,
        units=(
            program_unit(
                "metrics-page",
                [PYTHON, _PROGRAM, _SETTINGS],
                description="Shows the figures of this machine to Prometheus",
                lines=lines,
            ),
        ),
    )
