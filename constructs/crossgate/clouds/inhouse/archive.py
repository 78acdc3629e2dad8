"""Where copies are kept in-house: a folder of each host, or one that all hosts share."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from crossgate.boot.document import Document, File
from crossgate.boot.program import program
from crossgate.errors import RefusedError
from crossgate.model.text import Text
from crossgate.terraform.locals import note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgate.clouds.inhouse.catalogue import Host
    from crossgate.clouds.inhouse.cloud import InHouse
    from crossgate.specs import Archive, MachinesSpec
    from crossgate.terraform.engine import Construct

_OWN = "/var/lib/crossgate-snapshots/copies"
_PLACE = re.compile(r"(/[A-Za-z0-9._@+:-]+)+\Z")
_CLOSED = ("dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "usr")
"""First names of paths that are no place for copies, or that who writes them does not see."""


def refusals(spec: MachinesSpec) -> list[RefusedError]:
    """Return why copies cannot be kept in the folder that is named."""
    to = spec.archive.to if spec.archive else None
    if to is None:
        return []
    folder = Text.of(to).literal or ""
    parts = folder.split("/")
    if _PLACE.match(folder) and not {".", ".."} & set(parts) and parts[1] not in _CLOSED:
        return []
    return [
        RefusedError(
            "is no folder for snapshots",
            path=f"{spec.name}: snapshots.to",
            got=to,
            want='a folder that all servers share, in what is mounted: "/mnt/backup/consul"; none '
            f"below /{', /'.join(_CLOSED)}",
        )
    ]


def kept(spec: MachinesSpec) -> MachinesSpec:
    """Return the spec with a document that keeps its copies in a folder."""
    if spec.archive is None:
        return spec
    _, path, settings = spec.archive.program
    place = _place(spec.archive)
    own = Document(
        label="archive",
        packages=("python3",),
        files=(
            program(path, "crossgate.clouds.inhouse.programs", "folder_store"),
            File(settings, json.dumps(place) + "\n"),
        ),
    )
    return replace(spec, document=Document.merge(spec.document, own))


def noted(cloud: InHouse, scope: Construct, spec: MachinesSpec, hosts: Sequence[Host]) -> None:
    """Write down where the copies of these hosts are, for whoever brings one back."""
    if spec.archive is None:
        return
    facts = {"cloud": cloud.name, "in": "folder", "of": spec.archive.name}
    login = {"user": cloud.login.user, "hosts": [host.address for host in hosts]}
    note(scope, "archive-note", "archive", {**facts, **_place(spec.archive), **login})


def _place(archive: Archive) -> dict[str, object]:
    to = archive.to
    return {"folder": _OWN if to is None else Text.of(to).literal, "own": to is None}
