"""Tells Heat that this machine is ready, as soon as the cluster sees it do its work.

Heat waits for that word before it counts the machine. The word is good for one machine and one
time, and so is what it is said with: after a reboot nobody listens any more.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

_EVERY_SECONDS = 2
_COMMAND_SECONDS = 30
_SECONDS = 10.0
# The token is no longer good, or what waited is gone. Of everything else, such as that the stack is
# busy (409), there may be an end.
_OVER = (401, 403, 404)


def tell(endpoint: str, token: str) -> str:
    """Say it; return how that went.

    Raises:
        OSError: Heat does not answer, or not now.

    """
    headers = {"Content-Type": "application/json", "X-Auth-Token": token}
    word = json.dumps({"status": "SUCCESS"}).encode()
    request = Request(endpoint, data=word, headers=headers)  # noqa: S310  (what Heat has written)
    try:
        with urlopen(request, timeout=_SECONDS):  # noqa: S310  (as above)
            return "is ready, and Heat knows"
    except HTTPError as error:
        if error.code not in _OVER:
            raise
        return f"is ready; Heat does not listen any more ({error.code})"


def look(settings: dict[str, Any]) -> tuple[bool, str]:
    """Return whether all is said, and what there is to say in the log."""
    try:
        done = subprocess.run(  # noqa: S603  (the cluster's own program)
            settings["watch"], check=False, capture_output=True, text=True, timeout=_COMMAND_SECONDS
        )
        if done.returncode:
            return False, f"waits: {done.stderr.strip()}"
        return True, tell(*settings["heat"])
    except (OSError, subprocess.SubprocessError) as error:
        return False, f"waits: {error}"


def main() -> None:
    """Look until it is said."""
    folder = Path(os.environ["CREDENTIALS_DIRECTORY"])
    settings = json.loads((folder / "ready.json").read_text(encoding="utf-8"))
    said, before = False, ""
    while not said:
        said, what = look(settings)
        if what != before:
            sys.stdout.write(f"{what}\n")
            sys.stdout.flush()
        before = what
        if not said:
            time.sleep(_EVERY_SECONDS)


if __name__ == "__main__":
    main()
