"""Leaves the machine's work when Heat is about to delete the machine.

    heat_leaving.py SETTINGS

The keeper of Heat's groups sees who is to go, and the cluster passes it on. From then on Heat waits
as long as leaving may take.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_EVERY_SECONDS = 2
_COMMAND_SECONDS = 30


def due(settings: dict[str, Any]) -> bool:
    """Return whether this machine is on the list of those that are to go.

    Raises:
        OSError: the cluster cannot be asked.
        subprocess.SubprocessError: the cluster does not answer.
        ValueError: the list is none.

    """
    done = subprocess.run(  # noqa: S603  (the cluster's own program)
        settings["watch"], check=True, capture_output=True, text=True, timeout=_COMMAND_SECONDS
    )
    own = Path(settings["instance"]).read_text(encoding="ascii").strip()
    return own in json.loads(done.stdout or "[]")


def main(path: str) -> None:
    """Look until it is time to leave, and leave."""
    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    before = None
    while True:
        try:
            if due(settings):
                break
            trouble = ""
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            # Without a leader nobody is told anything, and nobody is asked to leave.
            trouble = f"nobody says who is to go: {type(error).__name__}"
        if trouble and trouble != before:
            say(trouble)
        before = trouble
        time.sleep(_EVERY_SECONDS)
    say("leaves: Heat is about to delete this machine")
    subprocess.run(settings["leave"], check=True)  # noqa: S603  (what a file says)
    say("has left")


def say(what: str) -> None:
    """Say it in the log."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
