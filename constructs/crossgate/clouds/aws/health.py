"""A machine's own verdict: it tells its group that its service fails."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from crossgate.boot.document import Document, File
from crossgate.boot.program import PYTHON, program, program_unit
from crossgate.errors import RefusedError
from crossgate.model.units import whole_seconds

if TYPE_CHECKING:
    from crossgate.clouds.aws.cloud import AwsCloud
    from crossgate.specs import GroupSpec

_NAME = "own-verdict"
_PROGRAM = "/usr/local/lib/crossgate/own_verdict.py"
_SETTINGS = "/etc/crossgate/own-verdict.json"
_EVERY_SECONDS = 10

SET_HEALTH = "autoscaling:SetInstanceHealth"
"""What a machine may do to its group when it judges itself."""


def refusals(spec: GroupSpec) -> list[RefusedError]:
    """Return why nobody can tell that the machines are unfit."""
    if spec.health.unfit is None or spec.watch is not None:
        return []
    return [
        RefusedError(
            "nobody sees whether the service of a group without discovery fails",
            path=f"{spec.name}: health",
            got=f"unfit={spec.health.unfit}",
            do="discovery=..., or leave unfit out",
        )
    ]


def judged(cloud: AwsCloud, spec: GroupSpec) -> GroupSpec:
    """Return the spec with a document that tells the group when the machine's service fails."""
    if spec.health.unfit is None or spec.watch is None:
        return spec
    settings = {
        "cut": spec.health.cut,
        "every": _EVERY_SECONDS,
        "instance": "/var/lib/cloud/data/instance-id",
        "region": cloud.region,
        "service": spec.service,
        "unfit": whole_seconds(spec.health.unfit),
        "watch": list(spec.watch.program),
    }
    own = Document(
        label=_NAME,
        packages=("python3", "python3-boto3"),
        files=(
            program(_PROGRAM, "crossgate.clouds.aws.programs", "own_verdict"),
            File(_SETTINGS, json.dumps(settings, indent=2) + "\n"),
        ),
        units=(
            program_unit(
                _NAME,
                [PYTHON, _PROGRAM, _SETTINGS],
                description="Tells the group when the service of this machine fails for long",
            ),
        ),
    )
    return replace(spec, document=Document.merge(spec.document, spec.watch.document, own))
