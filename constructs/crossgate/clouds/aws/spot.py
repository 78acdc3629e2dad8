"""What a spot machine has beside the rest: it hears that EC2 takes it back, and leaves its work."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crossgate.boot.document import Document, File, Unit
from crossgate.boot.program import PYTHON, program
from crossgate.boot.systemd import command_line
from crossgate.model.market import Spot
from crossgate.model.text import Text

if TYPE_CHECKING:
    from crossgate.specs import GroupSpec

_PROGRAM = "/usr/local/lib/crossgate/spot_notice.py"
_LEAVE = "/usr/local/lib/crossgate/spot-leave"
_UNIT = "crossgate-spot-notice.service"


def heard(spec: GroupSpec) -> GroupSpec:
    """Return the spec with a document that hears the notice, where the group has a spot market.

    A machine that has no work to leave is left as it is.
    """
    leave = spec.document.leave
    if not isinstance(spec.market, Spot) or not leave:
        return spec
    lines = Text.lines("#!/bin/sh", "set -e", *(command.line for command in leave))
    own = Document(
        label="spot-notice",
        packages=("python3",),
        files=(
            program(_PROGRAM, "crossgate.clouds.aws.programs", "spot_notice"),
            File(_LEAVE, lines, mode=0o700),
        ),
        units=(Unit(_UNIT, _TEXT),),
    )
    return replace(spec, document=Document.merge(spec.document, own))


# Once the command has run there is nothing left to hear.
_TEXT = f"""\
[Unit]
Description=Leaves the work of this machine when EC2 takes it back
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
ExecStart={command_line([PYTHON, _PROGRAM, _LEAVE])}
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
"""
