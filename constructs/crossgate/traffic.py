"""Who runs a service and who leads clients there, as every discovery records it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.errors import ConfigError
from crossgate.terraform.checks import late_check

if TYPE_CHECKING:
    from crossgate.connections import Connections
    from crossgate.model.service import Service
    from crossgate.terraform.engine import Construct


class Traffic:
    """Machines that run services and machines that balance them, let in where they meet.

    In whatever order both are recorded. When the stack is synthesized, services that are led to and
    that nobody runs are refused.
    """

    def __init__(self, scope: Construct) -> None:
        """Begin with nobody; `scope` is whose stack it is about."""
        self._providers: dict[str, list[tuple[Service, Connections]]] = {}
        self._balancers: dict[str, list[tuple[Service, Connections]]] = {}
        late_check(scope, self._nobody_runs)

    def provides(self, service: Service, member: Connections) -> None:
        """Record that machines run `service`, and let its balancers in.

        Raises:
            ConfigError: others run or balance a different service of the same name.

        """
        self._refuse_namesakes("runs", service, member)
        self._providers.setdefault(service.name, []).append((service, member))
        for _, balancer in self._balancers.get(service.name, ()):
            _open(service, member, balancer)

    def balances(self, service: Service, member: Connections) -> None:
        """Record that machines send traffic to `service`, and let them in where it runs.

        Raises:
            ConfigError: others run or balance a different service of the same name.

        """
        self._refuse_namesakes("leads to", service, member)
        self._balancers.setdefault(service.name, []).append((service, member))
        for _, provider in self._providers.get(service.name, ()):
            _open(service, provider, member)

    def _refuse_namesakes(self, what: str, service: Service, member: Connections) -> None:
        name = service.name
        for known, other in (*self._providers.get(name, ()), *self._balancers.get(name, ())):
            if known != service:
                raise ConfigError(
                    f"{what} a service {name!r} that differs from the one of {other.path}",
                    path=member.path,
                    do="share one Service object, or give the two services different names",
                )

    def _nobody_runs(self) -> list[ConfigError]:
        problems = []
        for name, uses in self._balancers.items():
            running = {cloud for _, m in self._providers.get(name, ()) for cloud in m.firewalls}
            for _, balancer in uses:
                missing = [c.name for c in balancer.firewalls if c not in running]
                if missing:
                    problems.append(
                        ConfigError(
                            f"a listener leads to the service {name!r}, which nobody runs there",
                            path=balancer.path,
                            got=f"no machine runs it in {', '.join(missing)}",
                            want=f"a group with service={name!r} in every cloud of the listener",
                            do=f"AutoScalingGroup(..., service={name}, discovery=...) in "
                            f"{', '.join(missing)}, or leave these out of the balancer's clouds=",
                        )
                    )
        return problems


def _open(service: Service, provider: Connections, balancer: Connections) -> None:
    provider.allow_from(balancer, port=service.port, why=f"{service.name} from its balancers")
    if service.agent_port is not None:
        why = f"how {service.name} is, to its balancers"
        provider.allow_from(balancer, port=service.agent_port, why=why)
