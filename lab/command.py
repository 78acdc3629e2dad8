"""Programs of the system that the lab runs, and what they say when they fail."""

from __future__ import annotations

import os
import subprocess

from tools.toolbox import ToolError

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def environment() -> dict[str, str]:
    """Return what programs of the lab, and those of its machines, find as their environment."""
    return {
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "PATH": _PATH,
        "TERM": os.environ.get("TERM", "dumb"),
    }


def output(*command: str, given: str | None = None) -> str:
    """Run a program and return what it printed.

    Raises ToolError with its words when it fails.
    """
    done = _run(command, given)
    if done.returncode:
        raise ToolError(
            f"`{' '.join(command)}` failed with code {done.returncode}:",
            do="`python -m lab down` takes away what is there; then try again.",
            output=done.stdout,
        )
    return done.stdout


def said(*command: str) -> str:
    """Run a program and return what it printed, whether it failed or not."""
    return _run(command, None).stdout


def _run(command: tuple[str, ...], given: str | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  (the lab's own commands)
        command, check=False, env=environment(), input=given or "",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
