"""Where copies are kept in AWS: a bucket that is made for them, or one that is there."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from crossgate.boot.document import Document, File
from crossgate.boot.program import program
from crossgate.clouds.aws.bindings.bucket import S3Bucket
from crossgate.clouds.aws.bindings.bucket_settings import (
    S3BucketLifecycleConfiguration,
    S3BucketPolicy,
    S3BucketPublicAccessBlock,
    S3BucketServerSideEncryptionConfiguration,
    S3BucketVersioning,
)
from crossgate.clouds.aws.limits import BUCKET_PREFIX
from crossgate.clouds.aws.partition import partition
from crossgate.errors import RefusedError
from crossgate.model.names import shortened
from crossgate.model.text import Reference, Text, json_text
from crossgate.terraform.locals import local_text, note

if TYPE_CHECKING:
    from crossgate.clouds.aws.cloud import AwsCloud
    from crossgate.specs import Archive, MachinesSpec
    from crossgate.terraform.engine import Construct

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")
_DAYS = 7
"""For so long what was deleted or written over can be had back."""


def refusals(spec: MachinesSpec) -> list[RefusedError]:
    """Return why copies cannot be kept in the bucket that is named."""
    to = spec.archive.to if spec.archive else None
    name = None if to is None else Text.of(to).literal
    if name is None or _NAME.match(name):
        return []
    return [
        RefusedError(
            "is no bucket of S3",
            path=f"{spec.name}: snapshots.to",
            got=name,
            want='the name of a bucket that is there, such as "example-backups", or a Reference '
            "to one",
        )
    ]


def kept(cloud: AwsCloud, scope: Construct | None, spec: MachinesSpec) -> MachinesSpec:
    """Return the spec with its bucket, and with a document that keeps its copies there.

    Args:
        cloud: where the bucket is.
        scope: where the bucket is made, when none is named; None: none is made, and the document is
            good for measuring.
        spec: the machines; those that keep nothing come back as they are.

    """
    archive = spec.archive
    if archive is None:
        return spec
    bucket = Text.of(archive.to) if archive.to is not None else _bucket(cloud, scope, spec)
    _, path, settings = archive.program
    place = {"bucket": bucket, "prefix": prefix(cloud, archive), "region": cloud.region}
    if scope is not None:
        facts = {"cloud": cloud.name, "in": "s3", "of": archive.name, **place}
        note(scope, "archive-note", "archive", facts)
    own = Document(
        label="archive",
        packages=("python3", "python3-boto3"),
        files=(
            program(path, "crossgate.clouds.aws.programs", "s3_store"),
            File(settings, json_text(place) + "\n"),
        ),
    )
    return replace(
        spec,
        archive=replace(archive, to=bucket),
        document=Document.merge(spec.document, own),
    )


def prefix(cloud: AwsCloud, archive: Archive) -> str:
    """Return what the names of all copies begin with: several clusters may share a bucket."""
    return f"{archive.name}/{cloud.name}/"


def rights(cloud: AwsCloud, archive: Archive) -> Text:
    """Return the policy that lets machines keep copies below their prefix, and nothing else.

    They cannot delete versions: in a bucket that has them, a machine that is broken into does away
    with nothing for good.
    """
    own = prefix(cloud, archive)
    bucket = Text.of(f"arn:{partition(cloud.region)}:s3:::", archive.to or "")
    return json_text({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": bucket,
                "Condition": {"StringLike": {"s3:prefix": f"{own}*"}},
            },
            {
                "Effect": "Allow",
                "Action": ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"],
                "Resource": Text.of(bucket, f"/{own}*"),
            },
        ],
    })  # fmt: skip


def _bucket(cloud: AwsCloud, scope: Construct | None, spec: MachinesSpec) -> Text:
    """Make a private bucket with versions; Terraform does not delete it while it holds anything."""
    if scope is None:
        return Text.of(Reference("${local.unknown}"))
    made = S3Bucket(
        scope,
        "snapshots",
        bucket_prefix=f"{shortened(spec.name, BUCKET_PREFIX - 1)}-",
        force_destroy=False,
        tags={"Name": spec.name, **spec.tags},
        provider=cloud.provider,
    )
    name = S3Bucket.id.of(made)
    S3BucketServerSideEncryptionConfiguration(
        scope,
        "snapshots-encryption",
        bucket=name,
        rule=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
        provider=cloud.provider,
    )
    versions = S3BucketVersioning(
        scope,
        "snapshots-versions",
        bucket=name,
        versioning_configuration={"status": "Enabled"},
        provider=cloud.provider,
    )
    S3BucketLifecycleConfiguration(
        scope,
        "snapshots-lifecycle",
        bucket=name,
        rule=[
            {
                # How long a copy is kept is not told S3: it would delete the last good ones too.
                "id": "deleted",
                "status": "Enabled",
                "filter": [{"prefix": ""}],
                "noncurrent_version_expiration": [{"noncurrent_days": _DAYS}],
                "expiration": [{"expired_object_delete_marker": True}],
                "abort_incomplete_multipart_upload": [{"days_after_initiation": 1}],
            }
        ],
        depends_on=[versions],
        provider=cloud.provider,
    )
    closed = S3BucketPublicAccessBlock(
        scope,
        "snapshots-closed",
        bucket=name,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        provider=cloud.provider,
    )
    arn = Reference(S3Bucket.arn.of(made))
    policy = local_text(scope, "snapshots-policy-text", _encrypted_ways_only(arn))
    S3BucketPolicy(
        scope,
        "snapshots-policy",
        bucket=name,
        policy=f"${{{policy}}}",
        # S3 takes one such change of a bucket at a time.
        depends_on=[closed],
        provider=cloud.provider,
    )
    return Text.of(Reference(name))


def _encrypted_ways_only(bucket: Reference) -> Text:
    return json_text({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [bucket, Text.of(bucket, "/*")],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    })  # fmt: skip
