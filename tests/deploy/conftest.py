"""The AWS side of the gateway, deployed once by the real `cdktf deploy` to an emulator of AWS."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tools.toolbox import ROOT, VENV_BIN, environment, program

HERE = Path(__file__).parent
REGION = "us-east-1"
START_SECONDS = 60


@dataclass
class Emulator:
    """moto's server on loopback, and the environment that leads the real provider to it."""

    url: str

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106  # the emulator asks for none
            config=Config(retries={"max_attempts": 1}),
        )

    @property
    def environment(self) -> dict[str, str]:
        return environment() | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "PYTHONPATH": f"{ROOT / 'constructs'}:{ROOT}",
        }


@dataclass
class Deployed:
    """A stack that `cdktf deploy` has applied."""

    aws: Emulator
    folder: Path
    output: str

    @property
    def stack(self) -> Path:
        return self.folder / "cdktf.out" / "stacks" / "gateway"

    @property
    def json(self) -> dict[str, Any]:
        made: dict[str, Any] = json.loads((self.stack / "cdk.tf.json").read_text())
        return made

    def terraform(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(program("terraform")), *arguments],
            cwd=self.stack,
            env=self.aws.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [str(VENV_BIN / "moto_server"), "-H", "127.0.0.1", "-p", str(port)],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert server.poll() is None, log.read_text()
                    assert time.monotonic() < deadline, "the emulator did not start"
                    time.sleep(0.2)
            yield Emulator(url=f"http://127.0.0.1:{port}")
        finally:
            server.terminate()
            server.wait(timeout=30)


@pytest.fixture(scope="session")
def deployed(aws: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    _make_image(aws, "gateway-image-1")
    folder = tmp_path_factory.mktemp("deploy")
    (folder / "cdktf.json").write_text(
        json.dumps(
            {
                "language": "python",
                "app": f"{sys.executable} {HERE / 'aws_side.py'}",
                "projectId": "5b5c1f4e-6f0e-4c43-9d1e-2f6d9f0f0f00",
                "sendCrashReports": "false",
            }
        )
    )
    done = subprocess.run(
        [
            str(program("cdktf")),
            "deploy",
            "gateway",
            "--auto-approve",
            # Without it the CLI locks providers over the network, for platforms that are not ours.
            "--skip-provider-lock",
        ],
        cwd=folder,
        env=aws.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    return Deployed(aws=aws, folder=folder, output=done.stdout)


def _make_image(aws: Emulator, name: str) -> None:
    """Make an image from a machine: one that is only registered has no architecture in moto."""
    ec2 = aws.client("ec2")
    base = ec2.describe_images(Filters=[{"Name": "architecture", "Values": ["x86_64"]}])["Images"]
    (machine,) = ec2.run_instances(ImageId=base[0]["ImageId"], MinCount=1, MaxCount=1)["Instances"]
    ec2.create_image(InstanceId=machine["InstanceId"], Name=name)
    ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
