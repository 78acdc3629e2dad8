"""moto's server as a program of ours: what it lacks of AWS is added here.

    python -m lab.emulator PORT [--hooks]

- It answers one request at a time: moto keeps an account in plain dictionaries and guards none of
  them, while Terraform asks ten things at once. A request that is sent again gets the answer that
  the first one was given.
- It never creates a load balancer twice: a request that fails within moto is sent again by the
  provider; what had been made before it failed is then there twice, where AWS would have given back
  the first. It does not forget their fixed addresses either.
- Fixed addresses are of a range that a lab can route, where moto's are in 127.0.0.0/8: machines
  of another cloud are told to connect to them.
- It leaves the machine types of a group as they are when an update says nothing of them.
- It ends machines that are too many once their protection is taken away.
- It takes the answers to lifecycle hooks, which moto only keeps: with `--hooks` a new machine waits
  for them, and one that an instance refresh replaces.
- It knows instance refreshes, and which version of a launch template a machine was launched from.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable
from copy import deepcopy
from ipaddress import IPv4Address
from itertools import count
from threading import Lock
from types import ModuleType
from typing import Any, NamedTuple, cast

from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup, InstanceState
from moto.autoscaling.responses import AutoScalingResponse
from moto.ec2.models import EC2Backend, elastic_ip_addresses
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.ec2.utils import parse_user_data
from moto.elbv2.models import AvailabilityZone, ELBv2Backend, FakeLoadBalancer
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import run_simple
from werkzeug.test import run_wsgi_app

from lab.instance_refreshes import Refreshes
from lab.lifecycle import complete_lifecycle_action, launch_template, launching, living

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

_ANSWERS = 1000
"""So many are kept for requests that come again."""

_FIRST_ADDRESS = IPv4Address("198.18.1.1")
"""Of the range for tests of networks (RFC 2544), which nothing else uses."""

_FIRST = "attempt=1"
_REFUSED = "300"


class _Answer(NamedTuple):
    status: str
    headers: list[tuple[str, str]]
    body: list[bytes]


def one_at_a_time(application: Application) -> Application:
    """Return a WSGI application that answers a request when the one before it is answered.

    A request that comes again gets the answer that it was given before: SDKs of AWS ask again when
    the answer is lost on its way, with the name of the first attempt, and AWS itself loses none.
    """
    lock = Lock()
    answers: OrderedDict[str, _Answer] = OrderedDict()

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401
        invocation = environ.get("HTTP_AMZ_SDK_INVOCATION_ID", "")
        attempt = environ.get("HTTP_AMZ_SDK_REQUEST", _FIRST)
        with lock:
            given = answers.get(invocation)
            if _FIRST not in attempt.split("; "):
                print(f"{attempt}, answered before: {given and given.status}", flush=True)
            if given is None:
                # Made whole here: moto looks into its account until the last byte is written.
                body, status, headers = run_wsgi_app(application, environ, buffered=True)
                given = _Answer(status, headers.to_wsgi_list(), list(body))
                if invocation and given.status < _REFUSED:
                    answers[invocation] = given
                if len(answers) > _ANSWERS:
                    answers.popitem(last=False)
        start_response(given.status, given.headers)
        return given.body

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
        made: Any = create(self, name=name, **given)
        made.allocated = {
            mapping["SubnetId"]: mapping["AllocationId"]
            for mapping in given.get("subnet_mappings") or ()
            if "AllocationId" in mapping
        }
        return cast("FakeLoadBalancer", made)

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


def zones(self: Any) -> list[AvailabilityZone]:  # noqa: ANN401  (moto's, with an attribute more)
    """Return the zones of a load balancer with their fixed addresses, which moto forgets.

    A deploy that finds none would put them there again, which moto refuses.
    """
    found: list[Any] = [AvailabilityZone(subnet) for subnet in self.subnets]
    for zone in found:
        if zone.subnet_id in self.allocated:
            zone.load_balancer_addresses = [{"AllocationId": self.allocated[zone.subnet_id]}]
    return found


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


def main(port: int, *, hooks: bool = False) -> None:
    """Serve on a port of the loopback address until the process is ended."""
    protect = AutoScalingBackend.set_instance_protection
    launch = FakeAutoScalingGroup.replace_autoscaling_group_instances
    addresses = map(str, map(_FIRST_ADDRESS.__add__, count()))
    ours: list[tuple[type | ModuleType, str, object]] = [
        (elastic_ip_addresses, "random_ip", lambda: next(addresses)),
        (ELBv2Backend, "create_load_balancer", create_once(ELBv2Backend.create_load_balancer)),
        (EC2Backend, "create_launch_template", without_own_tags(EC2Backend.create_launch_template)),
        (LaunchTemplate, "create_version", with_user_data(LaunchTemplate.create_version)),
        (FakeLoadBalancer, "availability_zones", property(zones)),
        (AutoScalingBackend, protect.__name__, go_on_shrinking(protect)),
        (FakeAutoScalingGroup, "update", keep_mixture(FakeAutoScalingGroup.update)),
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
