"""A right is as narrow as it reads, unless it says that it is wide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgate import ConfigError, Grant, Reference, Text

BUCKET = Reference("${aws_s3_bucket.releases.arn}")
READ = {"actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::releases/*"]}
NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-/", min_size=1)


@given(name=NAMES)
def test_a_part_of_one_resource_is_narrow(name):
    assert Grant(**READ | {"resources": [f"arn:aws:s3:::{name}/*"]}).wide is False


@given(service=st.sampled_from(["s3", "sqs"]), before=NAMES, after=st.text("abc", max_size=3))
def test_a_wildcard_in_an_action_is_said_to_be_meant(service, before, after):
    name = before.replace("-", "").replace("/", "")
    asked = READ | {"actions": [f"{service}:{name}*{after}"]}
    with pytest.raises(ConfigError, match=r"with a wildcard grants[\s\S]*wide=True"):
        Grant(**asked)
    assert Grant(**asked, wide=True).wide


@pytest.mark.parametrize("action", ["*", "s3:*", "s3:Get?bject"])
def test_all_actions_are_said_to_be_meant(action):
    with pytest.raises(ConfigError, match="Grant: actions: an action with a wildcard"):
        Grant(**READ | {"actions": [action]})


@pytest.mark.parametrize(
    "resource", ["*", "arn:aws:s3:::*", "arn:aws:sqs:us-east-1:123456789012:*"]
)
def test_all_resources_are_said_to_be_meant(resource):
    with pytest.raises(ConfigError, match=r"everything that the account has[\s\S]*wide=True"):
        Grant(**READ | {"resources": [resource]})
    assert Grant(**READ | {"resources": [resource]}, wide=True).resources == (resource,)


@pytest.mark.parametrize("resource", ["releases", "", "s3://releases", Text.of("x", BUCKET)])
def test_what_is_no_arn_is_refused(resource):
    with pytest.raises(ConfigError, match="Grant: resources: is no resource"):
        Grant(**READ | {"resources": [resource]})


@pytest.mark.parametrize("action", ["GetObject", "s3:", "s3.GetObject", "s3:Get Object"])
def test_what_is_no_action_is_refused(action):
    with pytest.raises(ConfigError, match=r"Grant: actions\.0"):
        Grant(**READ | {"actions": [action]})


@pytest.mark.parametrize("field", ["actions", "resources"])
def test_a_right_names_something(field):
    with pytest.raises(ConfigError, match=f"Grant: {field}"):
        Grant(**READ | {field: []})


def test_a_resource_of_the_stack_is_a_reference():
    assert Grant(**READ | {"resources": [BUCKET, Text.of(BUCKET, "/*")]}).resources[0] == BUCKET


def test_a_bare_token_is_refused_with_the_way_out():
    with pytest.raises(ConfigError, match=r"a token stands[\s\S]*Reference\(token\)"):
        Grant(**READ | {"resources": ["${TfToken[TOKEN.1]}"]})
