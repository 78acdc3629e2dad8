"""Files that hold secrets: machines fetch them from Secrets Manager, by their own role.

User data says where they are, and in which version: another secret is another launch template, and
rolls the group as every change of a machine does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crossgate.boot.document import Command, Document, File
from crossgate.boot.program import PYTHON, program
from crossgate.clouds.aws.bindings.secrets import SecretsmanagerSecret, SecretsmanagerSecretVersion
from crossgate.clouds.aws.limits import SECRET_BYTES, SECRET_NAME
from crossgate.clouds.aws.partition import partition
from crossgate.errors import RefusedError
from crossgate.model.names import shortened
from crossgate.model.text import Reference, Text, json_text
from crossgate.terraform.engine import path_of
from crossgate.terraform.locals import local_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgate.clouds.aws.cloud import AwsCloud
    from crossgate.specs import GroupSpec, MachinesSpec
    from crossgate.terraform.engine import Construct

_PROGRAM = "/usr/local/lib/crossgate/fetch_secrets.py"
_SETTINGS = "/etc/crossgate/secrets.json"
_EVERYBODY = 0o004
_UNKNOWN = Reference("${local.unknown}")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What is left of a boot document, and where the rest is.

    Attributes:
        document: the machine's, which fetches what is not in it.
        secret: name of the secret; None: the document holds none.

    """

    document: Document
    secret: str | None = None


def outline(cloud: AwsCloud, document: Document) -> Document:
    """Return the document as it will be, to be measured."""
    held = _held(document)
    return _fetching(cloud, document, held, _UNKNOWN, _UNKNOWN) if held else document


def refusals(document: Document) -> list[RefusedError]:
    """Return why the secrets of a machine cannot be kept together."""
    held = _held(document)
    size = len(_texts(held).sample().encode()) if held else 0
    if size <= SECRET_BYTES:
        return []
    parts = "; ".join(f"{file.path} ({len(Text.of(file.text).sample()):,})" for file in held)
    return [
        RefusedError(
            "the files with secrets take more than a secret of Secrets Manager holds",
            path=document.label,
            got=f"{size:,} bytes",
            want=f"at most {SECRET_BYTES:,} bytes",
            do=f"make them smaller: {parts}",
        )
    ]


def kept(cloud: AwsCloud, scope: Construct, spec: GroupSpec | MachinesSpec) -> Kept:
    """Put the files that hold secrets into one secret of Secrets Manager.

    It is made from Terraform's state, where all of it is, so it is deleted without the usual weeks
    in which its name is taken.
    """
    held = _held(spec.document)
    if not held:
        return Kept(document=spec.document)
    name = cloud.names.take(
        "secret", shortened(f"{spec.name}-{cloud.name}", SECRET_NAME), path_of(scope)
    )
    made = SecretsmanagerSecret(
        scope,
        "secret",
        name=name,
        description=f"Files of the machines of {path_of(scope)} that hold secrets",
        kms_key_id=cloud.settings.disk_key,
        recovery_window_in_days=0,
        tags={"Name": spec.name, **spec.tags},
        provider=cloud.provider,
    )
    texts = local_text(scope, "secret-files", _texts(held))
    version = SecretsmanagerSecretVersion(
        scope,
        "secret-version",
        secret_id=SecretsmanagerSecret.id.of(made),
        secret_string=f"${{{texts}}}",
        lifecycle={
            "precondition": [
                {
                    "condition": f"${{length({texts}) <= {SECRET_BYTES}}}",
                    "error_message": f"The files of {path_of(scope)} that hold secrets take more "
                    f"than the {SECRET_BYTES:,} bytes of a secret of Secrets Manager. Certificates "
                    "and keys of ECDSA take less than those of RSA.",
                }
            ]
        },
        provider=cloud.provider,
    )
    arn = Reference(SecretsmanagerSecret.arn.of(made))
    number = Reference(SecretsmanagerSecretVersion.version_id.of(version))
    return Kept(document=_fetching(cloud, spec.document, held, arn, number), secret=name)


def rights(cloud: AwsCloud, name: str) -> str:
    """Return the policy that lets a machine read its own secret.

    AWS ends an ARN with a hyphen and six letters of its own (Secrets Manager guide, "Permissions
    policy examples"). A key of the account's own is used for that secret alone, whichever key it
    is: a policy cannot name one by its alias (Secrets Manager guide, "Permissions for the KMS
    key").
    """
    place = f"arn:{partition(cloud.region)}"
    secret = f"{place}:secretsmanager:{cloud.region}:*:secret:{name}-??????"
    statements: list[dict[str, object]] = [
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secret}
    ]
    if cloud.settings.disk_key:
        used = {
            "kms:EncryptionContext:SecretARN": secret,
            # In China it ends in ".cn".
            "kms:ViaService": f"secretsmanager.{cloud.region}.amazonaws.com*",
        }
        statements.append(
            {
                "Effect": "Allow",
                "Action": "kms:Decrypt",
                "Resource": f"{place}:kms:{cloud.region}:*:key/*",
                "Condition": {"StringLike": used},
            }
        )
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _held(document: Document) -> Sequence[File]:
    """Return the files that not everybody on the machine may read, with what Terraform knows."""
    return [
        file
        for _, file in document.written()
        if not file.mode & _EVERYBODY and Text.of(file.text).references()
    ]


def _texts(held: Sequence[File]) -> Text:
    return json_text({file.path: file.text for file in held})


def _fetching(
    cloud: AwsCloud, document: Document, held: Sequence[File], arn: Reference, version: Reference
) -> Document:
    paths = {file.path for file in held}
    rest = [
        replace(part, files=[file for file in part.files if file.path not in paths])
        for part in document.parts or [document]
    ]
    settings = {
        "files": {file.path: [f"{file.mode:04o}", file.owner] for file in held},
        "region": cloud.region,
        "secret": arn,
        "version": version,
    }
    own = Document(
        label="secrets",
        packages=("python3", "python3-boto3"),
        files=(
            program(_PROGRAM, "crossgate.clouds.aws.programs", "fetch_secrets"),
            File(_SETTINGS, json_text(settings) + "\n"),
        ),
        # First of all: what comes after may need the files.
        before=(Command(f"{PYTHON} {_PROGRAM} {_SETTINGS}", retry=True),),
    )
    return Document.merge(own, *rest, label=document.label)
