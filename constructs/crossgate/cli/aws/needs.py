"""What a stack needs of an AWS region, worked out from its JSON alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING, Any

from crossgate.cli.synthesized import listed, one, texts, whole

if TYPE_CHECKING:
    from crossgate.cli.synthesized import Block, Cloud

_ALL = 100  # percent
_STANDARD = frozenset({"a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"})


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """How an image is found.

    Attributes:
        label: what it is called in a row.
        owners: whose it may be; empty: anybody's.
        filters: the API's filters.
        ids: ids, where it is named by one.
        deprecated: whether a deprecated one will do.

    """

    label: str
    owners: tuple[str, ...] = ()
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ids: tuple[str, ...] = ()
    deprecated: bool = False


@dataclass(frozen=True, kw_only=True)
class Machines:
    """Machines that are alike: an Auto Scaling group, or single ones.

    Attributes:
        of: the group or machine.
        types: instance types that may be chosen; empty: only Terraform knows.
        image: what they boot from; None: only Terraform knows.
        others: types that boot from another image than the rest, each with that one.
        zones: where they may be; empty: only Terraform knows.
        most: how many there are at most.
        surge: how many more a rollout adds.
        now: how many there are by the state.
        base: how many are on demand whatever the market; None: all.
        share: of those above the base, the percentage that is on demand.
        max_price: the most that is paid for a spot machine, USD an hour; None: any price.

    """

    of: str
    types: tuple[str, ...]
    image: Lookup | None = None
    others: Mapping[str, Lookup | None] = field(default_factory=dict)
    zones: tuple[str, ...] = ()
    most: int = 1
    surge: int = 0
    now: int = 0
    base: int | None = None
    share: int = 0
    max_price: Decimal | None = None

    @property
    def images(self) -> list[Lookup | None]:
        """What any of them boots from."""
        return [self.image, *self.others.values()]

    def image_of(self, name: str) -> Lookup | None:
        """Return what machines of a type boot from."""
        return self.others.get(name, self.image)

    @property
    def spot(self) -> bool:
        """Whether some of them may be spot machines."""
        return self.base is not None and self.share < _ALL

    def more(self) -> tuple[int, int]:
        """Return how many may come to those that are there: on demand, and spot."""
        future, present = self._split(self.most + self.surge), self._split(self.now)
        return max(0, future[0] - present[0]), max(0, future[1] - present[1])

    def _split(self, number: int) -> tuple[int, int]:
        if self.base is None:
            return number, 0
        above = max(0, number - self.base)
        on_demand = min(number, self.base) + ceil(above * self.share / _ALL)
        return on_demand, number - on_demand


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Everything that a stack needs of one region.

    Attributes:
        machines: what runs.
        unsized: groups whose largest size only Terraform knows.
        lookups: images that must be found.
        zones: availability zones named.
        key_pairs: key pairs named.
        addresses: Elastic IPs that come.
        vpcs: VPCs that come.
        balancers: network load balancers that come.

    """

    machines: Sequence[Machines]
    unsized: Sequence[str]
    lookups: Sequence[Lookup]
    zones: Sequence[str] = ()
    key_pairs: Sequence[str] = ()
    addresses: int = 0
    vpcs: int = 0
    balancers: int = 0


def standard(instance_type: str) -> bool:
    """Return whether a type counts for the quota of standard ones: A, C, D, H, I, M, R, T, Z.

    Source: docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html.
    """
    family = instance_type.partition(".")[0]
    letters = family[: next((at for at, sign in enumerate(family) if sign.isdigit()), None)]
    return letters in _STANDARD


def needs(cloud: Cloud) -> Needs:
    """Return what the stack needs of `cloud`."""
    machines = [
        *(_group(cloud, block) for block in cloud.made_of("aws_autoscaling_group")),
        *(_instance(cloud, block) for block in cloud.made_of("aws_instance")),
    ]
    lookups = [
        *(image for one in machines for image in one.images if image is not None),
        *filter(None, (_lookup(block) for block in cloud.looked_up("aws_ami"))),
    ]
    return Needs(
        machines=machines,
        unsized=[
            block.called
            for block in cloud.made_of("aws_autoscaling_group")
            if whole(block.arguments.get("max_size")) is None
        ],
        lookups=list(dict.fromkeys(lookups)),
        zones=sorted(
            {
                zone
                for block in [*cloud.made_of("aws_subnet"), *cloud.made_of("aws_instance")]
                if (zone := cloud.literal(block.arguments.get("availability_zone")))
            }
        ),
        key_pairs=sorted(
            {
                key
                for kind in ("aws_launch_template", "aws_instance")
                for block in cloud.made_of(kind)
                if (key := cloud.literal(block.arguments.get("key_name")))
            }
        ),
        addresses=sum(block.new for block in cloud.made_of("aws_eip")),
        vpcs=sum(block.new for block in cloud.made_of("aws_vpc")),
        balancers=sum(
            block.new
            for block in cloud.made_of("aws_lb")
            if block.arguments.get("load_balancer_type") == "network"
        ),
    )


