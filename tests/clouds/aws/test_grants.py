"""What machines are granted is a policy of their own role, there before any of them starts."""

from __future__ import annotations

import json

import pytest

from crossgate import (
    AutoScalingGroup,
    AwsCloud,
    ConsulServers,
    Grant,
    Machine,
    Reference,
    RefusedError,
    Text,
)

GIVEN = {
    "region": "us-east-1",
    "zones": ["us-east-1a", "us-east-1b"],
    "image": "ami-0123456789abcdef0",
    "root_device": "/dev/xvda",
    "network": "10.20.0.0/16",
}
READ = Grant(actions=["s3:GetObject"], resources=["arn:aws:s3:::releases/*"])


@pytest.fixture
def aws(stack):
    return AwsCloud(stack, "aws", **GIVEN)


@pytest.fixture
def made(stack, api, synth, aws):
    def make(*grants, whole=False):
        machine = Machine(cpu=2, memory=4, grants=grants)
        AutoScalingGroup(stack, "api", clouds=[aws], service=api, machine={aws: machine})
        return synth() if whole else synth()["resource"]

    return make


def test_machines_have_the_right_and_no_other(made):
    (policy,) = made(READ)["aws_iam_role_policy"].values()
    assert json.loads(policy["policy"])["Statement"] == [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::releases/*"]}
    ]


def test_each_grant_is_a_statement_of_one_policy(made):
    send = Grant(actions=["sqs:SendMessage"], resources=["arn:aws:sqs:us-east-1:123456789012:q"])
    (policy,) = made(READ, send)["aws_iam_role_policy"].values()
    actions = [s["Action"] for s in json.loads(policy["policy"])["Statement"]]
    assert actions == [["s3:GetObject"], ["sqs:SendMessage"]]


def test_a_right_is_there_before_the_machines(made):
    """The template waits for the profile, and the profile for the policy."""
    resources = made(READ)
    (profile,) = resources["aws_iam_instance_profile"].values()
    (policy,) = resources["aws_iam_role_policy"]
    assert profile["depends_on"] == [f"aws_iam_role_policy.{policy}"]


def test_a_resource_of_the_stack_is_named_by_a_reference(made, aws):
    """With a token of the engine: the VPC's stands for any."""
    vpc = Reference(aws.placement.vpc_id)
    grant = Grant(
        actions=["ec2:CreateTags"],
        resources=[Text.of("arn:aws:ec2:us-east-1:123456789012:vpc/", vpc), vpc],
    )
    found = made(grant, whole=True)
    (policy,) = found["resource"]["aws_iam_role_policy"].values()
    written = found["locals"][policy["policy"].removeprefix("${local.").removesuffix("}")]
    (name,) = found["resource"]["aws_vpc"]
    (own,) = (key for key, text in found["locals"].items() if text == f"${{aws_vpc.{name}.id}}")
    value = f'${{trimsuffix(trimprefix(jsonencode("${{local.{own}}}"), "\\""), "\\"")}}'
    assert f'"Resource": ["arn:aws:ec2:us-east-1:123456789012:vpc/{value}", "{value}"]' in written


def test_a_variable_of_iam_reaches_iam_as_it_is(made):
    grant = Grant(
        actions=["s3:GetObject"], resources=["arn:aws:s3:::releases/${aws:PrincipalTag/team}/*"]
    )
    (policy,) = made(grant)["aws_iam_role_policy"].values()
    assert "releases/$${aws:PrincipalTag/team}/*" in policy["policy"]


def test_servers_have_their_own(stack, synth, aws):
    ConsulServers(stack, "consul", clouds=[aws], machine=Machine(cpu=2, memory=4, grants=[READ]))
    names = [p["name"] for p in synth()["resource"]["aws_iam_role_policy"].values()]
    assert names.count("grants") == 1


def test_more_than_a_role_can_carry_is_refused_before_anything_is_made(made, aws):
    many = [f"arn:aws:s3:::releases-{number}/*" for number in range(400)]
    with pytest.raises(RefusedError, match="a role cannot carry that many grants") as caught:
        made(Grant(actions=["s3:GetObject"], resources=many))
    assert "at most 10,240" in str(caught.value)
