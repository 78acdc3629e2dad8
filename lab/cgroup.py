"""Control groups: all processes of a lab and of each machine are in one of their own.

Without one each, the systemds of two machines would keep their services in the same groups; and
who is in a group is found there by whoever clears up. Both versions of control groups are served:
of version 1 the hierarchies that matter to a machine, each with a folder of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from tools.toolbox import ToolError

_PARENT = "crossgate-lab"
_WANTED = ("name=systemd", "memory", "pids")
_END_SECONDS = 20
_MEBI = 1024 * 1024


def exists(lab: str) -> bool:
    """Tell whether a lab has control groups."""
    return any((root / _PARENT / lab).exists() for root in _hierarchies())


def make(lab: str, part: str, memory: int | None = None) -> list[Path]:
    """Make the groups of a part of a lab, a machine; return the files that a process joins by.

    Args:
        lab: name of the lab.
        part: name of the part.
        memory: the most that its processes may take together, in MiB; default: no limit.

    """
    joins = []
    for root in _hierarchies():
        folder = root / _PARENT / lab / part
        if (root / "cgroup.controllers").exists():
            _hand_down(root, folder)
        folder.mkdir(parents=True, exist_ok=True)
        if memory is not None:
            for limit in ("memory.max", "memory.limit_in_bytes"):
                if (folder / limit).exists():
                    (folder / limit).write_text(str(memory * _MEBI))
        joins.append(folder / "cgroup.procs")
    return joins


def processes(lab: str, part: str) -> Iterator[int]:
    """Yield the processes of a part of a lab."""
    for root in _hierarchies():
        yield from _processes(root / _PARENT / lab / part)


def end(lab: str, part: str = "") -> None:
    """Kill all processes of a lab, or of a part of it, and take the groups away.

    Raises ToolError when one will not die: it hangs in the kernel.
    """
    folders = [root / _PARENT / lab / part for root in _hierarchies()]
    last = time.monotonic() + _END_SECONDS
    while pids := {pid for folder in folders for pid in _processes(folder)}:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > last:
            raise ToolError(
                f"processes of {lab} {part} do not end: {', '.join(map(str, sorted(pids)))}.",
                do="see what they wait for: cat /proc/PID/stack.",
            )
        time.sleep(0.02)
    for folder in folders:
        _remove(folder)
        if not part:
            with contextlib.suppress(OSError):
                folder.parent.rmdir()


def _hierarchies() -> Iterator[Path]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        target = Path(before.split()[4])
        kind, _, options = after.split()[:3]
        wanted = any(word in _WANTED for word in options.split(","))
        if str(target).startswith("/sys/fs/cgroup") and (
            kind == "cgroup2" or (kind == "cgroup" and wanted)
        ):
            yield target


def _hand_down(root: Path, folder: Path) -> None:
    """Let the groups down to `folder` limit memory; not all kernels have all controllers."""
    for parent in (root, root / _PARENT, folder.parent):
        parent.mkdir(exist_ok=True)
        for controller in ("memory", "pids", "cpu"):
            with contextlib.suppress(OSError):
                (parent / "cgroup.subtree_control").write_text(f"+{controller}")


def _processes(folder: Path) -> Iterator[int]:
    for below in _below(folder):
        with contextlib.suppress(OSError):
            words = (below / "cgroup.procs").read_text().split()
            yield from (int(word) for word in words if word != "0")


def _below(folder: Path) -> list[Path]:
    """Return a group with all below it; those that go meanwhile do no harm to os.walk."""
    return [Path(path) for path, _, _ in os.walk(folder)]


def _remove(folder: Path) -> None:
    for path in sorted(_below(folder), reverse=True):
        last = time.monotonic() + 1
        while path.exists() and time.monotonic() < last:
            try:
                path.rmdir()
            except OSError:
                time.sleep(0.01)  # a process that has just died is still leaving
