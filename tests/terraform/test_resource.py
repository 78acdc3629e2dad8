from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crossgate.clouds.aws.bindings.autoscaling import AutoscalingGroup
from crossgate.clouds.aws.bindings.compute import LaunchTemplate
from crossgate.clouds.aws.bindings.data import DataAmi, DataVpc
from crossgate.clouds.aws.bindings.lb import LbListener
from crossgate.clouds.aws.bindings.network import RouteTable, Vpc
from crossgate.clouds.aws.bindings.provider import AwsProvider
from crossgate.clouds.aws.bindings.security import SecurityGroup
from crossgate.clouds.openstack.bindings.compute import ComputeInstanceV2
from crossgate.clouds.openstack.bindings.orchestration import OrchestrationStackV1
from crossgate.clouds.openstack.bindings.provider import OpenStackProvider
from crossgate.errors import ArgumentError, ConfigError
from crossgate.model.text import Reference, Text
from crossgate.terraform.engine import (
    ENGINE,
    App,
    Construct,
    Fn,
    TerraformLocal,
    TerraformResource,
    TerraformStack,
    Token,
)
from tests.terraform.conformity import nonconforming, schemas

Made = Callable[[TerraformStack], object]
Synth = Callable[[], dict[str, Any]]


@pytest.fixture
def stack(stack: TerraformStack) -> TerraformStack:
    """The stack of the test, with the providers that the engine asks for."""
    AwsProvider(stack, "aws", region="us-east-1")
    OpenStackProvider(stack, "openstack")
    return stack


def launch(stack: TerraformStack, **arguments: Any) -> LaunchTemplate:
    return LaunchTemplate(stack, "it", **arguments)


