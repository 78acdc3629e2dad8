"""Brings the files that hold secrets, from Secrets Manager, by the machine's own role.

fetch_secrets.py SETTINGS
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any


def main(settings_path: str) -> None:
    """Fetch the secret and write its files, with their modes and owners."""
    import boto3  # noqa: PLC0415  (so that nothing of it is needed to read this)
    from botocore.config import Config  # noqa: PLC0415  (as above)
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  (as above)

    settings = json.loads(Path(settings_path).read_text(encoding="utf-8"))
    client: Any = boto3.client(
        "secretsmanager",
        region_name=settings["region"],
        endpoint_url=settings.get("endpoint"),
        config=Config(connect_timeout=10, read_timeout=30, retries={"max_attempts": 3}),
    )
    wanted = {"SecretId": settings["secret"], "VersionId": settings["version"]}
    try:
        answer = client.get_secret_value(**wanted)
    except (BotoCoreError, ClientError) as error:
        # The rights of a role that is new take a while to be known everywhere.
        sys.exit(f"Secrets Manager: {error}")
    found = json.loads(answer["SecretString"])
    for path, (mode, owner) in settings["files"].items():
        write(Path(path), found[path], int(mode, 8), *owner.split(":"))


def write(path: Path, text: str, mode: int, user: str, group: str) -> None:
    """Write a file in one step, so that nobody ever reads half of it or may read it before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600, exist_ok=False)
    draft.write_text(text, encoding="utf-8")
    shutil.chown(draft, user, group)
    draft.chmod(mode)
    draft.replace(path)


if __name__ == "__main__":
    main(sys.argv[1])
