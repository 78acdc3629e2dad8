"""`AwsCloud`: one region of AWS as a place where machines run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, TypeVar

from crossgate.boot import cloud_init
from crossgate.clouds.aws import (
    archive,
    catalogue,
    entry,
    health,
    identity,
    images,
    keeper,
    lifecycle,
    limits,
    machines,
    mixture,
    scaling,
    secrets,
    sessions,
    warm_pool,
)
from crossgate.clouds.aws.bindings.provider import AwsProvider
from crossgate.clouds.aws.entry import AwsEntry
from crossgate.clouds.aws.firewall import AwsFirewall
from crossgate.clouds.aws.machines import AwsReservation
from crossgate.clouds.aws.names import Route53
from crossgate.clouds.aws.network import LEAST_ZONES, AwsNetwork, OwnVpc, VpcByName
from crossgate.clouds.aws.placement import build_network
from crossgate.clouds.aws.settings import AwsMachines
from crossgate.clouds.aws.tags import check as check_tags
from crossgate.errors import ConfigError, RefusedError
from crossgate.model import net
from crossgate.model.argument import checked
from crossgate.model.market import Spot
from crossgate.model.names import dns_label, shortened
from crossgate.model.net import ipv4_network
from crossgate.policy.name_taken_once import Names
from crossgate.specs import EntrySpec, GroupSpec, MachinesSpec, ScalingSpec, Spec
from crossgate.terraform.engine import Construct, claim, id_of, path_of
from crossgate.terraform.naming import name_of

if TYPE_CHECKING:
    from crossgate.clouds.aws.bindings.autoscaling import AutoscalingGroup
    from crossgate.clouds.aws.images import AwsImage
    from crossgate.contracts import Firewall, Reservation
    from crossgate.model.machine import Architecture

_Own = TypeVar("_Own", AwsFirewall, AwsReservation)
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d\Z")
_DEFAULT_MACHINES = AwsMachines()


class AwsCloud(Construct):
    """One region of AWS.

    Credentials come from where the AWS provider looks for them (environment, profile, role),
    never from the program.

    Attributes:
        placement: the VPC and the subnets.
        provider: the provider block; its alias is the cloud's id.
        hearts: the machines of each discovery that is here, by its cluster.

    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        region: str,
        network: str | AwsNetwork = "10.0.0.0/16",
        zones: Sequence[str] | None = None,
        image: AwsImage | Mapping[Architecture, AwsImage] = "debian-12",
        root_device: str | None = None,
        key_pair: str | None = None,
        extra_sizes: Sequence[str] = (),
        balancer_metrics: bool = False,
        machines: AwsMachines = _DEFAULT_MACHINES,
        ways_out: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Describe the region, and build its network when it is one of its own.

        Args:
            scope: the construct it belongs to.
            id: its name: a DNS label; also the provider's alias and the Consul datacenter.
            region: such as "us-east-1".
            network: a range for a VPC of its own (default 10.0.0.0/16), `OwnVpc(...)` with more
                to say, or one that exists: `ExistingVpc(...)` by ids, `VpcByName(...)`.
            zones: at least two availability zones; default: the first two that the account has.
            image: a name of ours ("debian-12"), an id ("ami-…", or a token), or `Image(...)`; or
                one of these for each architecture, {"x86_64": "ami-…", "arm64": "ami-…"}.
            root_device: the image's root device where `image` is an id, such as "/dev/xvda";
                default: looked up, which needs an account even to plan.
            key_pair: name of an EC2 key pair for SSH; default: none.
            extra_sizes: instance types that AWS has had since crossgate's list was made.
            balancer_metrics: whether CloudWatch is told how many connections the balancers have
                to each service and how many wait, which `scale_on_connections` and
                `scale_on_queue` need: two custom metrics for each service, which AWS charges for.
                Default False.
            machines: what all machines of this cloud have: the key of their disks, metrics by the
                minute, shells by Session Manager.
            ways_out: addresses or ranges, or tokens of some, by which machines in private subnets
                that exist reach others: those of their NAT gateways. Other clouds let these in;
                see docs/spill-over.md. A VPC of its own knows its own.
            tags: put on everything in this cloud.

        Raises:
            ConfigError: a value is wrong.

        """
        path = claim(scope, id)
        _check_label(id, path)
        if not _REGION.match(region):
            raise ConfigError(
                "is no AWS region",
                path=f"{path}: region",
                got=region,
                want='a name such as "us-east-1"',
            )
        _check_zones(region, zones, path)
        check_tags(tags or {}, path)
        chosen = OwnVpc(network) if isinstance(network, str) else network
        self.network: IPv4Network | None = _range_of(chosen, path)
        image = images.checked_image(image, path)
        checked(AwsMachines, machines, argument="machines", path=path).check(region, path)
        outward = net.ways_out(ways_out, f"{path}: ways_out")

        super().__init__(scope, id)
        self.region = region
        self.image = image
        self.root_device = root_device
        self.key_pair = key_pair
        self.extra_sizes = tuple(extra_sizes)
        self.balancer_metrics = checked(
            bool, balancer_metrics, argument="balancer_metrics", path=path
        )
        self.settings = machines
        self.tags = dict(tags or {})
        self.names = Names()
        self.hearts: dict[str, AutoscalingGroup] = {}
        self.provider = AwsProvider(
            self,
            "provider",
            alias=id,
            region=region,
            default_tags=[{"tags": self.tags}] if self.tags else None,
        )
        self.placement = build_network(
            self,
            chosen,
            name=name_of(self),
            zones=zones,
            provider=self.provider,
        )
        self.ways_out = outward or self.placement.ways_out

    @property
    def name(self) -> str:
        """The construct id."""
        return id_of(self)

    @property
    def needs_figures(self) -> bool:
        """Whether CloudWatch is told of them."""
        return self.balancer_metrics

    @property
    def spreads_clients(self) -> bool:
        """A network load balancer does."""
        return True

    @property
    def keeps_disks(self) -> bool:
        """A machine that goes takes its disk along."""
        return False

    def refusals(self, spec: Spec) -> Sequence[RefusedError]:
        """Return why AWS cannot build `spec`: an unknown size, a tag, user data too long."""
        if isinstance(spec, ScalingSpec):
            return scaling.refusals(self, spec)
        found: list[RefusedError] = []
        try:
            check_tags(spec.tags, spec.name)
        except ConfigError as error:
            found.append(RefusedError(error.what, path=error.path, got=error.got, want=error.want))
        if isinstance(spec, EntrySpec):
            return [*found, *entry.refusals(spec)]
        try:
            types = self.instance_types(spec)
        except RefusedError as refusal:
            found.append(refusal)
        else:
            found += mixture.refusals(spec, types)
            if isinstance(spec, GroupSpec):
                found += warm_pool.refusals(self, spec, types)
        found += [*images.refusals(self, spec), *identity.refusals(spec)]
        if isinstance(spec, GroupSpec):
            found += [*health.refusals(spec), *lifecycle.refusals(spec)]
        else:
            found += archive.refusals(spec)
        spec = self._alike(spec) if isinstance(spec, GroupSpec) else self._known(spec)
        found += secrets.refusals(spec.document)
        document = secrets.outline(self, spec.document)
        too_long = cloud_init.refusal(document, limit=limits.USER_DATA_BYTES, compressed=True)
        return [*found, too_long] if too_long else found

    def instance_types(self, spec: GroupSpec | MachinesSpec) -> tuple[str, ...]:
        """Return the instance types that may carry `spec`, several for a spot group."""
        on_spot = isinstance(spec, GroupSpec) and isinstance(spec.market, Spot)
        choices = machines.SPOT_CHOICES if on_spot else 1
        return catalogue.instance_types(spec.machine, choices=choices, extra=self.extra_sizes)

    def firewall(self, scope: Construct, id: str, *, name: str) -> AwsFirewall:
        """Make a security group that lets everything out and nothing in."""
        claim(scope, id)
        allowed = limits.unreserved(name, limits.GROUP_RESERVED)
        short = self.names.take(
            "security group", shortened(allowed, limits.GROUP_NAME), path_of(scope)
        )
        return AwsFirewall(self, scope, id, name=short)

    def reserve(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        count: int,
        firewalls: Sequence[Firewall],
    ) -> AwsReservation:
        """Reserve the tag by which the machines are found; AWS needs no addresses for it."""
        claim(scope, id)
        return AwsReservation(
            cloud=self, name=name, count=count, firewalls=self.own_firewalls(firewalls)
        )

    def own_firewalls(self, firewalls: Sequence[Firewall]) -> tuple[AwsFirewall, ...]:
        """Return the firewalls as ours.

        Raises:
            ConfigError: one belongs to another cloud.

        """
        return tuple(self._own(firewall, AwsFirewall) for firewall in firewalls)

    def own_reservation(self, reservation: Reservation) -> AwsReservation:
        """Return the reservation as ours.

        Raises:
            ConfigError: it belongs to another cloud.

        """
        return self._own(reservation, AwsReservation)

    def _own(self, thing: object, kind: type[_Own]) -> _Own:
        if isinstance(thing, kind) and thing.cloud is self:
            return thing
        raise ConfigError(
            "belongs to another cloud", path=path_of(self), got=thing, want=f"one of {self.name}"
        )

    def group(self, scope: Construct, id: str, spec: GroupSpec) -> str:
        """Build a launch template and an Auto Scaling group over all zones."""
        claim(scope, id)
        return machines.group(self, Construct(scope, id), self._alike(spec))

    def _alike(self, spec: GroupSpec) -> GroupSpec:
        """Return the spec with what the machines of a group need in AWS."""
        spec = sessions.opened(self, health.judged(self, spec))
        return replace(spec, document=lifecycle.spoken(self, spec))

    def _known(self, spec: MachinesSpec, scope: Construct | None = None) -> MachinesSpec:
        """Return the spec with what machines that others know need in AWS."""
        spec = archive.kept(self, scope, spec)
        spec = sessions.opened(self, keeper.keeping(self, spec))
        return replace(spec, document=lifecycle.spoken(self, spec))

    def scale(self, scope: Construct, id: str, spec: ScalingSpec) -> None:
        """Make a target tracking policy of the group, or policies of steps with their alarms."""
        claim(scope, id)
        scaling.scale(self, Construct(scope, id), spec)

    def machines(self, scope: Construct, id: str, spec: MachinesSpec) -> None:
        """Build an Auto Scaling group of a fixed size: a lost machine comes back by itself."""
        claim(scope, id)
        inner = Construct(scope, id)
        machines.fixed(self, inner, self._known(spec, inner))

    def zone(self, name: str, *, zone_id: str | None = None) -> Route53:
        """Return a public hosted zone of Route 53 in this account; see docs/names.md.

        Args:
            name: of the zone, "example.org".
            zone_id: its id; default: Terraform looks it up by the name.

        Raises:
            ConfigError: one of them is wrong.

        """
        return Route53(self, name, zone_id)

    def entry(self, scope: Construct, id: str, spec: EntrySpec) -> AwsEntry:
        """Build a network load balancer, with a fixed address in every zone where it can be."""
        claim(scope, id)
        return AwsEntry(self, Construct(scope, id), spec)


def _range_of(network: AwsNetwork, path: str) -> IPv4Network | None:
    """Return the range, when it is known before Terraform runs."""
    cidr = None if isinstance(network, VpcByName) else network.cidr
    if cidr is None or "${" in cidr:
        return None
    return ipv4_network(cidr, f"{path}: network")


def _check_label(id: str, path: str) -> None:
    try:
        dns_label(id)
    except ConfigError as error:
        raise error.at(path) from None


def _check_zones(region: str, zones: Sequence[str] | None, path: str) -> None:
    if zones is None:
        return
    strange = [zone for zone in zones if not re.fullmatch(rf"{region}[a-z]", zone)]
    if strange:
        raise ConfigError(
            f"is no zone of {region}",
            path=f"{path}: zones",
            got=strange[0],
            want=f'names such as "{region}a"',
        )
    if len(set(zones)) < LEAST_ZONES or len(set(zones)) < len(zones):
        raise ConfigError(
            "a zone may be lost, so there are at least two different ones",
            path=f"{path}: zones",
            got=list(zones),
            want=f'["{region}a", "{region}b"]',
        )
