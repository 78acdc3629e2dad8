"""Launching machines of Auto Scaling groups in moto, and hooks: as AWS has them, not as moto does.

Source: EC2 Auto Scaling user guide, "Amazon EC2 Auto Scaling instance lifecycle".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import FakeAutoScalingGroup, InstanceState, LifecycleHook
from moto.core.responses import ActionResult, EmptyResult

from lab.aws_machines import TEMPLATE, VERSION

if TYPE_CHECKING:
    from moto.autoscaling.responses import AutoScalingResponse

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
"""What hooks are for."""

PENDING = "Pending:Wait"
REFUSED = "Pending:Abandoned"
SERVING = "InService"
LEAVING = "Terminating:Wait"
LEFT = "Terminating:Proceed"
"""States of a machine. The second is ours, until the refresh that has launched it sees it."""

ANSWERED = "lab:answered-"
"""Beginning of the tag that an instance has for each hook that it has answered."""

Launch = Callable[[FakeAutoScalingGroup, int, dict[str, str]], None]


def launching(launch: Launch, *, hooks: bool) -> Launch:
    """Return what launches machines of the version that the group names.

    With `hooks` they wait where their group has a launch hook. moto says of each that it was
    launched from the template's default version.
    """

    def launched(self: FakeAutoScalingGroup, count: int, tags: dict[str, str]) -> None:
        before = len(self.instance_states)
        launch(self, count, tags)
        waits = hooks and hook_of(self, LAUNCHING) is not None
        for state in self.instance_states[before:]:
            if self.ec2_launch_template is not None:
                state.instance.add_tags({VERSION: str(version_of(self))})
            if waits:
                state.lifecycle_state = PENDING

    return launched


def living(group: FakeAutoScalingGroup) -> list[InstanceState]:
    """Return the machines that count for the size; moto takes those that do not serve for none."""
    return [one for one in group.instance_states if one.lifecycle_state != "Standby"]


def launch_template(self: InstanceState) -> dict[str, str] | None:
    """Return what a machine was launched from; moto answers with what its group names."""
    tags = {tag["key"]: tag["value"] for tag in self.instance.get_tags()}
    if TEMPLATE not in tags:
        return None
    template = self.instance.ec2_backend.get_launch_template(tags[TEMPLATE])
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "Version": tags[VERSION],
    }


def version_of(group: FakeAutoScalingGroup) -> int:
    """Return the number of the version that a group names."""
    template: Any = group.ec2_launch_template
    return int(template.get_version(group.launch_template_version).number)


def complete_lifecycle_action(self: AutoScalingResponse) -> ActionResult:
    """Answer the action of that name; the instance has a tag of each hook that it has answered."""
    backend = self.autoscaling_backend
    name, hook = self._get_param("AutoScalingGroupName"), self._get_param("LifecycleHookName")
    instance, result = self._get_param("InstanceId"), self._get_param("LifecycleActionResult")
    group = backend.autoscaling_groups.get(name)
    states = [one for one in group.instance_states if one.instance_id == instance] if group else []
    found = [one for one in _hooks(group) if one.name == hook] if group else []
    if not states or not found:
        raise ValidationError(f"No active Lifecycle Action found with instance ID {instance}")
    (state,), (asked,) = states, found
    backend.ec2_backend.create_tags([instance], {f"{ANSWERED}{hook}": result})
    if asked.lifecycle_transition == LAUNCHING and state.lifecycle_state == PENDING:
        state.lifecycle_state = REFUSED if result == "ABANDON" else SERVING
    elif asked.lifecycle_transition == TERMINATING and state.lifecycle_state == LEAVING:
        state.lifecycle_state = LEFT
    return EmptyResult()


def hook_of(group: FakeAutoScalingGroup, transition: str) -> LifecycleHook | None:
    """Return the hook of a group for a transition; None: it has none."""
    return next((one for one in _hooks(group) if one.lifecycle_transition == transition), None)


def _hooks(group: FakeAutoScalingGroup) -> list[Any]:
    found: list[Any] = group.autoscaling_backend.describe_lifecycle_hooks(group.name)
    return found
