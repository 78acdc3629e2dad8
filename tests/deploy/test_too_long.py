"""User data whose length only Terraform learns, and that EC2 would refuse."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from crossgate import AutoScalingGroup, AwsCloud, ConsulServers, Reference, Service, ServiceFile
from tools.toolbox import program

if TYPE_CHECKING:
    from pathlib import Path

    from lab.aws import Account

pytestmark = pytest.mark.terraform

# 400 digests have 25,600 digits, of which gzip leaves some 15,000; where they are measured they are
# taken for 64.
LONG = Reference('${join("", [for number in range(400) : sha256(tostring(number))])}')


def test_is_refused_by_name_before_there_is_a_launch_template(
    stack, synth, tmp_path: Path, aws: Account
) -> None:
    cloud = AwsCloud(
        stack,
        "aws",
        region="us-east-1",
        zones=["us-east-1a", "us-east-1b"],
        image="ami-0123456789abcdef0",
        root_device="/dev/xvda",
    )
    consul = ConsulServers(stack, "consul", clouds=[cloud])
    # All may read it: otherwise it would be fetched as a secret.
    known = ServiceFile("/etc/api.list", LONG, mode=0o644)
    api = Service(name="api", port=9000, command=["/usr/bin/api"], files=[known])
    AutoScalingGroup(stack, "api", clouds=[cloud], service=api, discovery=consul)
    (name,) = (name for name in synth()["resource"]["aws_launch_template"] if "api" in name)
    folder = tmp_path / "cdktf.out" / "stacks" / "test"

    def terraform(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program("terraform"), *words, "-no-color"],
            cwd=folder, env=aws.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert terraform("init", "-input=false").returncode == 0
    done = terraform("apply", "-auto-approve", f"-target=aws_launch_template.{name}")
    said = " ".join(done.stderr.replace("│", " ").split())
    assert "boot document of test/api/aws/group takes more than the 16,384 bytes" in said
    names = aws.client("ec2").describe_launch_templates()["LaunchTemplates"]
    assert not [one for one in names if one["LaunchTemplateName"].startswith("test-api")]
    assert terraform("destroy", "-auto-approve").returncode == 0