REFUSED: list[tuple[Made, str]] = [
    (
        lambda s: launch(s, imageid="ami-1"),
        "test/it: imageid: no such argument\n  got:  'ami-1'\n  want: one of block_device",
    ),
    (lambda s: launch(s, imageid="ami-1"), "\n  do:   did you mean image_id"),
    (lambda s: launch(s, zebra=1), "zebra: no such argument"),
    (
        lambda s: OrchestrationStackV1(s, "it", template_opts={"Bin": "{}"}),
        "test/it: name: is required\n  want: text",
    ),
    (
        lambda s: OrchestrationStackV1(s, "it", name=None, template_opts={"Bin": "{}"}),
        "test/it: name: is required and must not be empty",
    ),
    (
        lambda s: OrchestrationStackV1(s, "it", name="x", template_opts={}),
        "test/it: template_opts: is required and must not be empty",
    ),
    (
        lambda s: launch(s, image_id=7),
        "test/it: image_id: is of the wrong type\n  got:  7\n  want: text",
    ),
    (
        lambda s: launch(s, default_version="7"),
        "default_version: is of the wrong type\n  got:  '7'\n  want: a number",
    ),
    (lambda s: launch(s, default_version=True), "got:  True\n  want: a number"),
    (lambda s: launch(s, disable_api_stop=1), "got:  1\n  want: True or False"),
    (lambda s: launch(s, disable_api_stop="true"), "got:  'true'\n  want: True or False"),
    (
        lambda s: launch(s, vpc_security_group_ids="sg-1"),
        "group_ids: is of the wrong type\n  got:  'sg-1'\n  want: a list, of text each",
    ),
    (
        lambda s: launch(s, vpc_security_group_ids=["sg-1", 2]),
        "vpc_security_group_ids[1]: is of the wrong type\n  got:  2\n  want: text",
    ),
    (
        lambda s: launch(s, tags=["a"]),
        "tags: is of the wrong type\n  got:  ['a']\n  want: a mapping",
    ),
    (lambda s: launch(s, tags={"a": 1}), "tags.a: is of the wrong type\n  got:  1"),
    (lambda s: launch(s, tags={1: "a"}), "tags: is of the wrong type\n  got:  1"),
    (
        lambda s: launch(s, metadata_options={"http_token": "required"}),
        "test/it: metadata_options.http_token: no such argument",
    ),
    (
        lambda s: launch(s, metadata_options={"http_token": "required"}),
        "did you mean http_tokens",
    ),
    (
        lambda s: launch(s, metadata_options={"http_tokens": True}),
        "metadata_options.http_tokens: is of the wrong type",
    ),
    (
        lambda s: launch(s, metadata_options=[{"http_tokens": "required"}]),
        "want: a mapping with http_endpoint, http_protocol_ipv6",
    ),
    (lambda s: launch(s, metadata_options="${local.x}"), "want: a mapping with http_endpoint"),
    (
        lambda s: launch(s, tag_specifications={"resource_type": "instance"}),
        "want: a list of mappings with resource_type, tags",
    ),
    (
        lambda s: launch(s, block_device_mappings=[{"ebs": {"volume_size": "8"}}]),
        "test/it: block_device_mappings[0].ebs.volume_size: is of the wrong type",
    ),
    (
        lambda s: launch(s, hibernation_options={}),
        "test/it: hibernation_options.configured: is required",
    ),
    (
        lambda s: launch(s, arn="arn:aws:x"),
        "test/it: arn: is read-only\n  got:  'arn:aws:x'\n  want: nothing: the provider decides it",
    ),
    (
        lambda s: launch(s, id="lt-1"),
        "test/it: id: is read-only",
    ),
    (
        lambda s: ComputeInstanceV2(s, "it", name="x", access_ip_v4="10.0.0.1"),
        "access_ip_v4: is read-only",
    ),
    (
        lambda s: ComputeInstanceV2(s, "it", name="x", personality=[{"file": "a"}]),
        "personality[0].content: is required",
    ),
    (
        lambda s: ComputeInstanceV2(s, "it", name="x", floating_ip="10.0.0.1"),
        "floating_ip: no such argument",
    ),
    (
        lambda s: AutoscalingGroup(
            s,
            "it",
            min_size=0,
            max_size=1,
            traffic_source=[{"identifier": "a"}],
            initial_lifecycle_hook=[{"name": "a"}],
        ),
        "initial_lifecycle_hook[0].lifecycle_transition: is required",
    ),
    (lambda s: SecurityGroup(s, "it", ingress=[{"port": 1}]), "ingress[0].port: no such argument"),
    (lambda s: AwsProvider(s, "it", regoin="x"), "test/it: regoin: no such argument"),
    (lambda s: AwsProvider(s, "it", regoin="x"), "did you mean region"),
    (lambda s: DataAmi(s, "it", owner=["1"]), "did you mean owners"),
    (lambda s: launch(s, provider="aws.east"), "provider: is no provider\n  got:  'aws.east'"),
    (lambda s: launch(s, depends_on=["x"]), "depends_on: cannot be waited for\n  got:  'x'"),
    (
        lambda s: launch(s, lifecycle={"create_before": True}),
        "lifecycle.create_before: no such argument",
    ),
    (
        lambda s: launch(s, lifecycle={"precondition": [{"condition": "${true}"}]}),
        "lifecycle.precondition[0]: is of the wrong type",
    ),
    (
        lambda s: launch(s, lifecycle={"create_before_destroy": "yes"}),
        "lifecycle.create_before_destroy: is of the wrong type\n  got:  'yes'",
    ),
    (
        lambda s: launch(s, lifecycle={"replace_triggered_by": ["${aws_vpc.it.id}"]}),
        "want: resources, or addresses as `resource.terraform_address()` returns them",
    ),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_a_wrong_argument_is_refused_as_the_resource_is_made(
    stack: TerraformStack, make: Made, message: str
) -> None:
    with pytest.raises(ArgumentError) as refused:
        make(stack)

    assert message in str(refused.value)
    assert stack.node.try_find_child("it") is None


def test_a_block_taken_too_often_is_refused(stack: TerraformStack) -> None:
    with pytest.raises(ArgumentError) as refused:
        DataVpc(stack, "it", filter=[{"name": "a", "values": []}])
    assert "test/it: filter[0].values: is required and must not be empty" in str(refused.value)

    forward = {"target_group": [{"arn": "a"}] * 6}
    with pytest.raises(ArgumentError) as refused:
        LbListener(
            stack, "it", load_balancer_arn="a", default_action=[{"type": "f", "forward": forward}]
        )
    assert str(refused.value) == (
        "test/it: default_action[0].forward.target_group: has too few or too many blocks\n"
        "  got:  6\n  want: 1 to 5"
    )


IDS = [("", "''"), ("a/b", "'a/b'"), ("a b", "'a b'"), ("a.b", "'a.b'"), ("1", "'1'"), (7, "7")]


@pytest.mark.parametrize(("given", "shown"), IDS)
def test_what_is_no_id_is_refused(stack: TerraformStack, given: str, shown: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Vpc(stack, given, cidr_block="10.0.0.0/16")

    assert f"test: is no id for a construct\n  got:  {shown}\n  want: a letter" in str(
        refused.value
    )


def test_an_id_that_is_taken_is_refused_by_name_and_place(stack: TerraformStack) -> None:
    Vpc(stack, "it", cidr_block="10.0.0.0/16")

    with pytest.raises(ConfigError) as refused:
        Vpc(stack, "it", cidr_block="10.0.0.0/16")

    assert str(refused.value).startswith("test/it: the id is taken\n  got:  'it'")


def test_a_resource_outside_of_any_stack_is_refused(app: App) -> None:
    with pytest.raises(ConfigError) as refused:
        Vpc(app, "it", cidr_block="10.0.0.0/16")

    assert "the app: is in no stack" in str(refused.value)


def test_our_references_are_tokens_for_others(stack: TerraformStack, synth: Synth) -> None:
    vpc = Vpc(stack, "vpc", cidr_block="10.0.0.0/16")
    template = LaunchTemplate(stack, "template")
    instance = ComputeInstanceV2(stack, "instance", name="x")
    their = TheirThing(
        stack,
        "their",
        {
            "text": f"in {vpc.id}",
            "map": vpc.tags_all,
            "number": template.latest_version,
            "list": template.vpc_security_group_ids,
            "truth": template.disable_api_stop,
            "deep": instance.attribute_path("network[0].fixed_ip_v4"),
        },
    )

    assert synth()["resource"]["their_thing"][their.friendly_unique_id] | {"//": None} == {
        "//": None,
        "text": "in ${aws_vpc.vpc.id}",
        "map": "${aws_vpc.vpc.tags_all}",
        "number": "${aws_launch_template.template.latest_version}",
        "list": "${aws_launch_template.template.vpc_security_group_ids}",
        "truth": "${aws_launch_template.template.disable_api_stop}",
        "deep": "${openstack_compute_instance_v2.instance.network[0].fixed_ip_v4}",
    }


class TheirThing(TerraformResource):
    """A resource as a prebuilt package has it."""

    def __init__(self, scope: Construct, name: str, attributes: dict[str, Any]) -> None:
        super().__init__(scope, name, terraform_resource_type="their_thing")
        self._attributes = attributes

    def _synthesize_attributes(self) -> dict[str, Any]:
        return self._attributes


def raw(stack: TerraformStack) -> TerraformResource:
    return TerraformResource(stack, "their", terraform_resource_type="random_password")


def prebuilt(stack: TerraformStack) -> TerraformResource:
    from cdktf_cdktf_provider_random.password import Password  # noqa: PLC0415  # only for cdktf
    from cdktf_cdktf_provider_random.provider import RandomProvider  # noqa: PLC0415

    RandomProvider(stack, "random")
    return Password(stack, "their", length=8)


# The prebuilt packages are made for cdktf; cdktn has none yet.
THEIRS = [raw, prebuilt] if ENGINE == "cdktf" else [raw]


@pytest.mark.parametrize("theirs", THEIRS)
def test_tokens_of_others_are_taken_wherever_a_value_is(
    stack: TerraformStack, synth: Synth, theirs: Callable[[TerraformStack], TerraformResource]
) -> None:
    their = theirs(stack)
    launch(
        stack,
        name=their.get_string_attribute("result"),
        default_version=their.get_number_attribute("length"),
        disable_api_stop=their.get_boolean_attribute("lower"),
        tags=their.get_string_map_attribute("keepers"),
        vpc_security_group_ids=their.get_list_attribute("ids"),
        security_group_names=[their.get_string_attribute("result"), "and a literal"],
        image_id=Reference(their.get_string_attribute("result")),
        user_data=Text.of("50% $", Reference(their.get_string_attribute("result"))),
        metadata_options={"http_put_response_hop_limit": their.get_number_attribute("length")},
        update_default_version="${var.yes}",
        instance_type=Token.as_string(Fn.upper("t3.micro")),
        monitoring={"enabled": Reference("${var.yes}")},
    )

    made = synth()["resource"]["aws_launch_template"]["it"]
    del made["//"]
    assert made == {
        "name": "${random_password.their.result}",
        "default_version": "${random_password.their.length}",
        "disable_api_stop": "${random_password.their.lower}",
        "tags": "${random_password.their.keepers}",
        "vpc_security_group_ids": "${random_password.their.ids}",
        "security_group_names": ["${random_password.their.result}", "and a literal"],
        "image_id": "${random_password.their.result}",
        "user_data": '50% ${"$"}${random_password.their.result}',
        "metadata_options": {"http_put_response_hop_limit": "${random_password.their.length}"},
        "update_default_version": "${var.yes}",
        "instance_type": '${upper("t3.micro")}',
        "monitoring": {"enabled": "${var.yes}"},
    }


def test_a_data_source_may_be_found_by_its_id(stack: TerraformStack, synth: Synth) -> None:
    found = DataVpc(stack, "found", id="vpc-1")
    TerraformLocal(stack, "again", found.id)

    made = synth()
    assert made["data"]["aws_vpc"]["found"]["id"] == "vpc-1"
    assert made["locals"]["again"] == "${data.aws_vpc.found.id}"


def test_none_and_empty_arguments_are_left_out(stack: TerraformStack, synth: Synth) -> None:
    launch(stack, image_id=None, tags={}, block_device_mappings=[], placement={}, name="x")

    made = synth()["resource"]["aws_launch_template"]["it"]
    assert made.keys() == {"//", "name", "placement"}


def test_an_attribute_of_objects_has_every_member(stack: TerraformStack, synth: Synth) -> None:
    SecurityGroup(stack, "it", ingress=[{"from_port": 1, "to_port": 2, "protocol": "tcp"}])
    RouteTable(stack, "routes", vpc_id="vpc-1", route=[{"cidr_block": "0.0.0.0/0"}])

    made = synth()
    (rule,) = made["resource"]["aws_security_group"]["it"]["ingress"]
    assert (rule["from_port"], rule["self"]) == (1, "${null}")
    assert nonconforming(made, schemas()) == []


def test_a_function_is_read_at_synthesis(stack: TerraformStack, synth: Synth) -> None:
    groups = ["sg-1"]
    launch(stack, vpc_security_group_ids=lambda: groups, user_data=lambda: Text.of("${late}"))
    groups.append("sg-2")

    made = synth()["resource"]["aws_launch_template"]["it"]
    assert made["vpc_security_group_ids"] == ["sg-1", "sg-2"]
    assert made["user_data"] == "$${late}"


def test_the_resource_carries_what_terraform_itself_is_told(
    stack: TerraformStack, synth: Synth
) -> None:
    east = AwsProvider(stack, "east", alias="east", region="us-east-1")
    vpc = Vpc(stack, "vpc", cidr_block="10.0.0.0/16", provider=east)
    launch(
        stack,
        provider=east,
        depends_on=[vpc],
        lifecycle={
            "create_before_destroy": True,
            "ignore_changes": ("tags",),
            "replace_triggered_by": [vpc, vpc.terraform_address("cidr_block")],
            "precondition": [{"condition": "${1 < 2}", "error_message": "It is not."}],
        },
    )

    made = synth()
    it = made["resource"]["aws_launch_template"]["it"]
    assert it["provider"] == "aws.east"
    assert it["depends_on"] == ["aws_vpc.vpc"]
    assert it["lifecycle"] == {
        "create_before_destroy": True,
        "ignore_changes": ["tags"],
        "replace_triggered_by": ["aws_vpc.vpc", "aws_vpc.vpc.cidr_block"],
        "precondition": [{"condition": "${1 < 2}", "error_message": "It is not."}],
    }
    assert {"alias": "east", "region": "us-east-1"} in made["provider"]["aws"]
    assert made["terraform"]["required_providers"]["aws"] == {
        "source": "hashicorp/aws",
        "version": AwsProvider.version,
    }
    assert "overrides" not in made["//"]["metadata"]


def test_names_in_a_provider_block_stay_as_given(stack: TerraformStack, synth: Synth) -> None:
    OpenStackProvider(stack, "it", endpoint_overrides={"load-balancer": "http://h/${var.x}"})
    AwsProvider(stack, "tagged", default_tags=[{"tags": {"Cost-Centre": "x"}}])

    made = synth()["provider"]
    assert made["openstack"][1] == {"endpoint_overrides": {"load-balancer": "http://h/${var.x}"}}
    assert made["aws"][1] == {"default_tags": [{"tags": {"Cost-Centre": "x"}}]}


def test_writing_hcl_is_refused_rather_than_left_empty(stack: TerraformStack) -> None:
    Vpc(stack, "it", cidr_block="10.0.0.0/16")

    with pytest.raises(RuntimeError, match="cannot be written as HCL"):
        stack.to_hcl_terraform()
