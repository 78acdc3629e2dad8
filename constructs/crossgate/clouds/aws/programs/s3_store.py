"""Keeps copies in a bucket, below one prefix; logs in by the machine's own role.

s3_store.py SETTINGS put NAME FILE    keep a file under a name
s3_store.py SETTINGS get NAME FILE    write what is kept under a name
s3_store.py SETTINGS list             print the names, one a line
s3_store.py SETTINGS drop NAME        keep it no longer
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> str:
    """Do what the arguments say; return what is to be printed."""
    import boto3  # noqa: PLC0415  (so that nothing of it is needed to read this)
    from botocore.config import Config  # noqa: PLC0415  (as above)

    path, verb, *more = arguments
    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    client: Any = boto3.client(
        "s3",
        region_name=settings["region"],
        endpoint_url=settings.get("endpoint"),
        config=Config(connect_timeout=10, read_timeout=60, retries={"max_attempts": 3}),
    )
    bucket, prefix = settings["bucket"], settings["prefix"]
    if verb == "list" and not more:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = (one["Key"] for page in pages for one in page.get("Contents", ()))
        return "".join(f"{key[len(prefix) :]}\n" for key in keys)
    name, *files = more
    where = {"Bucket": bucket, "Key": f"{prefix}{name}"}
    if verb == "drop" and not files:
        client.delete_object(**where)
        return ""
    (file,) = map(Path, files)
    if verb == "put":
        body = file.read_bytes()
        # S3 refuses what has not arrived as it was sent.
        sum_of_it = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        client.put_object(**where, Body=body, ContentMD5=sum_of_it)
    elif verb == "get":
        with file.open("wb") as target:
            shutil.copyfileobj(client.get_object(**where)["Body"], target)
    else:
        raise ValueError(verb)
    return ""


if __name__ == "__main__":
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        sys.stdout.write(main(sys.argv[1:]))
    except ValueError:
        sys.exit("s3_store.py SETTINGS put NAME FILE | get NAME FILE | list | drop NAME")
    except (BotoCoreError, ClientError, OSError) as error:
        sys.exit(f"S3 does not take it: {error}")
