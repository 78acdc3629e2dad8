"""What Heat's answers mean, in the shapes and words of Heat 19: who failed, and why."""

from __future__ import annotations

import pytest

from crossgate.cli.following import Phase
from crossgate.cli.openstack.updates import Failure, failures, progress

KIND = "file:///proc/self/cwd/assets/nova/1/member.yaml"
TIMEOUT = "WaitConditionTimeout: resources.ready: 0 of 1 received"
NO_HOST = 'ResourceInError: resources.server: Went to status ERROR due to "Message: No valid host"'


def resource(name, kind, *, parent=None, id="", status="CREATE_COMPLETE", reason="state changed"):
    made = {
        "resource_name": name,
        "logical_resource_id": name,
        "physical_resource_id": id,
        "resource_type": kind,
        "resource_status": status,
        "resource_status_reason": reason,
        "required_by": [],
    }
    # Heat says it of what is below the stack only.
    return made if parent is None else {**made, "parent_resource": parent}


GROUP = resource("group", "OS::Heat::AutoScalingGroup", id="g", status="UPDATE_FAILED")


def member(name, status="UPDATE_COMPLETE"):
    return resource(
        name, "OS::Heat::AutoScalingGroup", parent="group", id=f"{name}-stack", status=status
    )


def one(name, of, server, *, status="CREATE_COMPLETE", reason="state changed", failed="ready"):
    return [
        resource(name, KIND, parent=of, id=f"{name}-stack", status=status, reason=reason),
        resource("handle", "OS::Heat::WaitConditionHandle", parent=name, id="h"),
        resource(
            "server",
            "OS::Nova::Server",
            parent=name,
            id=server,
            **({"status": status, "reason": reason} if failed == "server" else {}),
        ),
        resource(
            "ready",
            "OS::Heat::WaitCondition",
            parent=name,
            **({"status": status, "reason": reason} if failed == "ready" else {}),
        ),
    ]


FAILED = [
    GROUP,
    member("a"),
    *one("x", "a", "s-1"),
    member("b", "UPDATE_FAILED"),
    *one("y", "b", "s-2"),
    *one("z", "b", "s-3", status="CREATE_FAILED", reason=TIMEOUT),
]
"""Member b has the one that served yet, beside the one that has not said that it is ready."""


def test_the_machine_that_was_not_ready_is_named_and_the_others_are_not():
    assert failures(FAILED) == [Failure(member="b", server="s-3", reason=TIMEOUT)]


def test_a_machine_that_nova_could_not_make_is_named_with_novas_reason():
    resources = [
        member("b", "UPDATE_FAILED"),
        *one("z", "b", "s-3", status="CREATE_FAILED", reason=NO_HOST, failed="server"),
    ]
    assert failures(resources) == [Failure(member="b", server="s-3", reason=NO_HOST)]


def test_a_member_that_is_a_machine_is_its_own():
    resources = [
        GROUP,
        resource("a", "OS::Nova::Server", parent="group", id="s-1"),
        resource(
            "b",
            "OS::Nova::Server",
            parent="group",
            id=None,
            status="CREATE_FAILED",
            reason=NO_HOST,
        ),
    ]
    assert failures(resources) == [Failure(member="b", server="", reason=NO_HOST)]


def test_a_failed_update_says_who_failed_and_that_the_others_serve():
    found = progress("gateway-api", "UPDATE_FAILED", "Resource UPDATE failed", FAILED)
    assert found.phase is Phase.FAILED
    assert found.said == f"UPDATE_FAILED: member b (s-3): {TIMEOUT}"
    assert found.do is not None
    assert "those that served go on" in found.do
    assert "`cdktf deploy`, which replaces these" in found.do
    assert "`openstack stack update --existing gateway-api`" in found.do
    assert "openstack console log show s-3" in found.do


def test_without_a_machine_that_failed_heats_own_reason_is_said():
    assert (
        progress("gateway-api", "UPDATE_FAILED", "Timed out", [GROUP]).said
        == "UPDATE_FAILED: Timed out"
    )


@pytest.mark.parametrize("status", ["CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"])
def test_a_stack_that_was_not_made_is_for_the_check(status):
    found = progress("gateway-api", status, "Resource CREATE failed", [])
    assert found.phase is Phase.FAILED
    assert found.do is not None
    assert "`crossgate check`" in found.do


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "CHECK_COMPLETE"])
def test_what_is_complete_is_done(status):
    assert progress("gateway-api", status, "", []).phase is Phase.DONE


def test_while_heat_works_it_is_said_at_whom_and_for_whom_it_waits():
    resources = [
        member("a"),
        member("b", "UPDATE_IN_PROGRESS"),
        *one("y", "b", "s-2"),
        *one("z", "b", "s-3", status="CREATE_IN_PROGRESS"),
    ]
    found = progress("gateway-api", "UPDATE_IN_PROGRESS", "", resources)
    assert found.phase is Phase.RUNNING
    assert found.said == ("UPDATE_IN_PROGRESS; at work on b; waits for s-3 to say that it is ready")
