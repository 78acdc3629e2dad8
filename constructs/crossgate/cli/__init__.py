"""The command line `crossgate`: it asks what only the clouds can answer."""

from __future__ import annotations

import sys

_NEEDS = {"boto3", "botocore", "keystoneauth1", "openstack", "rich", "typer"}


def main() -> int:
    """Run the command line and return what the shell is told.

    The programs behind it are the extra `cli`: without them one sentence says how to have them.
    """
    try:
        from crossgate.cli.app import run  # noqa: PLC0415  (only here can its absence be told)
    except ModuleNotFoundError as missing:
        name = (missing.name or "").partition(".")[0]
        if name not in _NEEDS:
            raise
        sys.stderr.write(
            f"crossgate: its command line needs {name}, which is not installed: "
            "pip install 'crossgate[cli]'\n"
        )
        return 2
    return run(sys.argv[1:])
