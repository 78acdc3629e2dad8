"""What all machines of a cloud have: the key of their disks, metrics by the minute, shells."""

from __future__ import annotations

import json
import subprocess

import pytest

from crossgate import (
    AutoScalingGroup,
    AwsCloud,
    AwsMachines,
    Capacity,
    ConfigError,
    ConsulServers,
    Document,
    Machine,
)
from crossgate.clouds.aws import sessions
from crossgate.specs import GroupSpec
from tests.boot import programs

GIVEN = {
    "region": "us-east-1",
    "zones": ["us-east-1a", "us-east-1b"],
    "image": "ami-0123456789abcdef0",
    "root_device": "/dev/xvda",
    "network": "10.20.0.0/16",
}
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture
def made(stack, api, synth):
    """Make a group and Consul servers; return the stack's resources."""

    def make(**settings):
        aws = AwsCloud(stack, "aws", **GIVEN, machines=AwsMachines(**settings))
        consul = ConsulServers(stack, "consul", clouds=[aws])
        AutoScalingGroup(stack, "api", clouds=[aws], service=api, discovery=consul)
        return synth()

    return make


def templates(made):
    found = list(made["resource"]["aws_launch_template"].values())
    assert len(found) == 2
    return found


def policies(made):
    return {
        (policy["role"].split("_")[-3], policy["name"]): json.loads(policy["policy"])
        for policy in made["resource"]["aws_iam_role_policy"].values()
    }


def test_nothing_is_said_of_keys_and_metrics_unless_the_user_does(made):
    for template in templates(made()):
        assert "monitoring" not in template
        assert "kms_key_id" not in template["block_device_mappings"][0]["ebs"]


@pytest.mark.parametrize(
    "key",
    [
        KEY,
        "arn:aws:kms:us-east-1:123456789012:alias/gateway/disks",
        "arn:aws:kms:us-east-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab",
        "${aws_kms_key.disks.arn}",
    ],
)
def test_disks_of_groups_and_servers_are_encrypted_with_the_key(made, key):
    for template in templates(made(disk_key=key)):
        (disk,) = template["block_device_mappings"]
        assert (disk["ebs"]["encrypted"], disk["ebs"]["kms_key_id"]) == ("true", key)


@pytest.mark.parametrize("key", ["alias/gateway", "1234abcd", KEY.replace("kms", "s3"), KEY + "/x"])
def test_what_is_no_arn_of_a_key_is_refused_with_the_form(key):
    with pytest.raises(ConfigError, match="AwsMachines: disk_key: is no ARN") as caught:
        AwsMachines(disk_key=key)
    assert "arn:aws:kms:REGION:ACCOUNT:alias/NAME" in str(caught.value)


def test_a_key_of_another_region_is_refused(stack):
    key = KEY.replace("us-east-1", "eu-west-1")
    with pytest.raises(ConfigError, match=r"test/aws: machines.disk_key: .* another region") as e:
        AwsCloud(stack, "aws", **GIVEN, machines=AwsMachines(disk_key=key))
    assert "want: a key of us-east-1" in str(e.value)


def test_a_key_of_chinas_partition_is_one(stack):
    key = "arn:aws-cn:kms:cn-north-1:123456789012:alias/disks"
    AwsCloud(stack, "cn", region="cn-north-1", machines=AwsMachines(disk_key=key))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"detailed_monitoring": 1}, "detailed_monitoring is of the wrong type"),
        ({"session_access": "yes"}, "session_access is of the wrong type"),
        ({"disk_key": 7}, "disk_key is of the wrong type"),
    ],
)
def test_a_setting_of_the_wrong_type_is_refused(wrong, says):
    with pytest.raises(ConfigError, match=says):
        AwsMachines(**wrong)


def test_settings_that_are_none_are_refused(stack):
    with pytest.raises(ConfigError, match=r"machines is of .*\n.*\n.*want: AwsMachines\("):
        AwsCloud(stack, "aws", **GIVEN, machines={"session_access": True})


def test_metrics_come_every_minute(made):
    for template in templates(made(detailed_monitoring=True)):
        assert template["monitoring"] == {"enabled": True}


def test_nobody_gets_in_by_session_manager_unless_it_is_asked_for(made):
    found = made()
    assert "session-manager" not in {name for _, name in policies(found)}
    assert "ssm-agent" not in json.dumps(found)


def test_machines_may_open_sessions_and_nothing_more_of_systems_manager(made):
    found = made(session_access=True)
    actions = {
        action
        for (_, name), policy in policies(found).items()
        if name == "session-manager"
        for statement in policy["Statement"]
        for action in statement["Action"]
    }
    assert actions == {
        "ssm:UpdateInstanceInformation",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    }


def test_the_machines_of_groups_and_servers_have_the_agent(made):
    found = made(session_access=True)
    documents = [text for text in found["locals"].values() if "#cloud-config" in text]
    assert len(documents) == 2
    for text in documents:
        assert (
            "retry /usr/local/lib/crossgate/install-ssm-agent "
            "https://s3.us-east-1.amazonaws.com/amazon-ssm-us-east-1/latest" in text
        )


def test_services_start_before_the_agent_is_fetched(made):
    """A machine whose agent cannot be fetched serves all the same."""
    for text in made(session_access=True)["locals"].values():
        if "#cloud-config" in text:
            assert text.index("begin units") < text.index(
                "retry /usr/local/lib/crossgate/install-ssm"
            )


def test_no_port_is_opened_for_sessions(made):
    rules = made(session_access=True)["resource"]["aws_vpc_security_group_ingress_rule"]
    assert {rule["from_port"] for rule in rules.values()} == {8300, 8301}


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("us-gov-west-1", "https://s3.us-gov-west-1.amazonaws.com/amazon-ssm-us-gov-west-1/latest"),
        ("cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn/amazon-ssm-cn-north-1/latest"),
    ],
)
def test_the_agent_comes_from_the_machines_own_region(region, url):
    assert sessions.bucket(region) == url


@pytest.mark.parametrize(
    "unit", ["amazon-ssm-agent.service", "snap.amazon-ssm-agent.amazon-ssm-agent.service"]
)
def test_an_agent_that_the_image_has_is_started_and_nothing_fetched(tmp_path, unit):
    """The script itself, with a systemctl that knows one unit and writes down what it is asked."""
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(
        f'#!/bin/sh\necho "$*" >>{tmp_path}/asked\ncase "$*" in cat*) [ "$2" = {unit} ] ;; esac\n'
    )
    systemctl.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", sessions._INSTALL, "install-ssm-agent", "https://nowhere.invalid"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"{unit} is there\n")
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[-2:] == [f"--quiet enable {unit}", f"start {unit}"]


@pytest.mark.root
def test_shellcheck_finds_nothing_in_what_installs_the_agent(stack):
    aws = AwsCloud(stack, "aws", **GIVEN, machines=AwsMachines(session_access=True))
    spec = GroupSpec(
        name="test-api",
        machine=Machine(cpu=2, memory=4),
        document=Document(label="idle"),
        firewalls=(),
        capacity=Capacity(2, 4),
    )
    programs.assert_shellcheck_accepts(sessions.opened(aws, spec).document)
