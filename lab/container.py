"""systemd-nspawn: what runs a machine, as a process that outlives whoever started it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab import cgroup
from lab.command import environment
from lab.registry import NAMESPACES

# Joins its control groups, then becomes what follows: `sh -c SCRIPT sh 3 FILE FILE FILE COMMAND`.
_JOIN = """\
files=$1; shift
while [ "$files" -gt 0 ]; do echo $$ >"$1"; shift; files=$((files - 1)); done
exec setsid --fork "$@"
"""

# systemd-nspawn(1), "Exit status": who keeps a machine that reboots is to start it again.
_REBOOTING = """\
while :; do
  "$@" && exit
  [ $? = 133 ] || exit
done
"""
# A machine may set what is its own network's, as in a private network: docs/ENVIRONMENT.md there.
_NSPAWN = {"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"}


def start(lab: str, name: str, folder: Path, *, namespace: str, memory: int | None) -> None:
    """Boot the root folder `folder/root` as a machine; its console goes to `console.log`.

    Args:
        lab: name of the lab.
        name: of the machine.
        folder: where its files are.
        namespace: its network namespace.
        memory: the most it may take, in MiB; None is no limit.

    """
    command = [
        "/bin/sh", "-c", _REBOOTING, "sh",
        "systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--console=pipe",
        "--link-journal=no", "--resolv-conf=off", "--timezone=off", "--capability=CAP_NET_ADMIN",
        f"--network-namespace-path={NAMESPACES / namespace}", f"--directory={folder / 'root'}",
        f"--machine={lab}.{name}", f"--hostname={name}",
        f"--uuid={(folder / 'identity').read_text()}",
        "systemd.show_status=no",
    ]  # fmt: skip
    spawn(lab, name, command, folder / "console.log", memory=memory)


def spawn(
    lab: str, part: str, command: Sequence[str], log: Path, *, memory: int | None = None
) -> None:
    """Start a program in the control groups of a part of the lab, apart from this process."""
    joins = [str(path) for path in cgroup.make(lab, part, memory)]
    with log.open("ab") as output:
        subprocess.run(  # noqa: S603  (the lab's own commands)
            ["/bin/sh", "-c", _JOIN, "sh", str(len(joins)), *joins, *command],
            check=True, env=environment() | _NSPAWN, cwd="/", start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip


def leader(lab: str, name: str) -> int | None:
    """Return the process that is number 1 of a machine, None when the machine is off."""
    for pid in cgroup.processes(lab, name):
        if is_leader(pid):
            return pid
    return None


def is_leader(pid: int) -> bool:
    """Tell whether a process is number 1 of some machine, which lives."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    said = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return said["NSpid"].split()[1:] == ["1"] and not said["State"].startswith("Z")
