"""moto's server as a program of ours: what it lacks of AWS is added here.

    python -m lab.emulator PORT [--hooks]

- It answers one request at a time: moto keeps an account in plain dictionaries and guards none of
  them, while Terraform asks ten things at once.
- It never creates a load balancer twice: a request that fails within moto is sent again by the
  provider; what had been made before it failed is then there twice, where AWS would have given back
  the first.
- It leaves the machine types of a group as they are when an update says nothing of them.
- It ends machines that are too many once their protection is taken away.
- It takes the answers to lifecycle hooks, which moto only keeps: with `--hooks` a new machine waits
  for them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from copy import deepcopy
from threading import Lock
from typing import Any

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup, LifecycleHook
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.elbv2.models import ELBv2Backend, FakeLoadBalancer
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import run_simple

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
PENDING = "Pending:Wait"
ANSWERED = "lab:answered-"
"""Beginning of the tag that an instance has for each hook that it has answered."""

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def one_at_a_time(application: Application) -> Application:
    """Return a WSGI application that answers a request when the one before it is answered."""
    lock = Lock()

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401
        with lock:
            # Made whole here: moto looks into its account until the last byte is written.
            return list(application(environ, start_response))

    return answer


def create_once(
    create: Callable[..., FakeLoadBalancer],
) -> Callable[..., FakeLoadBalancer]:
    """Return `create_load_balancer` that gives back the one of that name when there is one.

    Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/
    API_CreateLoadBalancer.html ("This operation is idempotent").
    """

    def created(self: ELBv2Backend, name: str, **given: Any) -> FakeLoadBalancer:  # noqa: ANN401
        for one in self.load_balancers.values():
            if one.name == name:
                return one
        return create(self, name=name, **given)

    return created


def keep_mixture(update: Callable[..., None]) -> Callable[..., None]:
    """Return `update` of a group that leaves its mixed instances policy unless it says otherwise.

    Terraform makes a group with lifecycle hooks empty, puts the hooks, and updates its size.
    Source: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/
    API_UpdateAutoScalingGroup.html ("Any parameters that you don't specify are not changed").
    """

    def updated(self: FakeAutoScalingGroup, **given: Any) -> None:  # noqa: ANN401  (moto's own)
        named = ("launch_config_name", "launch_template", "mixed_instances_policy")
        if self.mixed_instances_policy and not any(given.get(name) for name in named):
            kept = deepcopy(self.mixed_instances_policy)
            # moto has noted the template's id and its name, and takes one of them alone.
            kept["LaunchTemplate"]["LaunchTemplateSpecification"].pop("LaunchTemplateName", None)
            given["mixed_instances_policy"] = kept
        update(self, **given)

    return updated


def go_on_shrinking(protect: Callable[..., None]) -> Callable[..., None]:
    """Return `set_instance_protection` after which a group that has too many machines shrinks.

    AWS compares the wanted size with the real one for ever; moto does so only when the wanted size
    is set. Terraform destroys a group by wanting none first and taking the protection away then,
    and would wait for its whole timeout. Source: `drainGroup` of its provider, in
    internal/service/autoscaling/group.go, and https://docs.aws.amazon.com/autoscaling/ec2/
    userguide/ec2-auto-scaling-instance-protection.html (the wanted size falls although all are
    protected, and machines go once they are not).
    """

    def protected(
        self: AutoScalingBackend, group_name: str, instance_ids: list[str], *given: bool | None
    ) -> None:
        protect(self, group_name, instance_ids, *given)
        group = self.autoscaling_groups[group_name]
        wanted = group.desired_capacity
        if wanted is not None and len(group.active_instances()) > wanted:
            group.set_desired_capacity(wanted)

    return protected


def pending(
    launch: Callable[[FakeAutoScalingGroup, int, dict[str, str]], None],
) -> Callable[[FakeAutoScalingGroup, int, dict[str, str]], None]:
    """Return what launches machines that wait where their group has a launch hook.

    Source: EC2 Auto Scaling user guide, "Amazon EC2 Auto Scaling instance lifecycle".
    """

    def launched(self: FakeAutoScalingGroup, count: int, tags: dict[str, str]) -> None:
        before = len(self.instance_states)
        launch(self, count, tags)
        if any(hook.lifecycle_transition == LAUNCHING for hook in _hooks(self)):
            for state in self.instance_states[before:]:
                state.lifecycle_state = PENDING

    return launched


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
        state.lifecycle_state = "InService"
    return EmptyResult()


def _hooks(group: FakeAutoScalingGroup) -> list[LifecycleHook]:
    found: list[LifecycleHook] = group.autoscaling_backend.describe_lifecycle_hooks(group.name)
    return found


def main(port: int, *, hooks: bool = False) -> None:
    """Serve on a port of the loopback address until the process is ended."""
    ELBv2Backend.create_load_balancer = create_once(  # type: ignore[method-assign]
        ELBv2Backend.create_load_balancer
    )
    AutoScalingBackend.set_instance_protection = go_on_shrinking(  # type: ignore[method-assign]
        AutoScalingBackend.set_instance_protection
    )
    FakeAutoScalingGroup.update = keep_mixture(  # type: ignore[method-assign]
        FakeAutoScalingGroup.update
    )
    AutoScalingResponse.complete_lifecycle_action = complete_lifecycle_action  # type: ignore[attr-defined]
    if hooks:
        FakeAutoScalingGroup.replace_autoscaling_group_instances = pending(  # type: ignore[method-assign, assignment]
            FakeAutoScalingGroup.replace_autoscaling_group_instances
        )
    run_simple(
        "127.0.0.1",
        port,
        one_at_a_time(DomainDispatcherApplication(create_backend_app)),
        threaded=True,
        request_handler=MotoRequestHandler,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), hooks="--hooks" in sys.argv[2:])
