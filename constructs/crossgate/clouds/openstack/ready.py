"""A member of a group counts when it says that it is ready: a WaitCondition for each.

Heat changes a member in place, and a WaitCondition that is there is not waited for again. So each
member is a group of one: what is changed in that is another member beside the first, which has to
be ready before the first one goes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING

from crossgate.boot.document import Document, File
from crossgate.boot.program import OWN_USER, PYTHON, program, program_unit
from crossgate.clouds.openstack import limits
from crossgate.errors import RefusedError
from crossgate.model.text import Reference, Text
from crossgate.model.units import whole_seconds
from crossgate.terraform.engine import AssetType, TerraformAsset
from crossgate.terraform.locals import local_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossgate.specs import GroupSpec
    from crossgate.terraform.engine import Construct

RESOURCES = 6
"""Of a stack, that such a member takes: the group of one, the one, and the four in that."""

_NAME = "ready"
_PROGRAM = "/usr/local/lib/crossgate/heat_ready.py"
_SETTINGS = "/etc/crossgate/ready.json"


def refusals(spec: GroupSpec) -> list[RefusedError]:
    """Return why a member cannot say in time that it is ready."""
    if spec.watch is None or spec.health.grace <= limits.SIGNAL:
        return []
    return [
        RefusedError(
            "what a new machine says later than that, that it is ready, Heat no longer hears",
            path=f"{spec.name}: health",
            got=f"grace={spec.health.grace}",
            want=f"at most {limits.SIGNAL}, as long as Keystone's tokens are good",
        )
    ]


def telling(spec: GroupSpec) -> GroupSpec:
    """Return the spec with a document that tells Heat when the machine is ready."""
    if spec.watch is None:
        return spec
    settings = {
        # An address and a token: the member's template puts the real ones in their place.
        "heat": ["crossgate-ready-endpoint", "crossgate-ready-token"],
        "watch": [*spec.watch.program, "ready", *([spec.service] if spec.service else [])],
    }
    own = Document(
        label=_NAME,
        packages=("python3",),
        files=(
            program(_PROGRAM, "crossgate.clouds.openstack.programs", "heat_ready"),
            File(_SETTINGS, json.dumps(settings, indent=2) + "\n", mode=0o600),
        ),
        units=(
            program_unit(
                _NAME,
                [PYTHON, _PROGRAM],
                description="Tells Heat that this machine is ready",
                lines=(*OWN_USER, f"LoadCredential=ready.json:{_SETTINGS}"),
                restart="on-failure",
            ),
        ),
    )
    return replace(spec, document=Document.merge(spec.document, spec.watch.document, own))


def template(scope: Construct) -> Reference:
    """Put the template of a member beside the JSON; return its address as Heat's types are named.

    The provider hands it to Heat under its absolute path, which is then the type of the members:
    a group that is changed from another folder would be rolled. Where the system lets a process
    name its own working directory, as Linux does, that is the path.
    """
    path = str(files("crossgate.clouds.openstack.templates").joinpath("member.yaml"))
    asset = TerraformAsset(scope, "member", path=path, type=AssetType.FILE)
    here = f"/proc/self/cwd/{asset.path}"
    chosen = Reference(f'${{fileexists("{here}") ? "file://{here}" : "{asset.path}"}}')
    return Reference(f"${{{local_text(scope, 'member-template', Text.of(chosen))}}}")


def member(
    template: Reference, spec: GroupSpec, server: Mapping[str, object], farewell: int
) -> Mapping[str, object]:
    """Return the member whose server has these properties.

    Args:
        template: what `template` has returned.
        spec: the group.
        server: properties of OS::Nova::Server.
        farewell: seconds for which Heat waits before it has the server deleted.

    """
    own = {"patience": whole_seconds(spec.health.grace), "farewell": farewell}
    return {
        "type": "OS::Heat::AutoScalingGroup",
        "properties": {
            "min_size": 1,
            "max_size": 1,
            "desired_capacity": 1,
            "rolling_updates": {"min_in_service": 1, "max_batch_size": 1, "pause_time": 0},
            "resource": {"type": template, "properties": {**server, **own}},
        },
    }