def _group(cloud: Cloud, block: Block) -> Machines:
    given = block.arguments
    mixed = one(given.get("mixed_instances_policy"))
    chosen = one(mixed.get("launch_template"))
    named = one(chosen.get("launch_template_specification")).get("launch_template_id")
    template = cloud.follow(named or one(given.get("launch_template")).get("id"))
    base = template.arguments if template is not None else {}
    overrides = listed(chosen.get("override"))
    types = [cloud.literal(by.get("instance_type")) for by in overrides or [base]]
    most = max([whole(given.get("max_size")) or 0, *_scheduled(cloud, block)])
    distribution = one(mixed.get("instances_distribution"))
    share = whole(distribution.get("on_demand_percentage_above_base_capacity"))
    price = cloud.literal(distribution.get("spot_max_price"))
    return Machines(
        of=block.called,
        types=tuple(name for name in types if name),
        image=_image(cloud, base.get("image_id")),
        others=_others(cloud, overrides),
        zones=_zones(cloud, given.get("vpc_zone_identifier")),
        most=most,
        surge=_surge(given, most),
        now=(whole(block.made[0].get("desired_capacity")) or 0) if block.made else 0,
        base=(whole(distribution.get("on_demand_base_capacity")) or 0) if distribution else None,
        # Left out, all are on demand (EC2 Auto Scaling API, InstancesDistribution).
        share=_ALL if share is None else share,
        max_price=Decimal(price) if price else None,
    )


def _others(cloud: Cloud, overrides: Sequence[Mapping[str, Any]]) -> dict[str, Lookup | None]:
    """Return the types that have a launch template of their own, and its image."""
    found: dict[str, Lookup | None] = {}
    for by in overrides:
        specification = one(by.get("launch_template_specification"))
        template = cloud.follow(specification.get("launch_template_id"))
        name = cloud.literal(by.get("instance_type"))
        if template is not None and name:
            found[name] = _image(cloud, template.arguments.get("image_id"))
    return found


def _instance(cloud: Cloud, block: Block) -> Machines:
    given = block.arguments
    kind = cloud.literal(given.get("instance_type"))
    zone = cloud.literal(given.get("availability_zone"))
    return Machines(
        of=block.called,
        types=(kind,) if kind else (),
        image=_image(cloud, given.get("ami")),
        zones=(zone,) if zone else _zones(cloud, [given.get("subnet_id")]),
        most=block.new + len(block.made),
        now=len(block.made),
    )


def _scheduled(cloud: Cloud, group: Block) -> list[int]:
    """Return the largest sizes that schedules give to a group."""
    return [
        whole(block.arguments.get("max_size")) or 0
        for block in cloud.made_of("aws_autoscaling_schedule")
        if cloud.follow(block.arguments.get("autoscaling_group_name")) == group
    ]


def _surge(given: Mapping[str, Any], most: int) -> int:
    """Return how many machines a rollout, or a replacement, adds at once."""
    preferences = one(one(given.get("instance_refresh")).get("preferences"))
    policy = one(given.get("instance_maintenance_policy"))
    percent = max(whole(by.get("max_healthy_percentage")) or _ALL for by in (preferences, policy))
    return ceil(most * (percent - _ALL) / _ALL)


def _zones(cloud: Cloud, subnets: object) -> tuple[str, ...]:
    found = {
        cloud.literal(subnet.arguments.get("availability_zone"))
        for name in (subnets if isinstance(subnets, list) else [])
        if (subnet := cloud.follow(name)) is not None
    }
    # One that nobody knows makes all of it unknown.
    return () if None in found else tuple(sorted(zone for zone in found if zone))


def _image(cloud: Cloud, given: object) -> Lookup | None:
    if (literal := cloud.literal(given)) is not None:
        return Lookup(label=literal, ids=(literal,), deprecated=True)
    found = cloud.follow(given)
    return _lookup(found) if found is not None and found.kind == "aws_ami" else None


def _lookup(block: Block) -> Lookup | None:
    owners = texts(block.arguments.get("owners", []))
    named = {
        str(by.get("name")): texts(by.get("values", []))
        for by in listed(block.arguments.get("filter"))
    }
    filters = {name: values for name, values in named.items() if values is not None}
    if owners is None or len(filters) < len(named):
        return None
    return Lookup(
        label=", ".join(value for values in filters.values() for value in values),
        owners=tuple(owners),
        filters=tuple((name, tuple(values)) for name, values in filters.items()),
        deprecated=bool(block.arguments.get("include_deprecated")),
    )
