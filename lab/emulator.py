"""moto's server as a program of ours: what it lacks of AWS is added here.

    python -m lab.emulator PORT [--hooks]

- It answers one request at a time: moto keeps an account in plain dictionaries and guards none of
  them, while Terraform asks ten things at once.
- It never creates a load balancer twice: a request that fails within moto is sent again by the
  provider; what had been made before it failed is then there twice, where AWS would have given back
  the first.
- It takes the answers to lifecycle hooks, which moto only keeps: with `--hooks` a new machine waits
  for them, and one that an instance refresh replaces.
- It knows instance refreshes, and which version of a launch template a machine was launched from.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

from moto.autoscaling.models import FakeAutoScalingGroup, InstanceState
from moto.autoscaling.responses import AutoScalingResponse
from moto.ec2.models import EC2Backend
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.ec2.utils import parse_user_data
from moto.elbv2.models import ELBv2Backend, FakeLoadBalancer
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import run_simple

from lab.instance_refreshes import Refreshes
from lab.lifecycle import complete_lifecycle_action, launch_template, launching, living

_LAUNCHED_FROM = ("launch_config_name", "launch_template", "mixed_instances_policy")

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


def without_own_tags(
    create: Callable[..., LaunchTemplate],
) -> Callable[..., LaunchTemplate]:
    """Return `create_launch_template` that keeps a template's own tags out of what it launches."""

    def created(
        self: EC2Backend,
        name: str,
        description: str,
        template_data: dict[str, Any],
        tag_spec: dict[str, Any],
    ) -> LaunchTemplate:
        tags = template_data.pop("TagSpecifications", [])
        if kept := [one for one in tags if one["ResourceType"] != "launch-template"]:
            template_data["TagSpecifications"] = kept
        return create(self, name, description, template_data, tag_spec)

    return created


def with_user_data(
    create: Callable[[LaunchTemplate, dict[str, Any], str], Any],
) -> Callable[[LaunchTemplate, dict[str, Any], str], Any]:
    """Return `create_version` whose later versions can be launched too: as moto's first can."""

    def created(self: LaunchTemplate, data: dict[str, Any], description: str) -> Any:  # noqa: ANN401
        if isinstance(given := data.get("UserData"), str | bytes):
            data = {**data, "UserData": parse_user_data(given)}
        return create(self, data, description)

    return created


def keeping(update: Callable[..., None]) -> Callable[..., None]:
    """Return the update of a group that leaves what it launches from when nothing is said of it."""

    def updated(self: FakeAutoScalingGroup, **given: Any) -> None:  # noqa: ANN401
        kept = self.mixed_instances_policy
        update(self, **given)
        if not any(given.get(name) for name in _LAUNCHED_FROM):
            self.mixed_instances_policy = kept

    return updated


def main(port: int, *, hooks: bool = False) -> None:
    """Serve on a port of the loopback address until the process is ended."""
    launch = FakeAutoScalingGroup.replace_autoscaling_group_instances
    ours: list[tuple[type, str, object]] = [
        (ELBv2Backend, "create_load_balancer", create_once(ELBv2Backend.create_load_balancer)),
        (EC2Backend, "create_launch_template", without_own_tags(EC2Backend.create_launch_template)),
        (LaunchTemplate, "create_version", with_user_data(LaunchTemplate.create_version)),
        (FakeAutoScalingGroup, "update", keeping(FakeAutoScalingGroup.update)),
        (FakeAutoScalingGroup, launch.__name__, launching(launch, hooks=hooks)),
        (FakeAutoScalingGroup, "active_instances", living),
        (InstanceState, "launch_template", property(launch_template)),
        (AutoScalingResponse, "complete_lifecycle_action", complete_lifecycle_action),
    ]
    for owner, name, replacement in ours:
        setattr(owner, name, replacement)
    Refreshes(hooks=hooks).serve()
    run_simple(
        "127.0.0.1",
        port,
        one_at_a_time(DomainDispatcherApplication(create_backend_app)),
        threaded=True,
        request_handler=MotoRequestHandler,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), hooks="--hooks" in sys.argv[2:])
