"""The snapshots in a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.cli.aws.account import ERRORS, Account, sentence
from crossgate.cli.following import UnansweredError

if TYPE_CHECKING:
    from crossgate.cli.synthesized import Cloud


def snapshots(cloud: Cloud, bucket: str, prefix: str) -> list[str]:
    """Return the names of what a bucket keeps below a prefix.

    Raises:
        UnansweredError: it could not be asked.

    """
    try:
        s3 = Account(cloud.provider).client("s3")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [one["Key"][len(prefix) :] for page in pages for one in page.get("Contents", ())]
    except ERRORS as error:
        raise UnansweredError(sentence(error)) from error
