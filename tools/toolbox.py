"""Where the programs of this project are, and the environment they run in."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
BOX = ROOT / ".tools"
BIN = BOX / "bin"
PROVIDERS = BOX / "providers"
TERRAFORM_CONFIGURATION = BOX / "terraformrc"
VENV_BIN = ROOT / ".venv" / "bin"

INSTALLED = frozenset(
    {"cdktf", "consul", "consul-next", "consul-template", "fabio", "node", "terraform"}
)
"""Programs that `make tools` puts into the toolbox."""

DEBIAN = {
    "cloud-init": "cloud-init",
    "debootstrap": "debootstrap",
    "haproxy": "haproxy",
    "nft": "nftables",
    "promtool": "prometheus",
    "ssh-keygen": "openssh-client",
    "systemd-analyze": "systemd",
    "systemd-nspawn": "systemd-container",
}
"""Programs that come with the operating system, and the Debian package of each."""

_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_FOREIGN = ("AWS_", "OS_", "TF_", "CDKTF_", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH")
_OUTPUT_LINES = 30
_REASON = "Error: "


class ToolError(Exception):
    """A program is missing or a step failed; the message says what to do."""

    def __init__(self, what: str, *, do: str, output: str = "") -> None:
        """Join what went wrong, the last lines the program printed, and the way out.

        Terraform gives one reason for each resource, anywhere in what it prints: all are named at
        the end, where whoever sees only the last lines of a long log finds them too.
        """
        lines = output.strip().splitlines()
        reasons = dict.fromkeys(line.partition(_REASON)[2] for line in lines if _REASON in line)
        shown = [f"    {line}" for line in lines[-_OUTPUT_LINES:]]
        shown += [f"    {_REASON}{reason}" for reason in reasons]
        super().__init__("\n".join((what, *shown, f"What to do: {do}")))


def program(name: str) -> Path:
    """Return where a program is.

    Raises ToolError, naming the command that brings it, when it is absent.
    """
    folder = BIN if name in INSTALLED else VENV_BIN
    if name not in DEBIAN and (folder / name).exists():
        return folder / name
    if name in INSTALLED:
        raise ToolError(
            f"{name} is not in this project's toolbox.",
            do="run `make tools`; it brings all the programs.",
        )
    if found := shutil.which(
        name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS))
    ):
        return Path(found)
    if name in DEBIAN:
        raise ToolError(
            f"{name} is not on this machine.",
            do="run `make tools` as root, or `sudo tools/apt-packages`: "
            f"it installs Debian's {DEBIAN[name]}.",
        )
    raise ToolError(f"{name} is neither in the toolbox nor on PATH.", do="run `make setup tools`.")


def environment() -> dict[str, str]:
    """Return the environment in which Terraform, the cdktf CLI and the daemons run.

    It is this process's own one, quiet, with the toolbox first on PATH and without the accounts and
    Terraform settings of whoever runs it: a plan in a test or in the demo must come out the same
    for everybody and never reach a real account.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return kept | {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "CHECKPOINT_DISABLE": "1",
        "CI": "1",
        "DISABLE_VERSION_CHECK": "1",
        "OS_CLIENT_CONFIG_FILE": os.devnull,
        "OS_USE_OCTAVIA": "true",
        "PATH": os.pathsep.join((str(BIN), str(VENV_BIN), kept.get("PATH", os.defpath))),
        "TERRAFORM_BINARY_NAME": str(BIN / "terraform"),
        "TF_CLI_ARGS_apply": "-no-color",
        "TF_CLI_CONFIG_FILE": str(TERRAFORM_CONFIGURATION),
        "TF_IN_AUTOMATION": "1",
    }


def platform_name() -> str:
    """Return this machine's system and processor as Terraform spells them: `linux_amd64`."""
    machine = platform.machine().lower()
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    return f"{platform.system().lower()}_{architecture}"


def run(
    command: Sequence[str | Path],
    *,
    do: str,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a command to its end and return what it printed.

    Raises ToolError, with the last lines of its output and `do` as the way out, when it fails.
    """
    line = " ".join(str(word) for word in command)
    try:
        done = subprocess.run(  # noqa: S603  (the commands are this project's own)
            [str(word) for word in command],
            cwd=cwd,
            env=env,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except OSError as error:
        raise ToolError(f"`{line}` could not be started: {error}", do=do) from error
    if done.returncode:
        raise ToolError(f"`{line}` failed with code {done.returncode}:", do=do, output=done.stdout)
    return done.stdout


def write_program(path: Path, *lines: str) -> None:
    """Write an executable shell script, in one step so that nobody ever runs half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text("\n".join(("#!/bin/sh", *lines, "")), encoding="utf-8")
    draft.chmod(0o755)
    draft.replace(path)


def link_program(path: Path, target: Path) -> None:
    """Make `path` a link to a program that is elsewhere, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.symlink_to(target)
    draft.replace(path)


def digest(files: Iterable[Path], *words: str) -> str:
    """Return a digest of files and words: what an installation is the installation of."""
    total = hashlib.sha256("\0".join(words).encode())
    for file in sorted(files):
        total.update(file.read_bytes())
    return total.hexdigest()


def is_current(name: str, wanted: str) -> bool:
    """Tell whether the step `name` was last finished for exactly this digest."""
    stamp = BOX / "stamps" / name
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted


def mark_current(name: str, wanted: str) -> None:
    """Note that the step `name` is finished for this digest."""
    stamp = BOX / "stamps" / name
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted, encoding="utf-8")
