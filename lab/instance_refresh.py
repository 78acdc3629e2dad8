"""Instance refreshes of Auto Scaling groups, which moto lacks: machines replaced one by one.

A refresh goes one step on whenever something is asked about groups: a machine more, or one less.
The new one is launched first, whatever the bounds say. Source: EC2 Auto Scaling user guide, "Use an
instance refresh to update instances", and the API's reference.
"""

from __future__ import annotations

import copy
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.autoscaling.exceptions import AutoscalingClientError

from lab.lifecycle import (
    LAUNCHING,
    LEAVING,
    LEFT,
    PENDING,
    REFUSED,
    TERMINATING,
    hook_of,
    launch_template,
    version_of,
)
from lab.metadata import TO_GO

if TYPE_CHECKING:
    from moto.autoscaling.models import FakeAutoScalingGroup, InstanceState

_ACTIVE = ("Pending", "InProgress", "Cancelling", "RollbackInProgress")
_ALL = 100
_CONFIGURATION = (
    "ec2_launch_template",
    "launch_template_version",
    "mixed_instances_policy",
    "provided_launch_template_version",
)
"""Where moto's group keeps what it launches from."""


class Refresh:
    """One instance refresh of a group.

    Args:
        group: the group.
        given: what StartInstanceRefresh was told.
        hooks: whether machines answer hooks, and warm up; else they come and go at once.

    Attributes:
        id: its id.
        status: the API's word for how it is.

    """

    def __init__(
        self, group: FakeAutoScalingGroup, given: Mapping[str, Any], *, hooks: bool
    ) -> None:
        self._group = group
        self._hooks = hooks
        self._desired = given.get("DesiredConfiguration") or {}
        self._preferences = given.get("Preferences") or {}
        self.id = str(uuid.uuid4())
        self.status = "Pending"
        self._reason: str | None = None
        self._rollback: dict[str, Any] | None = None
        self._started = datetime.now(UTC)
        self._ended: datetime | None = None
        # When, on this program's clock, machines were launched, served first, and were to go.
        self._launched: dict[str, float] = {}
        self._served: dict[str, float] = {}
        self._leaving: dict[str, float] = {}
        self._checkpoints: dict[int, float] = {}
        with self._configured():
            # Known now: who changes the group meanwhile starts another refresh.
            self._meant = str(version_of(group))
        # The wanted size counts weights, where machines have some.
        self._size = len(group.instance_states)
        self._aim()

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.status in _ACTIVE

    def described(self) -> dict[str, Any]:
        """Return it as DescribeInstanceRefreshes shows it."""
        if self.active:
            self._count()
        shown = {
            "InstanceRefreshId": self.id,
            "AutoScalingGroupName": self._group.name,
            "Status": self.status,
            "StatusReason": self._reason,
            "StartTime": self._started,
            "EndTime": self._ended,
            "PercentageComplete": self._percent,
            "InstancesToUpdate": self._left,
            "Preferences": self._preferences,
            "DesiredConfiguration": self._desired,
            "RollbackDetails": self._rollback,
            "Strategy": "Rolling",
        }
        return {name: value for name, value in shown.items() if value not in (None, {})}

    def step(self) -> None:
        """Go one step on, when no machine is on its way in or out."""
        if self.status == "Pending":
            self.status = "InProgress"
            return
        waiting = [one for one in list(self._group.instance_states) if self._awaits(one)]
        if not self.active:
            return
        left = self._count()
        if waiting:
            first = waiting[0]
            self._reason = (
                "Waiting for remaining instances to be available. "
                f"For example: {first.instance_id} is in {first.lifecycle_state}."
            )
        elif self.status == "Cancelling":
            if left and len(self._group.instance_states) > self._size:
                # The group itself ends what is too much.
                self._retire(left[0])
            else:
                self._end("Cancelled", "Cancelled by a request.")
        elif not left:
            self._succeed()
        elif not self._pauses():
            self._replace(left)

    def cancel(self) -> None:
        """Begin nothing new; it has ended when no machine is on its way any more."""
        self.status = "Cancelling"

    def roll_back(self, why: str) -> None:
        """Replace what was replaced, by what the group itself names.

        Raises:
            AutoscalingClientError: it has no desired configuration, so the group names what it
                was to become.

        """
        if not self._desired:
            raise AutoscalingClientError(
                "IrreversibleInstanceRefreshFault",
                "The instance refresh has no desired configuration.",
            )
        self.status, self._reason = "RollbackInProgress", None
        self._rollback = {"RollbackReason": why, "RollbackStartTime": datetime.now(UTC)}
        self._meant = str(version_of(self._group))
        self._aim()

    def _aim(self) -> None:
        skip = self._rollback is not None or self._preferences.get("SkipMatching")
        self._old = {
            one.instance_id
            for one in self._group.instance_states
            if not (skip and (launch_template(one) or {}).get("Version") == self._meant)
        }
        self._count()

    def _count(self) -> list[InstanceState]:
        """Return the machines that are still to be replaced."""
        left = [one for one in self._group.instance_states if one.instance_id in self._old]
        self._left = len(left)
        total = len(self._old)
        self._percent = _ALL * (total - self._left) // total if total else _ALL
        return left

    def _awaits(self, machine: InstanceState) -> bool:
        """Return whether a machine is on its way in or out; end it when its time has passed."""
        name, state, now = machine.instance_id, machine.lifecycle_state, time.monotonic()
        if state in (LEAVING, LEFT):
            began = self._leaving.setdefault(name, now)
            if state == LEFT or now > began + self._patience(TERMINATING):
                self._terminate(machine)
                return False
            return True
        if name not in self._launched:
            return False
        if state == REFUSED or (
            state == PENDING and now > self._launched[name] + self._patience(LAUNCHING)
        ):
            self._terminate(machine)
            if self.status != "Cancelling":
                self._fail(f"{name} was abandoned: its launch hook was not answered CONTINUE.")
            return False
        warm = self._served.setdefault(name, now) if state != PENDING else now
        return state == PENDING or (self._hooks and now < warm + self._warmup)

    @property
    def _warmup(self) -> int:
        return int(self._preferences.get("InstanceWarmup") or 0)

    def _patience(self, transition: str) -> int:
        hook = hook_of(self._group, transition)
        return int(hook.heartbeat_timeout) if hook else 0

    def _pauses(self) -> bool:
        """Return whether a checkpoint that was reached is not long enough ago."""
        self._reason = None
        delay = int(self._preferences.get("CheckpointDelay") or 0)
        reached = [
            percent
            for percent in self._preferences.get("CheckpointPercentages") or ()
            if int(percent) <= self._percent < _ALL
        ]
        now = time.monotonic()
        return bool(reached) and now < self._checkpoints.setdefault(max(reached), now) + delay

    def _replace(self, left: list[InstanceState]) -> None:
        group = self._group
        if len(group.instance_states) > self._size:
            self._retire(left[0])
            return
        before = {one.instance_id for one in group.instance_states}
        with self._configured():
            group.replace_autoscaling_group_instances(1, group.get_propagated_tags())
        for one in group.instance_states:
            if one.instance_id not in before:
                self._launched[one.instance_id] = time.monotonic()
        group.autoscaling_backend.update_attached_target_groups(group.name)

    def _retire(self, machine: InstanceState) -> None:
        if not self._hooks or hook_of(self._group, TERMINATING) is None:
            self._terminate(machine)
            return
        machine.lifecycle_state = LEAVING
        self._group.ec2_backend.create_tags([machine.instance_id], {TO_GO: ""})
        self._deregister(machine)

    def _terminate(self, machine: InstanceState) -> None:
        self._deregister(machine)
        self._group.instance_states.remove(machine)
        self._group.ec2_backend.terminate_instances([machine.instance_id])

    def _deregister(self, machine: InstanceState) -> None:
        balancing = self._group.autoscaling_backend.elbv2_backend
        for name in self._group.target_group_arns:
            found = balancing.target_groups.get(name)
            if found is not None and machine.instance_id in found.targets:
                found.deregister([{"Id": machine.instance_id}])

    def _succeed(self) -> None:
        if self._rollback is not None:
            self._end("RollbackSuccessful", None)
            return
        # From here on the group names what it was given.
        _configure(self._group, self._desired)
        self._end("Successful", None)

    def _fail(self, why: str) -> None:
        if self.status == "InProgress" and self._preferences.get("AutoRollback") is True:
            self.roll_back(why)
        else:
            self._end("Failed" if self._rollback is None else "RollbackFailed", why)

    def _end(self, status: str, why: str | None) -> None:
        self._count()
        self.status, self._reason, self._ended = status, why, datetime.now(UTC)

    @contextmanager
    def _configured(self) -> Iterator[None]:
        """Have the group launch from what is meant, and not from what it names."""
        kept = vars(self._group)
        before = {name: kept[name] for name in _CONFIGURATION if name in kept}
        try:
            if self._rollback is None:
                _configure(self._group, self._desired)
            yield
        finally:
            for name in _CONFIGURATION:
                kept.pop(name, None)
            kept.update(before)


def _configure(group: FakeAutoScalingGroup, desired: Mapping[str, Any]) -> None:
    mixed = copy.deepcopy(desired.get("MixedInstancesPolicy"))
    template = copy.deepcopy(desired.get("LaunchTemplate"))
    if mixed or template:
        group.mixed_instances_policy = mixed
        group._set_launch_configuration("", template or {}, mixed)
