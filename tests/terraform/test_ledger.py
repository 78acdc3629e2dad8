from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossgate.clouds.aws.bindings.compute import LaunchTemplate
from crossgate.clouds.aws.bindings.data import DataAmi
from crossgate.clouds.aws.bindings.network import Subnet, Vpc
from crossgate.clouds.aws.bindings.provider import AwsProvider
from crossgate.clouds.aws.bindings.security import SecurityGroup
from crossgate.errors import ConfigError
from crossgate.terraform import engine
from crossgate.terraform.engine import (
    Construct,
    TerraformElement,
    TerraformOutput,
    TerraformStack,
    id_of,
    path_of,
    stack_of,
)
from crossgate.terraform.ledger import put_over
from crossgate.terraform.logical_id import logical_id

Synth = Callable[[], dict[str, Any]]
CIDR = "10.0.0.0/16"


@pytest.fixture
def stack(stack: TerraformStack) -> TerraformStack:
    AwsProvider(stack, "aws", region="us-east-1")
    return stack


PATHS = [
    ["vpc"],
    ["a-b_c"],
    ["group", "aws", "vpc"],
    ["group", "group"],
    ["own-vpc", "vpc", "other"],
    ["group", "Resource"],
    ["group", "Default"],
    ["x" * 130, "y" * 130],
]


@pytest.mark.parametrize("path", PATHS, ids="/".join)
def test_a_block_is_named_as_the_engine_would(stack: TerraformStack, path: list[str]) -> None:
    scope: Construct = stack
    for part in path[:-1]:
        scope = Construct(scope, part)
    vpc = Vpc(scope, path[-1], cidr_block=CIDR)

    assert logical_id(vpc) == vpc.friendly_unique_id
    assert path_of(vpc) == vpc.node.path
    assert id_of(vpc) == vpc.node.id
    assert stack_of(vpc) is stack


class OwnNames(TerraformStack):
    """A stack that names its blocks by a rule of its own."""

    def _allocate_logical_id(self, tf_element: TerraformElement) -> str:
        return f"own_{tf_element.node.id}"


def test_a_stack_with_its_own_rule_names_its_blocks(app: engine.App, tmp_path: Path) -> None:
    stack = OwnNames(app, "own")
    AwsProvider(stack, "aws", region="us-east-1")
    vpc = Vpc(Construct(stack, "group"), "vpc", cidr_block=CIDR)
    app.synth()

    made = json.loads((tmp_path / "cdktf.out" / "stacks" / "own" / "cdk.tf.json").read_text())
    assert made["resource"]["aws_vpc"].keys() == {"own_vpc"}
    assert made["resource"]["aws_vpc"]["own_vpc"]["cidr_block"] == CIDR
    assert vpc.terraform_address() == "aws_vpc.own_vpc"


def test_a_block_may_be_given_another_name(stack: TerraformStack, synth: Synth) -> None:
    vpc = Vpc(stack, "vpc", cidr_block=CIDR)
    vpc.override_logical_id("main")

    assert vpc.terraform_address("id") == "aws_vpc.main.id"
    assert synth()["resource"]["aws_vpc"]["main"]["cidr_block"] == CIDR


def test_an_attribute_of_a_resource_is_written_as_terraform_writes_it(
    stack: TerraformStack, synth: Synth
) -> None:
    vpc = Vpc(Construct(stack, "net"), "vpc", cidr_block=CIDR)
    Subnet(stack, "subnet", vpc_id=Vpc.id.of(vpc), cidr_block=CIDR)
    Subnet(stack, "same", vpc_id=vpc.id, cidr_block=CIDR)

    made = synth()["resource"]["aws_subnet"]
    assert made["subnet"]["vpc_id"] == made["same"]["vpc_id"]
    assert made["subnet"]["vpc_id"] == f"${{aws_vpc.{logical_id(vpc)}.id}}"


def test_what_is_inside_an_attribute_can_be_named(stack: TerraformStack) -> None:
    vpc = Vpc(stack, "vpc", cidr_block=CIDR)

    assert Vpc.tags_all.of(vpc, '["Name"]') == '${aws_vpc.vpc.tags_all["Name"]}'


def test_a_block_that_others_name_keeps_its_name(stack: TerraformStack) -> None:
    vpc = Vpc(stack, "vpc", cidr_block=CIDR)
    Vpc.id.of(vpc)

    with pytest.raises(ConfigError) as refused:
        vpc.override_logical_id("main")
    assert str(refused.value) == (
        "test/vpc: cannot be renamed any more: other constructs name it\n  got:  'main'\n"
        "  do:   to keep what Terraform's state knows under another name, use move_to_id(...) or a "
        "moved block"
    )


def test_frame_and_arguments_are_one_block(stack: TerraformStack, synth: Synth) -> None:
    vpc = Vpc(stack, "vpc", cidr_block=CIDR)
    Vpc(Construct(stack, "group"), "vpc", cidr_block=CIDR, depends_on=[vpc])
    DataAmi(stack, "ami", owners=["1"])

    made = synth()
    assert len(made["resource"]["aws_vpc"]) == 2
    inner = next(b for name, b in made["resource"]["aws_vpc"].items() if name != "vpc")
    assert inner["//"]["metadata"]["path"] == "test/group/vpc"
    assert (inner["depends_on"], inner["cidr_block"]) == (["aws_vpc.vpc"], CIDR)
    assert made["data"]["aws_ami"]["ami"]["owners"] == ["1"]


