"""A member leaves before Nova ends it: Heat waits a while, and the keeper tells the member.

Nova ends a machine that is deleted at once. So something of the member is deleted before its server
and takes its time: the keeper sees that, and puts the server on a list that every member reads.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from crossgate.boot.document import Document, File
from crossgate.boot.program import PYTHON, program, program_unit
from crossgate.model.text import Text
from crossgate.model.units import whole_seconds

if TYPE_CHECKING:
    from crossgate.specs import GroupSpec

LIST = "leaving"
"""Name of the note with the servers that Heat is about to delete, a JSON list of Nova's ids."""

_NAME = "leaving"
_PROGRAM = "/usr/local/lib/crossgate/heat_leaving.py"
_SETTINGS = "/etc/crossgate/leaving.json"
_LEAVE = "/usr/local/lib/crossgate/heat-leave"
_HEARD_SECONDS = 20
"""Beside the drain: for the keeper to see it, for the member to hear it, to be gone from the lists.
"""


def seconds(spec: GroupSpec) -> int:
    """Return how long Heat waits before it has a member's server deleted."""
    leaves = spec.watch is not None and spec.document.leave
    return _HEARD_SECONDS + whole_seconds(spec.drain) if leaves else 0


def hearing(spec: GroupSpec) -> GroupSpec:
    """Return the spec with a document that has the machine leave when it is on the list."""
    if spec.watch is None or not spec.document.leave:
        return spec
    settings = {
        "instance": "/var/lib/cloud/data/instance-id",
        "leave": [_LEAVE],
        "watch": [*spec.watch.program, "recall", LIST],
    }
    script = Text.lines("#!/bin/sh", "set -e", *(done.line for done in spec.document.leave))
    own = Document(
        label=_NAME,
        packages=("python3",),
        files=(
            program(_PROGRAM, "crossgate.clouds.openstack.programs", "heat_leaving"),
            File(_SETTINGS, json.dumps(settings, indent=2) + "\n"),
            File(_LEAVE, script, mode=0o700),
        ),
        units=(
            program_unit(
                _NAME,
                [PYTHON, _PROGRAM, _SETTINGS],
                description="Hears when Heat is about to delete this machine, and leaves",
                # Leaving is root's.
                lines=(),
                restart="on-failure",
            ),
        ),
    )
    return replace(spec, document=Document.merge(spec.document, spec.watch.document, own))
