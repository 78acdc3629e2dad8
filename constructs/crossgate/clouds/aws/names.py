"""Names in Route 53 that lead to entries in any cloud, looked at from around the world."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from math import lcm
from typing import TYPE_CHECKING

from crossgate.clouds.aws.bindings.data import DataRoute53Zone
from crossgate.clouds.aws.bindings.names import Route53HealthCheck, Route53Record
from crossgate.errors import RefusedError
from crossgate.model.argument import checked
from crossgate.model.names import dns_name
from crossgate.terraform.engine import Construct, path_of

if TYPE_CHECKING:
    from crossgate.clouds.aws.cloud import AwsCloud
    from crossgate.specs import NameSpec

_REGIONS = ("ap-southeast-1", "eu-west-1", "us-east-1")
"""From where it looks; Route 53 wants three. Fewer ranges to let in than of all eight."""

# Service ROUTE53_HEALTHCHECKS of https://ip-ranges.amazonaws.com/ip-ranges.json: the whole world's,
# and those of the regions above.
_CHECKERS = (
    "15.177.0.0/18",
    "54.251.31.128/26",
    "54.255.254.192/26",
    "54.228.16.0/26",
    "176.34.159.192/26",
    "54.243.31.192/26",
    "107.23.255.0/26",
)
_INTERVAL_SECONDS = 10
_FAILURES = 2
_HEAVIEST = 255


class Route53:
    """A public hosted zone of Route 53, which leads clients to entries that are well.

    Checkers in three regions open a connection to each address every ten seconds; after two that
    fail nobody is led there any more. They must reach the addresses from the internet.
    """

    checkers: Sequence[IPv4Network] = tuple(map(IPv4Network, _CHECKERS))

    def __init__(self, cloud: AwsCloud, zone: str, zone_id: str | None) -> None:
        """Remember the zone.

        Args:
            cloud: with the account that has it.
            zone: its name, "example.org".
            zone_id: its id; None: Terraform looks it up by the name.

        Raises:
            ConfigError: one of them is wrong.

        """
        path = f"{path_of(cloud)}: zone({zone!r})"
        self.scope = cloud
        self._cloud = cloud
        self.name = dns_name(zone, path)
        self._id = checked((str, type(None)), zone_id, argument="zone_id", path=path)

    def refusals(self, spec: NameSpec) -> Sequence[RefusedError]:
        """Return why it cannot lead anybody so."""
        found = []
        for cloud, addresses in spec.entries.items():
            inside = [one for one in addresses if _private(one)]
            if inside:
                found.append(
                    RefusedError(
                        f"nobody looks at an address of {cloud} from the internet",
                        path=spec.name,
                        got=", ".join(inside),
                        want="addresses that the internet reaches",
                        do="have another name for that cloud, in a zone that looks at nothing",
                    )
                )
        heaviest = max(_weights(spec).values(), default=0)
        if heaviest > _HEAVIEST:
            found.append(
                RefusedError(
                    "a weight is too large for Route 53, which parts a cloud's by its addresses",
                    path=spec.name,
                    got=heaviest,
                    want=f"{_HEAVIEST} at most; smaller weights in the same proportion",
                )
            )
        return found

    def lead(self, scope: Construct, id: str, spec: NameSpec) -> None:
        """Make a record and a check for each address.

        All records have weights, also where one cloud is to have all clients: records of two kinds
        cannot stand side by side, and so none could take the other's place in one deploy.
        """
        inner = Construct(scope, id)
        zone = self._id or self._found(inner)
        weights = _weights(spec)
        for cloud, addresses in spec.entries.items():
            for number, address in enumerate(addresses):
                which = f"{cloud}-{number}"
                check = self._check(inner, spec, which, address)
                Route53Record(
                    inner,
                    f"record-{which}",
                    zone_id=zone,
                    name=spec.name,
                    type="A",
                    ttl=spec.ttl,
                    records=[address],
                    set_identifier=which,
                    weighted_routing_policy={"weight": weights[cloud]},
                    health_check_id=Route53HealthCheck.id.of(check),
                    provider=self._cloud.provider,
                )

    def _found(self, scope: Construct) -> str:
        found = DataRoute53Zone(
            scope, "zone", name=self.name, private_zone=False, provider=self._cloud.provider
        )
        return found.zone_id

    def _check(
        self, scope: Construct, spec: NameSpec, which: str, address: str
    ) -> Route53HealthCheck:
        return Route53HealthCheck(
            scope,
            f"check-{which}",
            type="TCP",
            ip_address=address,
            port=spec.port,
            request_interval=_INTERVAL_SECONDS,
            failure_threshold=_FAILURES,
            regions=list(_REGIONS),
            tags={"Name": f"{spec.name} {which}"},
            provider=self._cloud.provider,
        )


def _weights(spec: NameSpec) -> dict[str, int]:
    """Return the weight of each address, by its cloud: together they weigh what that should."""
    counts = {cloud: len(addresses) for cloud, addresses in spec.entries.items()}
    whole = lcm(*counts.values())
    return {cloud: spec.weights[cloud] * whole // count for cloud, count in counts.items()}


def _private(address: str) -> bool:
    try:
        return not IPv4Address(address).is_global
    except ValueError:  # known when Terraform runs
        return False
