"""What mypy says about the arguments of raw resources.

Each refused line carries the error that mypy must report: with `warn_unused_ignores` a line that is
no longer refused is an error of its own.
"""

from __future__ import annotations

from typing import assert_type

from crossgate import Reference, TerraformStack, Text
from crossgate.clouds.aws.bindings.autoscaling import AutoscalingGroup
from crossgate.clouds.aws.bindings.compute import LaunchTemplate, LaunchTemplateMetadataOptions
from crossgate.clouds.aws.bindings.data import DataVpc
from crossgate.clouds.aws.bindings.network import Vpc
from crossgate.clouds.aws.bindings.provider import AwsProvider
from crossgate.clouds.aws.bindings.security import SecurityGroup
from crossgate.clouds.openstack.bindings.compute import ComputeInstanceV2
from crossgate.clouds.openstack.bindings.orchestration import OrchestrationStackV1
from crossgate.terraform.engine import Construct, TerraformResource, Token


def accepted(stack: TerraformStack, their: TerraformResource) -> None:
    """Every way to write a value that is meant to be right."""
    east = AwsProvider(stack, "aws", region="us-east-1", alias="east")
    vpc = Vpc(stack, "vpc", cidr_block="10.0.0.0/16", tags={"Name": "x"}, provider=east)
    found = DataVpc(stack, "found", id="vpc-1", provider=None)
    options: LaunchTemplateMetadataOptions = {"http_tokens": "required"}
    groups = [vpc.id]
    template = LaunchTemplate(
        stack,
        "template",
        name=their.get_string_attribute("name"),
        default_version=their.get_number_attribute("version"),
        disable_api_stop=their.get_boolean_attribute("stop"),
        update_default_version=True,
        tags=their.get_string_map_attribute("tags"),
        vpc_security_group_ids=their.get_list_attribute("groups"),
        security_group_names=lambda: groups,
        image_id=Reference(vpc.id),
        user_data=lambda: Text.of("#!/bin/sh\n", Reference(vpc.id)),
        metadata_options=options,
        monitoring={"enabled": Reference("${var.monitoring}")},
        block_device_mappings=[{"device_name": "/dev/xvda", "ebs": {"volume_size": 8}}],
        tag_specifications=lambda: [{"resource_type": "instance", "tags": {"Name": "x"}}],
        placement=None,
        depends_on=[vpc, found, their],
        lifecycle={"create_before_destroy": True, "replace_triggered_by": [vpc, "aws_vpc.x.id"]},
    )
    SecurityGroup(stack, "closed", vpc_id=found.id, ingress=[{"from_port": 1, "to_port": 2}])
    assert_type(template.id, str)
    assert_type(template.latest_version, float)
    assert_type(template.vpc_security_group_ids, list[str])
    assert_type(template.tags_all, dict[str, str])
    assert_type(template.attribute_path("placement[0].tenancy"), str)
    Vpc(Construct(stack, "inner"), "vpc", ipv4_netmask_length=Token.as_number(vpc.id))


def refused(stack: TerraformStack) -> None:
    """Every way to be wrong that mypy is meant to find."""
    LaunchTemplate(stack, "misspelt", imageid="ami-1")  # type: ignore[call-arg]
    LaunchTemplate(stack, "mistyped", image_id=1)  # type: ignore[arg-type]
    LaunchTemplate(stack, "number", default_version="1")  # type: ignore[arg-type]
    LaunchTemplate(stack, "truth", disable_api_stop="true")  # type: ignore[arg-type]
    LaunchTemplate(stack, "items", vpc_security_group_ids=[1])  # type: ignore[list-item]
    LaunchTemplate(stack, "tags", tags={"Name": 1})  # type: ignore[dict-item]
    LaunchTemplate(stack, "read_only", arn="arn:aws:x")  # type: ignore[call-arg]
    LaunchTemplate(stack, "many", placement=[{"tenancy": "x"}])  # type: ignore[arg-type]
    LaunchTemplate(stack, "nested", placement={"tenency": "x"})  # type: ignore[arg-type]
    LaunchTemplate(stack, "inside", hibernation_options={})  # type: ignore[arg-type]
    LaunchTemplate(stack, "provider", provider="aws")  # type: ignore[arg-type]
    LaunchTemplate(stack, "lifecycle", lifecycle={"prevent": True})  # type: ignore[arg-type]
    LaunchTemplate(stack, "late", user_data=lambda: 7)  # type: ignore[arg-type, return-value]
    AutoscalingGroup(stack, "missing", min_size=1)  # type: ignore[call-arg]
    OrchestrationStackV1(stack, "missing", name="x")  # type: ignore[call-arg]
    ComputeInstanceV2(stack, "read_only", name="x", access_ip_v4="x")  # type: ignore[call-arg]
    ComputeInstanceV2(stack, "gone", name="x", floating_ip="x")  # type: ignore[call-arg]
    options: LaunchTemplateMetadataOptions = {"http_token": "x"}  # type: ignore[typeddict-unknown-key]
    LaunchTemplate(stack, "unknown", metadata_options=options)
    Vpc(stack, "x").anr  # type: ignore[attr-defined]  # noqa: B018
