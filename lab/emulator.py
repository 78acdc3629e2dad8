"""moto's server as a program of ours: it answers one request at a time, and never creates twice.

moto keeps an account in plain dictionaries and guards none of them, while Terraform asks ten things
at once. A request that fails within it is sent again by the provider; what had been made before it
failed is then there twice, where AWS would have given back the first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

from moto.autoscaling.models import AutoScalingBackend
from moto.elbv2.models import ELBv2Backend, FakeLoadBalancer
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import run_simple

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


def main(port: int) -> None:
    """Serve on a port of the loopback address until the process is ended."""
    ELBv2Backend.create_load_balancer = create_once(  # type: ignore[method-assign]
        ELBv2Backend.create_load_balancer
    )
    AutoScalingBackend.set_instance_protection = go_on_shrinking(  # type: ignore[method-assign]
        AutoScalingBackend.set_instance_protection
    )
    run_simple(
        "127.0.0.1",
        port,
        one_at_a_time(DomainDispatcherApplication(create_backend_app)),
        threaded=True,
        request_handler=MotoRequestHandler,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
