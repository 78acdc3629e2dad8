"""Tags: what AWS takes, and what is refused before it is asked."""

from __future__ import annotations

import pytest

from crossgate import AutoScalingGroup, AwsCloud, ConfigError, RefusedError
from crossgate.clouds.aws.tags import check

TOO_MUCH = [
    ({"aws:team": "x"}, "a tag that only AWS itself may set"),
    ({"AWS:team": "x"}, "a tag that only AWS itself may set"),
    ({"": "x"}, "cannot be a tag of AWS"),
    ({"k" * 129: "x"}, "cannot be a tag of AWS"),
    ({"k": "v" * 257}, "cannot be a tag of AWS"),
    ({"a,b": "x"}, "cannot be a tag of AWS"),
    ({"k": "a\nb"}, "cannot be a tag of AWS"),
]


@pytest.mark.parametrize(("tags", "says"), TOO_MUCH)
def test_tags_of_the_cloud_are_checked(stack, tags, says):
    with pytest.raises(ConfigError, match="test/aws: tags") as caught:
        AwsCloud(stack, "aws", region="us-east-1", tags=tags)
    assert says in str(caught.value)


@pytest.mark.parametrize(("tags", "says"), TOO_MUCH)
def test_tags_of_a_group_are_checked(stack, api, tags, says):
    aws = AwsCloud(stack, "aws", region="us-east-1")
    with pytest.raises(RefusedError, match="tags") as caught:
        AutoScalingGroup(stack, "api", clouds=[aws], service=api, tags=tags)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "tags",
    [
        {"k" * 128: "v" * 256},
        {"team:cost/centre@x": "a-b+c=d.e_f g", "Größe": ""},
        {"later": "${data.aws_vpc.main.id}" + "x" * 300},
    ],
)
def test_what_aws_takes_passes(tags):
    check(tags, "aws")


def test_keys_may_hold_what_instance_metadata_could_not(stack, api, synth):
    aws = AwsCloud(stack, "aws", region="us-east-1", tags={"team/cost centre": "x"})
    AutoScalingGroup(stack, "api", clouds=[aws], service=api)
    (template,) = synth()["resource"]["aws_launch_template"].values()
    assert "instance_metadata_tags" not in template["metadata_options"]
