"""What machines and their group say to each other: ready, to go, gone.

A new machine counts when it says that it is ready; one that does not say so in time is replaced.
One that is to go has time to leave its work.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from crossgate.boot.document import Document, File
from crossgate.boot.program import PYTHON, program, program_unit
from crossgate.clouds.aws import limits
from crossgate.errors import RefusedError
from crossgate.model.market import Spot
from crossgate.model.names import shortened
from crossgate.model.text import Text
from crossgate.model.units import whole_seconds
from crossgate.specs import GroupSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgate.clouds.aws.bindings.autoscaling import AutoscalingGroupInitialLifecycleHook
    from crossgate.clouds.aws.cloud import AwsCloud
    from crossgate.specs import MachinesSpec

LAUNCH = "ready"
TERMINATE = "left"
"""Names of the hooks."""

COMPLETE = "autoscaling:CompleteLifecycleAction"
"""What a machine may do to its group when there are hooks."""

_NAME = "lifecycle"
_PROGRAM = "/usr/local/lib/crossgate/lifecycle.py"
_SETTINGS = "/etc/crossgate/lifecycle.json"
_LEAVE = "/usr/local/lib/crossgate/lifecycle-leave"
_REJOIN = "/usr/local/lib/crossgate/lifecycle-rejoin"
_SERVER_PATIENCE = timedelta(minutes=20)
"""A server that replaces another counts when the cluster has taken it in."""

_LEAVE_SECONDS = 60
"""Beside the drain: to hear of it, to be gone from the lists, to say so."""

_LONGEST_SPOT_DRAIN = timedelta(seconds=75)
"""Of EC2's two minutes, what leaving and ending take is left."""

_CAPACITY_MINUTES = 10  # Terraform's own default


def refusals(spec: GroupSpec) -> list[RefusedError]:
    """Return what of a group's times AWS does not keep."""
    found: list[RefusedError] = []
    grace = spec.health.grace
    if spec.watch is not None and not limits.LEAST_HOOK <= grace <= limits.LONGEST_HOOK:
        found.append(
            RefusedError(
                "AWS does not wait that long for a new machine to say that it is ready",
                path=f"{spec.name}: health",
                got=f"grace={grace}",
                want="30 seconds to 2 hours",
            )
        )
    if isinstance(spec.market, Spot) and spec.drain > _LONGEST_SPOT_DRAIN:
        found.append(
            RefusedError(
                "EC2 takes a spot machine back two minutes after it says so, which is too soon",
                path=f"{spec.name}: drain",
                got=str(spec.drain),
                want="at most 75 seconds",
                do="a shorter drain, or market=OnDemand()",
            )
        )
    return found


def hooks(spec: GroupSpec | MachinesSpec) -> list[AutoscalingGroupInitialLifecycleHook]:
    """Return the hooks of the group; its first machines have them too."""
    found: list[AutoscalingGroupInitialLifecycleHook] = []
    if spec.watch is not None:
        found.append(
            {
                "name": LAUNCH,
                "lifecycle_transition": "autoscaling:EC2_INSTANCE_LAUNCHING",
                "heartbeat_timeout": whole_seconds(patience(spec)),
                "default_result": "ABANDON",
            }
        )
    if isinstance(spec, GroupSpec) and spec.document.leave:
        found.append(
            {
                "name": TERMINATE,
                "lifecycle_transition": "autoscaling:EC2_INSTANCE_TERMINATING",
                "heartbeat_timeout": _LEAVE_SECONDS + whole_seconds(spec.drain),
                "default_result": "CONTINUE",
            }
        )
    return found


def patience(spec: GroupSpec | MachinesSpec) -> timedelta:
    """Return how long a new machine may take to be ready."""
    return spec.health.grace if isinstance(spec, GroupSpec) else _SERVER_PATIENCE


def capacity_timeout(spec: GroupSpec | MachinesSpec) -> str | None:
    """Return how long Terraform waits for machines that count; None: as long as it does itself."""
    if spec.watch is None:
        return None
    return f"{whole_seconds(patience(spec)) // 60 + _CAPACITY_MINUTES}m"


def spoken(cloud: AwsCloud, spec: GroupSpec | MachinesSpec) -> Document:
    """Return the document with what speaks with the group, where there is a word to say."""
    leave = spec.document.leave if isinstance(spec, GroupSpec) else ()
    if spec.watch is None and not leave:
        return spec.document
    settings = {
        "group": group_name(spec),
        "instance": "/var/lib/cloud/data/instance-id",
        "leave": [_LEAVE] if leave else None,
        "left": TERMINATE if leave else None,
        "ready": LAUNCH if spec.watch else None,
        "region": cloud.region,
        "watch": _asked(spec),
    }
    scripts = {_LEAVE: leave}
    if isinstance(spec, GroupSpec) and spec.capacity.warm and spec.document.rejoin:
        # What was frozen goes on where it was, and that is out of its work.
        settings["rejoin"] = [_REJOIN]
        scripts[_REJOIN] = spec.document.rejoin
    own = Document(
        label=_NAME,
        packages=("python3", "python3-boto3"),
        files=(
            program(_PROGRAM, "crossgate.clouds.aws.programs", "lifecycle"),
            File(_SETTINGS, json.dumps(settings, indent=2) + "\n"),
            *(
                File(path, Text.lines("#!/bin/sh", "set -e", *(c.line for c in done)), mode=0o700)
                for path, done in scripts.items()
                if done
            ),
        ),
        units=(
            program_unit(
                _NAME,
                [PYTHON, _PROGRAM, _SETTINGS],
                description="Tells the group that this machine is ready; hears when it is to go",
                # Leaving is root's.
                lines=(),
                restart="on-failure",
            ),
        ),
    )
    parts = [spec.watch.document] if spec.watch else []
    return Document.merge(spec.document, *parts, own)


def group_name(spec: GroupSpec | MachinesSpec) -> str:
    """Return what the Auto Scaling group is called."""
    return shortened(spec.name, limits.GROUP_NAME)


def _asked(spec: GroupSpec | MachinesSpec) -> Sequence[str] | None:
    if spec.watch is None:
        return None
    services = [spec.service] if isinstance(spec, GroupSpec) and spec.service else []
    return [*spec.watch.program, "ready", *services]
