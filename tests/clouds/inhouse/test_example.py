"""The example: a whole gateway on seven hosts, and the same rack beside AWS."""

from __future__ import annotations

import json

import pytest

from crossgate import App, AutoScalingGroup, AwsCloud, Capacity
from stacks.inhouse import KEYS, InHouseStack
from tests.clouds.inhouse.hosts import DATA, carried, presence, rack
from tools.toolbox import environment, program, run


@pytest.fixture
def made(tmp_path):
    app = App(outdir=str(tmp_path))
    InHouseStack(app, "inhouse")
    app.synth()
    return json.loads((tmp_path / "stacks/inhouse/cdk.tf.json").read_text())


def test_every_host_carries_a_machine(made):
    assert carried(made) == list(range(11, 18))
    assert set(presence(made)["for_each"]) == set(KEYS)


def test_clients_are_told_the_shared_address(made):
    (output,) = (one for name, one in made["output"].items() if "_addresses_" in name)
    assert output["value"] == ["10.0.0.100"]


def test_no_host_is_reached_without_its_key_being_checked(made):
    blocks = made["resource"][DATA].values()
    assert all(block["connection"]["host_key"] for block in blocks)


@pytest.mark.terraform
def test_terraform_validates_it(made, tmp_path):
    folder = tmp_path / "stacks/inhouse"
    for words in (["init", "-input=false"], ["validate", "-no-color"]):
        said = run([program("terraform"), *words], cwd=folder, env=environment(), do="see above")
    assert "is valid" in said


def test_it_stands_beside_another_cloud_in_one_stack(stack, synth, api):
    here = rack(stack)
    aws = AwsCloud(
        stack,
        "aws",
        region="us-east-1",
        zones=["us-east-1a", "us-east-1b"],
        network="10.20.0.0/16",
        image="ami-0123456789abcdef0",
        root_device="/dev/xvda",
    )
    sizes = {here: Capacity(2), aws: Capacity(2, 4)}
    AutoScalingGroup(stack, "api", clouds=[here, aws], service=api, capacity=sizes)
    written = synth()
    assert carried(written) == [11, 12]
    assert "aws_autoscaling_group" in written["resource"]
