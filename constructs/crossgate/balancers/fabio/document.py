"""Fabio on a machine: the program, its files, and who answers for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from crossgate.balancers.fabio.settings import (
    ADMIN_PORT,
    CERTIFICATES,
    FIGURES,
    FIGURES_PORT,
    FIGURES_SETTINGS,
    FILES,
    HEALTH,
    HEALTH_PATH,
    HEALTH_PORT,
    NAME,
    PROPERTIES,
    PROXIED_HEALTH_PORT,
)
from crossgate.boot.document import Document, File
from crossgate.boot.program import OWN_USER, PYTHON, program, program_unit
from crossgate.boot.service import service_document
from crossgate.model.service import Limits, Service, ServiceFile
from crossgate.terraform.shown import chain, chain_and_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossgate.model.listener import Listener
    from crossgate.model.service import Artifact
    from crossgate.specs import Watch
    from crossgate.terraform.engine import Construct

_PROGRAMS = "crossgate.balancers.fabio.programs"
_FIGURES_SECONDS = 5


def fabio_document(
    scope: Construct, artifact: Artifact, properties: str, listeners: Sequence[Listener]
) -> Document:
    """Return what runs Fabio, as a user of its own.

    Args:
        scope: who needs it; variables with certificates are declared in its stack.
        artifact: where its program is.
        properties: what it reads.
        listeners: of which it shows certificates, and whose lowest port says what it may.

    """
    program_name = artifact.url.split("?")[0].split("#")[0].rsplit("/", 1)[-1]
    return service_document(
        Service(
            name=NAME,
            port=min(listener.port for listener in listeners),
            artifact=artifact,
            command=[f"/opt/{NAME}/{program_name}", "-cfg", PROPERTIES],
            files=[ServiceFile(PROPERTIES, properties), *_certificates(scope, listeners)],
            limits=Limits(files=FILES),
        )
    )


def health_document(listeners: Sequence[Listener]) -> Document:
    """Return what tells an entry whether Fabio is fit."""
    proxied = any(listener.accept_proxy for listener in listeners)
    return Document(
        label="fabio-health",
        packages=("python3",),
        files=(program(HEALTH, _PROGRAMS, "fabio_health"),),
        units=(
            program_unit(
                "fabio-health",
                [
                    *(PYTHON, HEALTH, HEALTH_PATH, str(HEALTH_PORT)),
                    str(PROXIED_HEALTH_PORT if proxied else 0),
                    *(
                        f"{one.port}={CERTIFICATES}-{one.port}" if one.tls else str(one.port)
                        for one in listeners
                    ),
                ],
                description="Tells the entry whether Fabio takes clients",
                # It reads the same keys.
                lines=(f"User={NAME}",),
            ),
        ),
    )


def figures_document(
    listeners: Sequence[Listener], watch: Watch | None, *, metrics: bool
) -> Document:
    """Return what tells the cluster and Prometheus of Fabio.

    Args:
        listeners: of the balancer.
        watch: the discovery; None where nobody asks how many connections a service has.
        metrics: whether Prometheus does.

    """
    name = "fabio-figures"
    settings = {
        "every": _FIGURES_SECONDS,
        "fabio": f"http://127.0.0.1:{ADMIN_PORT}",
        "services": sorted({service.name for one in listeners for service in one.services}),
        "watch": list(watch.program) if watch else [],
        "page": f"http://127.0.0.1:{FIGURES_PORT}/metrics" if metrics else "",
        "file": f"/run/{name}/metrics.prom",
    }
    return Document.merge(
        *([watch.document] if watch else []),
        Document(
            label=name,
            packages=("python3",),
            files=(
                program(FIGURES, _PROGRAMS, "fabio_figures"),
                File(FIGURES_SETTINGS, json.dumps(settings, indent=2) + "\n"),
            ),
            units=(
                program_unit(
                    name,
                    [PYTHON, FIGURES, FIGURES_SETTINGS],
                    description="Tells the cluster and Prometheus of Fabio",
                    lines=(*OWN_USER, f"RuntimeDirectory={name}", "RuntimeDirectoryMode=0755"),
                ),
            ),
        ),
    )


def _certificates(scope: Construct, listeners: Sequence[Listener]) -> Iterator[ServiceFile]:
    """Yield certificates and keys by the names that Fabio's `type=path` looks for."""
    for listener in listeners:
        if listener.tls is None:
            continue
        folder = f"{CERTIFICATES}-{listener.port}"
        for number, one in enumerate(listener.tls.certificates):
            shown, key = chain_and_key(scope, one)
            # By their names in order: the first is shown to who asks for none.
            yield ServiceFile(f"{folder}/{number:03}-cert.pem", shown)
            yield ServiceFile(f"{folder}/{number:03}-key.pem", key)
        if listener.tls.client_ca is not None:
            yield ServiceFile(f"{folder}-clients/clients.pem", chain(listener.tls.client_ca))
