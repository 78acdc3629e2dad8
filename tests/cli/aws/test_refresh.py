"""What an instance refresh says of itself, and the way back from one that failed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from crossgate.cli.aws.refresh import Group, Refresh, Version, waits, way_back

X86, ARM = "lt-x86", "lt-arm"


def machine(
    version: str, *, template: str = X86, state: str = "InService", health: str = "Healthy"
) -> dict[str, Any]:
    return {
        "InstanceId": f"i-{version}",
        "LifecycleState": state,
        "HealthStatus": health,
        "LaunchTemplate": {
            "LaunchTemplateId": template,
            "LaunchTemplateName": "gateway-api",
            "Version": version,
        },
    }


def template(version: str, id: str = X86) -> dict[str, str]:
    return {"LaunchTemplateId": id, "LaunchTemplateName": "gateway-api", "Version": version}


def group(version: str, *machines: dict[str, Any]) -> Group:
    return Group.of(
        {
            "AutoScalingGroupName": "gateway-api",
            "DesiredCapacity": len(machines),
            "LaunchTemplate": template(version),
            "Instances": machines,
        }
    )


def mixed(version: str, arm: str | None, *machines: dict[str, Any]) -> Group:
    overrides: list[dict[str, Any]] = [{"InstanceType": "t3.medium"}]
    if arm:
        specification = template(arm, ARM)
        overrides.append(
            {"InstanceType": "t4g.medium", "LaunchTemplateSpecification": specification}
        )
    return Group.of(
        {
            "AutoScalingGroupName": "gateway-api",
            "DesiredCapacity": len(machines),
            "MixedInstancesPolicy": {
                "LaunchTemplate": {
                    "LaunchTemplateSpecification": template(version),
                    "Overrides": overrides,
                },
                "InstancesDistribution": {"OnDemandBaseCapacity": 1},
            },
            "Instances": machines,
        }
    )


def refresh(status: str = "Failed", **more: Any) -> Refresh:
    return Refresh.of({"InstanceRefreshId": "r-1", "Status": status, **more})


def back_to(found: Group, seen: dict[Version, int] | None = None, **more: Any) -> dict[str, str]:
    back = way_back(found, refresh(**more), found.serving if seen is None else seen)
    assert back is not None
    return dict(back.versions)


def test_the_way_back_leads_to_what_serves_and_not_to_what_the_group_names():
    back = way_back(group("2", machine("1"), machine("1"), machine("2")), refresh(), {})
    assert back is not None
    assert back.desired == {"LaunchTemplate": {"LaunchTemplateId": X86, "Version": "1"}}


def test_what_most_ran_when_following_began_is_what_served():
    found = group("3", machine("1"), machine("2"), machine("2"), machine("3"))
    assert back_to(found) == {X86: "2"}
    assert back_to(found, {Version(template=X86, number="1"): 5}) == {X86: "1"}


def test_what_is_gone_is_no_way_back():
    found = group("3", machine("2"), machine("3"))
    assert back_to(found, {Version(template=X86, number="1"): 5}) == {X86: "2"}


def test_of_two_that_ran_as_often_the_older_is_meant():
    assert back_to(group("11", machine("9"), machine("10"))) == {X86: "9"}


@pytest.mark.parametrize(
    "left", [machine("1", state="Pending:Wait"), machine("1", health="Unhealthy")]
)
def test_without_a_machine_that_serves_there_is_no_way_back(left):
    assert way_back(group("2", left, machine("2")), refresh(), {}) is None


def test_a_refresh_that_names_its_version_fails_of_that():
    found = group("1", machine("1"), machine("2"))
    desired = {"LaunchTemplate": template("2")}
    assert back_to(found, DesiredConfiguration=desired) == {X86: "1"}


def test_a_refresh_that_was_given_a_name_is_read_too():
    desired = {"LaunchTemplate": {"LaunchTemplateName": "gateway-api", "Version": "2"}}
    assert refresh(DesiredConfiguration=desired).desired == {"gateway-api": "2"}


def test_a_mixed_group_goes_back_with_all_of_its_policy():
    back = way_back(mixed("2", None, machine("1"), machine("2")), refresh(), {})
    assert back is not None
    assert back.desired == {
        "MixedInstancesPolicy": {
            "LaunchTemplate": {
                # The API refuses an id and a name together.
                "LaunchTemplateSpecification": {"LaunchTemplateId": X86, "Version": "1"},
                "Overrides": [{"InstanceType": "t3.medium"}],
            },
            "InstancesDistribution": {"OnDemandBaseCapacity": 1},
        }
    }


def test_each_template_of_a_mixed_group_goes_back_to_its_own_version():
    machines = [machine("4"), machine("7", template=ARM), machine("5"), machine("8", template=ARM)]
    assert back_to(mixed("5", "8", *machines)) == {X86: "4", ARM: "7"}


def test_a_template_whose_version_did_not_change_stays():
    machines = [machine("4"), machine("5"), machine("7", template=ARM)]
    assert back_to(mixed("5", "7", *machines)) == {X86: "4", ARM: "7"}


@pytest.mark.parametrize("make", [group, lambda *given: mixed(given[0], None, *given[1:])])
def test_a_template_that_was_replaced_is_gone_back_to(make):
    assert back_to(make("1", machine("3", template="lt-old"))) == {"lt-old": "3"}


def test_the_group_itself_is_left_as_it_was():
    found = mixed("2", None, machine("1"))
    way_back(found, refresh(), {})
    assert found.named == {X86: "2"}


def test_the_way_back_keeps_the_bounds_and_neither_pauses_nor_heeds_the_alarm():
    failed = refresh(
        Preferences={
            "MinHealthyPercentage": 100,
            "MaxHealthyPercentage": 110,
            "InstanceWarmup": 60,
            "SkipMatching": True,
            "AutoRollback": True,
            "CheckpointPercentages": [20, 100],
            "CheckpointDelay": 60,
            "AlarmSpecification": {"Alarms": ["api-errors"]},
        }
    )
    back = way_back(group("2", machine("1")), failed, {})
    assert back is not None
    assert back.preferences == {
        "MinHealthyPercentage": 100,
        "MaxHealthyPercentage": 110,
        "InstanceWarmup": 60,
        "SkipMatching": True,
    }


def test_machines_count_by_their_version():
    found = group("2", machine("1"), machine("1"), machine("2", state="Pending:Wait"))
    assert found.serving == Counter({Version(template=X86, number="1"): 2})


ONE, TWO = machine("1"), machine("2")


@pytest.mark.parametrize(
    ("status", "machines", "more", "said"),
    [
        ("Pending", [ONE], {}, "is about to begin"),
        ("InProgress", [ONE], {}, "replaces machines"),
        ("InProgress", [ONE], {"StatusReason": "Waiting."}, "Waiting."),
        (
            "InProgress",
            [ONE, machine("2", state="Pending:Wait")],
            {},
            "waits for i-2 to say that it is ready",
        ),
        (
            "InProgress",
            [machine("1", state="Terminating:Wait"), TWO],
            {},
            "waits for i-1 to leave",
        ),
        ("Cancelling", [ONE], {}, "is being cancelled"),
        (
            "RollbackInProgress",
            [ONE],
            {"RollbackDetails": {"RollbackReason": "An alarm."}},
            "AWS rolls back to version 2 of lt-x86, which the group names; An alarm.",
        ),
        ("Baking", [TWO], {}, "all are replaced; AWS looks at them before it calls it done"),
    ],
)
def test_what_it_waits_for_is_said(status, machines, more, said):
    assert waits(group("2", *machines), refresh(status, **more)) == said


@pytest.mark.parametrize(
    ("percent", "pauses"), [(0, False), (20, True), (40, False), (60, True), (80, False)]
)
def test_a_pause_is_told_at_the_machine_that_reaches_the_checkpoint(percent, pauses):
    found = group("2", *[ONE] * 5)
    preferences = {"CheckpointPercentages": [20, 50, 100], "CheckpointDelay": 1800}
    said = waits(found, refresh("InProgress", PercentageComplete=percent, Preferences=preferences))
    assert ("pauses at its checkpoint" in said) is pauses
    if percent == 60:
        assert "of 50 % for 0:30:00 (h:mm:ss), then goes on by itself" in said


def test_while_a_machine_comes_no_pause_is_told():
    found = group("2", ONE, machine("2", state="Pending:Wait"))
    preferences = {"CheckpointPercentages": [50, 100], "CheckpointDelay": 60}
    said = waits(found, refresh("InProgress", PercentageComplete=50, Preferences=preferences))
    assert "pauses" not in said
