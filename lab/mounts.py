"""Mounts of a lab, undone by where they are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from lab.command import output, said

_UNMOUNT_SECONDS = 10


def unmount_below(folder: Path) -> None:
    """Undo all mounts in a folder, the innermost first; busy ones as soon as they are not."""
    last = time.monotonic() + _UNMOUNT_SECONDS
    for mount in sorted(_mounts(folder), reverse=True):
        while "target is busy" in said("umount", mount) and time.monotonic() < last:
            time.sleep(0.05)
    for mount in sorted(_mounts(folder), reverse=True):
        output("umount", "--lazy", mount)


def _mounts(folder: Path) -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        target = line.split()[4]
        if target == str(folder) or target.startswith(f"{folder}/"):
            yield target
