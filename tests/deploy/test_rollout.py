"""`crossgate rollout` against emulators of AWS, where it finds groups that boto3 has made."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from crossgate.cli import following
from crossgate.cli.app import run
from crossgate.cli.aws.rollout import Groups
from crossgate.cli.following import UnansweredError
from tests.deploy.small_group import LAUNCHING, SmallGroup
from tools.toolbox import ROOT

if TYPE_CHECKING:
    from crossgate.cli.aws.refresh import Back
    from lab.aws import Account

pytestmark = pytest.mark.terraform

NOBODY_ANSWERS = {"ready": (LAUNCHING, 1)}


@dataclass
class Followed:
    """What one run said."""

    code: int
    told: str
    data: dict[str, Any]

    def of(self, group: SmallGroup) -> dict[str, Any]:
        (found,) = (one for one in self.data["rollouts"] if one["name"] == group.name)
        return found


Follow = Callable[..., Followed]
Synthesize = Callable[..., str]


@pytest.fixture
def synthesized(tmp_path) -> Synthesize:
    """Return what writes the JSON of a stack that has certain groups, and says where."""

    def write(*groups: SmallGroup) -> str:
        made = {
            "provider": {"aws": [{"alias": "aws", "region": groups[0].account.region}]},
            "resource": {
                "aws_autoscaling_group": {
                    f"group_{number}": {"name": group.name, "provider": "aws.aws"}
                    for number, group in enumerate(groups)
                }
            },
        }
        folder = tmp_path / "cdktf.out" / "stacks" / "gateway"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cdk.tf.json").write_text(json.dumps(made))
        return str(tmp_path / "cdktf.out")

    return write


@pytest.fixture
def follow(synthesized: Synthesize, monkeypatch, capsys) -> Follow:
    """Return what follows groups as those of a synthesized stack."""
    monkeypatch.setattr(following, "EVERY_SECONDS", 0.05)

    def followed(*groups: SmallGroup, options: tuple[str, ...] = ()) -> Followed:
        for name, value in groups[0].account.environment.items():
            if name.startswith("AWS_"):
                monkeypatch.setenv(name, value)
        limit = () if "--timeout" in options else ("--timeout", "40s")
        out = synthesized(*groups)
        code = run(["rollout", "--app-out", out, "--json", *limit, *options])
        said = capsys.readouterr()
        return Followed(code, said.err, json.loads(said.out))

    return followed


def test_a_rollout_is_followed_to_its_end(aws: Account, follow: Follow):
    group = SmallGroup(aws)
    group.deploy()
    found = follow(group)
    assert (found.code, found.of(group)["phase"]) == (0, "done")
    assert found.of(group)["said"] == f"all machines run version 2 of {group.template}"
    assert f"aws: {group.name}: running, 50 %, 1 left: " in found.told
    assert group.versions() == {"2": 2}
    assert len(group.refreshes()) == 1


def test_several_are_followed_at_once_and_one_can_be_named(aws: Account, follow: Follow):
    first, second, third = (SmallGroup(aws) for _ in range(3))
    first.deploy()
    second.deploy()
    named = follow(first, second, third, options=("--group", second.name))
    assert [one["name"] for one in named.data["rollouts"]] == [second.name]
    found = follow(first, second, third)
    assert [found.of(group)["phase"] for group in (first, second, third)] == [
        "done",
        "done",
        "nothing to follow",
    ]
    assert found.code == 0


@pytest.mark.parametrize("mixed", [False, True])
def test_one_that_fails_goes_back_to_the_version_that_served(waiting, follow, mixed):
    group = SmallGroup(waiting, hooks=NOBODY_ANSWERS, mixed=mixed)
    served = {one["InstanceId"] for one in group.machines()}
    group.deploy()
    assert group.named() == "2"
    found = follow(group)
    assert (found.code, found.of(group)["phase"]) == (1, "failed")
    assert "was abandoned" in found.of(group)["said"]
    assert f"all machines run version 1 of {group.template} again" in found.of(group)["said"]
    assert f"names version 2 of {group.template}, which does not run" in found.of(group)["do"]
    back, failed = group.refreshes()
    assert (failed["Status"], back["Status"]) == ("Failed", "Successful")
    # What Terraform had written into the group is gone too: nothing launches what failed.
    assert group.named() == "1"
    assert {one["InstanceId"] for one in group.machines()} == served


def test_machines_that_were_replaced_already_go_back_too(waiting: Account, follow: Follow):
    group = SmallGroup(waiting, hooks={"ready": (LAUNCHING, 2)}, size=3)
    group.deploy()
    group.answer(group.until_in("Pending:Wait"), "ready")
    assert group.until_ended()["Status"] == "Failed"
    assert group.versions() == {"1": 2, "2": 1}
    group.client.delete_lifecycle_hook(AutoScalingGroupName=group.name, LifecycleHookName="ready")
    assert follow(group).code == 1
    assert group.versions() == {"1": 3}


def test_one_that_was_cancelled_goes_back_as_well(aws: Account, follow: Follow):
    group = SmallGroup(aws, size=3)
    group.deploy()
    group.until_serving({"1": 2, "2": 1})
    group.client.cancel_instance_refresh(AutoScalingGroupName=group.name)
    found = follow(group)
    assert found.code == 1
    assert "was cancelled" in found.of(group)["said"]
    assert group.versions() == {"1": 3}


def test_without_rollback_it_stays_as_it_is(waiting: Account, follow: Follow):
    group = SmallGroup(waiting, hooks=NOBODY_ANSWERS)
    group.deploy()
    found = follow(group, options=("--no-rollback",))
    assert found.code == 1
    assert f"there still serves version 1 of {group.template}" in found.of(group)["said"]
    assert len(group.refreshes()) == 1
    assert group.named() == "2"


def test_with_nothing_left_to_go_back_to_nothing_is_started(waiting: Account, follow: Follow):
    group = SmallGroup(waiting, hooks=NOBODY_ANSWERS)
    group.deploy()
    group.until_ended()
    for one in group.machines():
        group.client.set_instance_health(
            InstanceId=one["InstanceId"], HealthStatus="Unhealthy", ShouldRespectGracePeriod=False
        )
    found = follow(group)
    assert found.code == 1
    assert "no machine of another version is left to go back to" in found.of(group)["said"]
    assert len(group.refreshes()) == 1


def test_a_way_back_that_fails_is_not_gone_back_from(waiting: Account, follow: Follow):
    group = SmallGroup(waiting, hooks=NOBODY_ANSWERS, size=3)
    group.name_version(group.new_version())
    group.client.set_desired_capacity(AutoScalingGroupName=group.name, DesiredCapacity=4)
    group.answer(group.until_in("Pending:Wait"), "ready")
    group.start(group.launched_from("1"))
    assert group.until_ended()["Status"] == "Failed"
    found = follow(group)
    assert found.code == 1
    assert f"it was a way back itself, to version 1 of {group.template}" in found.of(group)["said"]
    assert len(group.refreshes()) == 1


def test_a_way_back_that_fails_says_so(waiting: Account, follow: Follow):
    group = SmallGroup(waiting, hooks={"ready": (LAUNCHING, 1)}, size=3)
    group.deploy()
    group.answer(group.until_in("Pending:Wait"), "ready")
    found = follow(group)
    assert found.code == 1
    assert f"the way back to version 1 of {group.template} failed too: " in found.of(group)["said"]
    assert len(group.refreshes()) == 2


def test_a_deploy_meanwhile_is_followed_instead(aws: Account, follow: Follow):
    group = SmallGroup(aws)
    group.deploy()
    group.client.cancel_instance_refresh(AutoScalingGroupName=group.name)
    group.until_ended()
    group.deploy()
    assert follow(group).code == 0
    assert group.versions() == {"3": 2}


def test_when_the_time_has_passed_the_rollout_goes_on(aws: Account, follow: Follow):
    group = SmallGroup(aws)
    group.deploy(CheckpointPercentages=[50, 100], CheckpointDelay=3600)
    found = follow(group, options=("--timeout", "2s"))
    assert (found.code, found.of(group)["phase"]) == (3, "running")
    assert "pauses at its checkpoint of 50 % for 1:00:00" in found.of(group)["said"]
    assert group.refreshes()[0]["Status"] == "InProgress"


def test_who_may_not_start_a_refresh_is_told_what_was_to_be_started(waiting, follow, monkeypatch):
    def denied(self: Groups, name: str, back: Back) -> str:
        raise UnansweredError("not authorized to perform: autoscaling:StartInstanceRefresh")

    # The emulator lets everybody do everything.
    monkeypatch.setattr(Groups, "start", denied)
    group = SmallGroup(waiting, hooks=NOBODY_ANSWERS)
    group.deploy()
    found = follow(group)
    assert found.code == 1
    assert (
        f"the way back to version 1 of {group.template} could not be started: not authorized"
        in found.of(group)["said"]
    )


def test_a_group_that_is_not_there_is_nothing_to_follow(aws: Account, follow: Follow):
    group = SmallGroup(aws)
    group.client.delete_auto_scaling_group(AutoScalingGroupName=group.name, ForceDelete=True)
    found = follow(group)
    assert (found.code, found.of(group)["said"]) == (0, "is not there yet")


def test_ctrl_c_ends_the_following_and_not_the_rollout(aws: Account, synthesized: Synthesize):
    group = SmallGroup(aws)
    group.deploy(CheckpointPercentages=[50, 100], CheckpointDelay=3600)
    # What a shell starts in its background hears no Ctrl-C, nor does anything below it.
    heard = ["env", "--default-signal=INT", sys.executable]
    with subprocess.Popen(
        [*heard, "-m", "crossgate.cli", "rollout", "--app-out", synthesized(group)],
        env={**aws.environment, "PYTHONPATH": str(ROOT / "constructs")},
        stdout=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout.readline().startswith(f"aws: {group.name}: running")
        following.send_signal(signal.SIGINT)
        try:
            said, _ = following.communicate(timeout=30)
        finally:
            following.kill()
    assert following.returncode == 130
    assert "stopped following, not the rollout: it goes on in the cloud" in said
    assert group.refreshes()[0]["Status"] == "InProgress"
