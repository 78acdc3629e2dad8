"""The emulator of AWS: moto's server on loopback, and what leads the real provider and us to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from lab.daemon import Daemon, connect, free_port
from tools.toolbox import VENV_BIN, environment

REGION = "us-east-1"
"""Where the stacks of the lab are."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account of AWS as its API shows it, at the emulator.

    Attributes:
        url: where every service of it answers.
        region: that of the clients; default us-east-1.
        key: the access key's id; the emulator asks for none in particular.
        secret: the access key's secret.

    """

    url: str
    region: str = REGION
    key: str = "testing"
    secret: str = field(default="testing", repr=False)

    def client(self, service: str) -> Any:  # noqa: ANN401  (boto3 makes its clients as it runs)
        """Return boto3's client of a service."""
        # Its types know each name of a service by itself, and no name that is only a string.
        make: Any = boto3.client
        return make(
            service,
            region_name=self.region,
            endpoint_url=self.url,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            config=Config(retries={"max_attempts": 1}),
        )

    @property
    def environment(self) -> Mapping[str, str]:
        """The toolbox's environment, with the AWS provider led to the emulator."""
        return environment() | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
        }


class Emulator(Daemon):
    """moto's server on loopback (`lab.emulator`).

    Args:
        folder: where its log goes; made when it is absent.
        groups: files by which it joins control groups; default none.
        hooks: whether machines of a group with a launch hook count when they have answered it, as
            in AWS; somebody must boot them. Default False: they count at once.

    Attributes:
        account: the account in it.

    Raises:
        ToolError: it does not start.

    """

    def __init__(self, folder: Path, *, groups: Sequence[Path] = (), hooks: bool = False) -> None:
        port = free_port()
        command: list[str | Path] = [VENV_BIN / "python", "-m", "lab.emulator", str(port)]
        command += ["--hooks"] if hooks else []
        super().__init__("moto", folder, *command, groups=groups)
        self.account = Account(url=f"http://127.0.0.1:{port}")
        self.wait(lambda: connect(port))


def make_image(account: Account, name: str) -> str:
    """Make a machine image and return its id.

    It is made from a machine: one that is only registered has no architecture in moto.
    """
    ec2 = account.client("ec2")
    base = ec2.describe_images(Filters=[{"Name": "architecture", "Values": ["x86_64"]}])["Images"]
    (machine,) = ec2.run_instances(ImageId=base[0]["ImageId"], MinCount=1, MaxCount=1)["Instances"]
    made = ec2.create_image(InstanceId=machine["InstanceId"], Name=name)
    ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
    return str(made["ImageId"])


def put_object(account: Account, bucket: str, key: str, body: bytes) -> None:
    """Put what machines fetch into a bucket that everybody may read; makes the bucket too."""
    s3 = account.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=key, Body=body, ACL="public-read")
