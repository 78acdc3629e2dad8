"""`crossgate check` against the emulator of AWS, of what is deployed and of what is new.

It stands before the tests of what was deployed, the last of which destroys it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crossgate.cli.app import run
from crossgate.cli.aws.account import Account

if TYPE_CHECKING:
    from tests.deploy.conftest import OnAws

pytestmark = pytest.mark.terraform

# What moto does not know: quotas of any service but VPC.
UNKNOWN = ["Elastic IPs", "network load balancers", "vCPUs of spot machines", "vCPUs on demand"]


# That the stack names for ARM: moto has no image that boots there.
ARM = "image ami-0000000000000a64"


@dataclass
class Checked:
    """What one run said."""

    code: int
    cloud: dict[str, Any]
    rows: dict[str, dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = {row["what"]: row for row in self.cloud["findings"]}

    def of(self, verdict: str) -> list[str]:
        return sorted(what for what, row in self.rows.items() if row["verdict"] == verdict)


Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def check(deployed: OnAws, monkeypatch, capsys, tmp_path) -> Callable[..., Checked]:
    """Return what checks the deployed stack; with a change, one that is like it and new."""
    for name, value in deployed.aws.environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)

    def checked(change: Change | None = None, *more: str) -> Checked:
        out = deployed.stack.folder / "cdktf.out"
        if change is not None:
            made = deployed.json
            made["terraform"]["backend"] = {"local": {"path": str(tmp_path / "none.tfstate")}}
            change(made)
            out = tmp_path / "cdktf.out"
            folder = out / "stacks" / "gateway"
            folder.mkdir(parents=True)
            (folder / "cdk.tf.json").write_text(json.dumps(made))
        code = run(["check", "--app-out", str(out), "--json", *more])
        (cloud,) = json.loads(capsys.readouterr().out)["clouds"]
        return Checked(code, cloud)

    return checked


def as_it_is(made: dict[str, Any]) -> None:
    """Change nothing."""


def templates(made: dict[str, Any]) -> list[dict[str, Any]]:
    return list(made["resource"]["aws_launch_template"].values())


def test_what_is_deployed_is_there(check):
    found = check()
    assert (found.code, found.of("missing"), found.of("warn")) == (1, [ARM], [])
    assert found.rows["region us-east-1"]["found"] == "opt-in-not-required"
    assert found.rows["instance type t3.medium"]["found"].startswith("2 vCPUs, in us-east-1a")
    assert found.rows["spot price of gateway-gw-api"]["needed"] == "at most 0.05 USD an hour"
    assert "as arn:aws:sts::123456789012:user/moto" in found.cloud["where"]


def test_what_exists_by_the_state_is_not_counted_again(check):
    assert not {"VPCs", "Elastic IPs", "network load balancers"} & set(check().rows)
    found = check(as_it_is)
    assert found.rows["VPCs"]["needed"] == "1 more"
    assert found.rows["Elastic IPs"]["needed"] == "4 more"


def test_what_it_does_not_answer_never_passes_silently(check):
    found = check(as_it_is)
    assert found.of("missing") == [ARM]
    assert found.of("could not ask") == UNKNOWN
    for what in UNKNOWN:
        assert "(NoSuchResourceException)" in found.rows[what]["found"]


def test_a_quota_that_is_too_small_is_missing(check, aws):
    ec2 = aws.client("ec2")
    limit, there = 5, len(ec2.describe_vpcs()["Vpcs"])
    made = [ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"] for _ in range(limit - there)]
    try:
        found = check(as_it_is)
    finally:
        for one in made:
            ec2.delete_vpc(VpcId=one)
    assert (found.code, found.of("missing")) == (1, ["VPCs", ARM])
    assert found.rows["VPCs"]["found"] == "5 of 5 in use"
    assert (
        "--quota-code L-F678F1CE --desired-value 6 --region us-east-1" in (found.rows["VPCs"]["do"])
    )


def test_an_image_that_is_not_there_is_missing(check):
    def change(made):
        for template in templates(made):
            template["image_id"] = "ami-00000000000000000"

    found = check(change)
    assert (found.code, found.of("missing")) == (1, ["image ami-00000000000000000"])


def test_an_image_of_another_name_is_missing(check):
    def change(made):
        for image in made["data"]["aws_ami"].values():
            image["filter"][0]["values"] = ["gateway-picture-*"]

    assert check(change).of("missing") == [ARM, "image gateway-picture-*, x86_64"]


def test_a_type_of_another_architecture_than_the_image_is_missing(check):
    def change(made):
        for template in templates(made):
            template["instance_type"] = "m7g.large"

    found = check(change)
    assert found.of("missing") == [ARM, "image gateway-image-*, x86_64"]
    assert (
        found.rows["image gateway-image-*, x86_64"]["do"]
        == "an image that m7g.large can boot: arm64"
    )


def test_a_type_that_is_not_offered_is_missing(check):
    def change(made):
        for template in templates(made):
            template["instance_type"] = "m9.huge"

    assert check(change).of("missing") == [ARM, "instance type m9.huge"]


def test_a_type_that_one_of_the_zones_lacks_is_warned_of(check):
    # In us-east-1e there is no t3, at AWS and in moto.
    def change(made):
        for subnet in made["resource"]["aws_subnet"].values():
            if subnet["availability_zone"] == "us-east-1b":
                subnet["availability_zone"] = "us-east-1e"

    found = check(change)
    assert "us-east-1e" in found.rows["instance type t3.medium"]["do"]
    assert found.of("missing") == [ARM]


def test_a_zone_and_a_key_pair_that_are_not_there_are_missing(check):
    def change(made):
        for subnet in made["resource"]["aws_subnet"].values():
            if subnet["availability_zone"] == "us-east-1b":
                subnet["availability_zone"] = "us-east-1z"
        templates(made)[0]["key_name"] = "ops"

    found = check(change)
    assert found.code == 1
    assert {"zone us-east-1z", "key pair ops"} <= set(found.of("missing"))


def test_a_price_below_todays_is_warned_of(check):
    def change(made):
        for group in made["resource"]["aws_autoscaling_group"].values():
            if "mixed_instances_policy" in group:
                distribution = group["mixed_instances_policy"]["instances_distribution"]
                distribution["spot_max_price"] = "0.000001"

    found = check(change)
    assert (found.of("missing"), found.of("warn")) == ([ARM], ["spot price of gateway-gw-api"])


@pytest.fixture
def running(aws) -> Iterator[None]:
    """Let a machine run that is none of the stack's."""
    ec2 = aws.client("ec2")
    image = ec2.describe_images(Filters=[{"Name": "architecture", "Values": ["x86_64"]}])
    (machine,) = ec2.run_instances(
        ImageId=image["Images"][0]["ImageId"], InstanceType="c7i.2xlarge", MinCount=1, MaxCount=1
    )["Instances"]
    yield
    ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])


def test_what_runs_is_counted_in_processors(deployed, running, monkeypatch):
    for name, value in deployed.aws.environment.items():
        monkeypatch.setenv(name, value)
    on_demand, _spot = Account({"region": "us-east-1"}).running_cpus()
    # Beside it, those of the groups.
    assert on_demand >= 8


def test_no_secret_is_said(check, deployed, monkeypatch, capsys):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-horse-battery")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    out = Path(deployed.stack.folder) / "cdktf.out"
    assert run(["check", "--app-out", str(out)]) == 2
    said = capsys.readouterr()
    assert "Could not connect to the endpoint URL" in " ".join(said.out.split())
    assert "wrong-horse-battery" not in said.out + said.err
