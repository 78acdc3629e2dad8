"""Takes this machine out of its work when EC2 announces that it takes the machine back.

    spot_notice.py COMMAND

EC2 says so two minutes ahead in the instance metadata, and nowhere else on the machine. COMMAND is
run once then; what is in hand has the rest of the two minutes. Source: EC2 user guide, "Spot
Instance interruption notices".
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

_SERVICE = "http://169.254.169.254/latest"
_EVERY_SECONDS = 5
_PATIENCE_SECONDS = 2
_TOKEN_SECONDS = 60
_NOT_FOUND = 404


def notice() -> str | None:
    """Return what EC2 is about to do and when; None while it is about nothing.

    Raises:
        URLError: the metadata service does not answer, or says something else.

    """
    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_SECONDS)}
    token = _ask("/api/token", lifetime, method="PUT")
    try:
        said = _ask("/meta-data/spot/instance-action", {"X-aws-ec2-metadata-token": token})
    except HTTPError as error:
        if error.code == _NOT_FOUND:
            return None
        raise
    action = json.loads(said)
    return f"{action['action']} at {action['time']}"


def _ask(path: str, headers: dict[str, str], method: str = "GET") -> str:
    request = Request(f"{_SERVICE}{path}", headers=headers, method=method)  # noqa: S310
    with urlopen(request, timeout=_PATIENCE_SECONDS) as answer:  # noqa: S310  (a fixed address)
        return str(answer.read().decode())


def main(command: str) -> None:
    """Wait for the notice, then run the command."""
    found = None
    while found is None:
        time.sleep(_EVERY_SECONDS)
        with contextlib.suppress(URLError, OSError, ValueError, KeyError):
            found = notice()
    sys.stdout.write(f"EC2 takes this machine back: {found}\n")
    sys.stdout.flush()
    subprocess.run([command], check=True)  # noqa: S603  (what the unit says)


if __name__ == "__main__":
    main(sys.argv[1])