def test_an_override_of_a_user_wins(stack: TerraformStack, synth: Synth) -> None:
    before = Construct(stack, "before")
    first = LaunchTemplate(
        before,
        "it",
        metadata_options={"http_tokens": "optional", "http_endpoint": "enabled"},
        block_device_mappings=[{"device_name": "a"}, {"device_name": "b"}],
        tags={"a": "1"},
    )
    first.add_override("metadata_options.http_tokens", "required")
    first.add_override("block_device_mappings.1.device_name", "c")
    first.add_override("tags", None)
    first.add_override("a_new_argument.with", {"a": "mapping"})

    (made,) = synth()["resource"]["aws_launch_template"].values()
    assert made["metadata_options"] == {"http_tokens": "required", "http_endpoint": "enabled"}
    assert made["block_device_mappings"] == [{"device_name": "a"}, {"device_name": "c"}]
    assert "tags" not in made
    assert made["a_new_argument"] == {"with": {"a": "mapping"}}


OVERRIDES: list[tuple[str, object]] = [
    ("ingress.0.from_port", 7),
    ("ingress.1", {"from_port": 9}),
    ("tags.Name", "new"),
    ("tags", {"More": "x"}),
    ("description", "new"),
    ("revoke_rules_on_delete", True),
    ("timeouts.create", "5m"),
    ("list", ["c"]),
]


@pytest.mark.parametrize(("path", "value"), OVERRIDES)
def test_overrides_follow_the_engines_own_rules(
    stack: TerraformStack, synth: Synth, path: str, value: object
) -> None:
    arguments = {
        "ingress": [{"from_port": 1, "to_port": 2}],
        "tags": {"Name": "old"},
        "description": "old",
        "list": ["a", "b"],
    }

    class Theirs(engine.TerraformResource):
        def _synthesize_attributes(self) -> dict[str, Any]:
            return arguments

    theirs = Theirs(stack, "theirs", terraform_resource_type="aws_security_group")
    theirs.add_override(path, value)
    ours = SecurityGroup(stack, "ours")
    ours.add_override(path, value)

    expected = dict(synth()["resource"]["aws_security_group"]["theirs"])
    del expected["//"]
    assert put_over(arguments, ours._overrides) == expected


@engine.implements(engine.IAspect)
class _Imdsv2:
    """What many do: a rule for all of a kind, laid over an app that others wrote."""

    def visit(self, node: Any) -> None:
        if isinstance(node, LaunchTemplate):
            node.add_override("metadata_options.http_tokens", "required")


def test_an_aspect_reaches_our_resources(stack: TerraformStack, synth: Synth) -> None:
    LaunchTemplate(stack, "it", metadata_options={"http_tokens": "optional"})
    engine.Aspects.of(stack).add(_Imdsv2())

    made = synth()["resource"]["aws_launch_template"]["it"]
    assert made["metadata_options"] == {"http_tokens": "required"}


def test_a_moved_resource_is_written_once(stack: TerraformStack, synth: Synth) -> None:
    old = Vpc(stack, "old", cidr_block=CIDR)
    new = Vpc(Construct(stack, "group"), "new", cidr_block=CIDR)
    new.add_move_target("vpc")
    old.move_to("vpc")

    made = synth()
    assert made["resource"]["aws_vpc"].keys() == {logical_id(new)}
    assert made["moved"] == [{"from": "aws_vpc.old", "to": new.terraform_address()}]


def test_a_reference_crosses_stacks(tmp_path: Path, app: engine.App) -> None:
    one, two = TerraformStack(app, "one"), TerraformStack(app, "two")
    for stack in (one, two):
        AwsProvider(stack, "aws", region="us-east-1")
    vpc = Vpc(one, "vpc", cidr_block=CIDR)
    SecurityGroup(two, "group", vpc_id=vpc.id)
    TerraformOutput(two, "id", value=vpc.id)
    app.synth()

    made = json.loads((tmp_path / "cdktf.out" / "stacks" / "two" / "cdk.tf.json").read_text())
    group = made["resource"]["aws_security_group"]["group"]
    assert group["vpc_id"].startswith("${data.terraform_remote_state.")
    assert made["output"]["id"]["value"] == group["vpc_id"]


def test_a_construct_of_the_library_counts_as_one(stack: TerraformStack) -> None:
    assert isinstance(stack, Construct)
    assert isinstance(Construct(stack, "it"), Construct)
    assert not isinstance("it", Construct)


class Part(Construct):
    """One of our own constructs."""


def test_a_construct_of_ours_is_no_other(stack: TerraformStack) -> None:
    assert isinstance(Part(stack, "part"), Part)
    assert not isinstance(stack, Part)


@pytest.mark.parametrize("first", [Construct, Part])
def test_an_id_taken_by_anybody_is_refused(stack: TerraformStack, first: type[Construct]) -> None:
    first(stack, "it")
    with pytest.raises(ConfigError, match="test/it: the id is taken"):
        Part(stack, "it")


def test_an_id_taken_by_a_stranger_is_refused(stack: TerraformStack) -> None:
    TerraformOutput(stack, "it", value="x")
    with pytest.raises(ConfigError, match="test/it: the id is taken"):
        Part(stack, "it")
    with pytest.raises(ConfigError, match="test/it: the id is taken"):
        Vpc(stack, "it", cidr_block=CIDR)
