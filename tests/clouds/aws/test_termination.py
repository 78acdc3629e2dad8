"""Which machine goes, which bounds hold when, where a rollout pauses: as AWS is told."""

from __future__ import annotations

from datetime import time, timedelta

import pytest

from crossgate import (
    AutoScalingGroup,
    AwsCloud,
    Capacity,
    InstanceRefresh,
    Leave,
    ReplaceGroup,
    Scheduled,
    Termination,
)

GIVEN = {
    "region": "us-east-1",
    "zones": ["us-east-1a", "us-east-1b"],
    "image": "ami-0123456789abcdef0",
    "root_device": "/dev/xvda",
    "network": "10.20.0.0/16",
}
NIGHT = Scheduled("night", at=time(22, 30), time_zone="Europe/Berlin", minimum=1, maximum=3)


@pytest.fixture
def made(stack, api, synth):
    def make(**changed):
        aws = AwsCloud(stack, "aws", **GIVEN)
        AutoScalingGroup(stack, "api", clouds=[aws], service=api, **changed)
        resources = synth()["resource"]
        (group,) = resources["aws_autoscaling_group"].values()
        return group, list(resources.get("aws_autoscaling_schedule", {}).values())

    return make


def test_nothing_is_said_of_how_machines_go_unless_the_user_does(made):
    group, schedules = made()
    said = {"max_instance_lifetime", "termination_policies", "lifecycle"}
    assert said & set(group) == set()
    assert schedules == []


def test_policies_get_the_names_of_the_api(made):
    group, _ = made(
        termination=Termination(
            policies=["oldest-launch-template", "closest-to-next-instance-hour"]
        )
    )
    assert group["termination_policies"] == ["OldestLaunchTemplate", "ClosestToNextInstanceHour"]


def test_a_lifetime_is_told_in_seconds(made):
    group, _ = made(termination=Termination(max_lifetime=timedelta(days=7)))
    assert group["max_instance_lifetime"] == 604_800


def test_machines_are_protected_only_when_it_is_asked_for(made):
    group, _ = made()
    assert "protect_from_scale_in" not in group
    assert "scale_in_protected_instances" not in group["instance_refresh"]["preferences"]


def test_protected_machines_stay_when_the_group_shrinks_and_are_changed_as_ever(made):
    group, _ = made(termination=Termination(protect=True))
    assert group["protect_from_scale_in"] is True
    preferences = group["instance_refresh"]["preferences"]
    assert preferences["scale_in_protected_instances"] == "Refresh"


def preferences(made, **refresh):
    group, _ = made(rollout=InstanceRefresh(**refresh))
    return group["instance_refresh"]["preferences"]


def test_a_rollout_goes_on_to_the_end_after_its_last_checkpoint(made):
    found = preferences(made, checkpoints=[0.2, 0.5], checkpoint_delay=timedelta(minutes=10))
    assert found["checkpoint_percentages"] == [20, 50, 100]
    assert found["checkpoint_delay"] == "600"


def test_a_rollout_neither_pauses_nor_listens_unless_it_is_told_to(made):
    said = {"checkpoint_percentages", "checkpoint_delay", "alarm_specification"}
    assert said & set(preferences(made)) == set()


def test_an_alarm_stops_a_rollout(made):
    found = preferences(made, alarms=["errors-high"])
    assert found["alarm_specification"] == {"alarms": ["errors-high"]}


def test_a_machine_whose_disk_stalls_is_replaced(made):
    group, _ = made()
    assert group["health_check_type"] == "EBS"


def test_a_group_that_is_replaced_as_a_whole_stands_beside_the_one_that_serves(made):
    group, _ = made(rollout=ReplaceGroup(warmup=timedelta(minutes=2), alarms=["errors-high"]))
    found = group["instance_refresh"]["preferences"]
    assert (found["min_healthy_percentage"], found["max_healthy_percentage"]) == (100, 200)
    assert found["instance_warmup"] == "120"
    assert found["alarm_specification"] == {"alarms": ["errors-high"]}


def test_a_group_that_is_left_as_it_is_launches_the_newest_version_from_now_on(made):
    group, _ = made(rollout=Leave())
    assert "instance_refresh" not in group
    assert group["launch_template"]["version"].endswith(".latest_version}")


def test_a_schedule_is_a_line_of_cron_in_its_own_time_zone(made):
    _, (schedule,) = made(capacity=Capacity(2, 6, scheduled=[NIGHT]))
    assert schedule["recurrence"] == "30 22 * * *"
    assert schedule["time_zone"] == "Europe/Berlin"
    assert (schedule["min_size"], schedule["max_size"]) == (1, 3)


@pytest.mark.parametrize(
    ("days", "field"),
    [(["mon", "tue", "wed", "thu", "fri"], "1,2,3,4,5"), (["sun"], "0"), (["sat", "sun"], "6,0")],
)
def test_days_are_the_numbers_of_cron(made, days, field):
    one = Scheduled("some", at="07:00", time_zone="UTC", days=days, minimum=2)
    _, (schedule,) = made(capacity=Capacity(2, 6, scheduled=[one]))
    assert schedule["recurrence"] == f"0 7 * * {field}"


def test_a_size_that_is_not_named_stays_as_it_is(made):
    # 0, which the provider takes silence for, would end every machine.
    _, (schedule,) = made(capacity=Capacity(2, 6, scheduled=[NIGHT]))
    assert schedule["desired_capacity"] == -1


def test_a_size_that_is_named_is_taken(made):
    none = Scheduled("off", at="20:00", time_zone="UTC", minimum=0, maximum=6, desired=0)
    _, (schedule,) = made(capacity=Capacity(2, 6, scheduled=[none]))
    assert schedule["desired_capacity"] == 0


def test_a_deploy_leaves_the_bounds_of_the_hour(made):
    group, _ = made(capacity=Capacity(2, 6, scheduled=[NIGHT]))
    assert group["lifecycle"] == {"ignore_changes": ["min_size", "max_size"]}
