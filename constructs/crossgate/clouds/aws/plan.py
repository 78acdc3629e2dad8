"""What a gateway file says of AWS."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal

from crossgate.clouds.aws.cloud import AwsCloud
from crossgate.clouds.aws.network import ExistingVpc, OwnVpc, VpcByName
from crossgate.clouds.aws.settings import AwsMachines
from crossgate.errors import ConfigError
from crossgate.model.machine import Architecture, Image
from crossgate.model.value import Many, Table, value

if TYPE_CHECKING:
    from crossgate.terraform.engine import Construct


@value
class ExistingVpcPlan:
    """A VPC that exists, by ids or by names.

    Attributes:
        id: the VPC's id; then `private` and `public` are subnet ids.
        name: the VPC's `Name` tag; then the subnets are found by theirs, and nothing else is given.
        private: ids of the subnets for machines.
        public: ids of the subnets for entries.
        cidr: the VPC's range, when it is known.

    """

    id: str | None = None
    name: str | None = None
    private: Many[str] = ()
    public: Many[str] = ()
    cidr: str | None = None

    def __post_init__(self) -> None:
        """Refuse a network that is named twice, not at all or without subnets."""
        if (self.id is None) == (self.name is None):
            raise ConfigError("is found by its id or by its name", got=[self.id, self.name])
        beside = [n for n in ("private", "public", "cidr") if getattr(self, n)]
        if self.name is not None and beside:
            raise ConfigError(
                "is found by its name, and so are its subnets and its range",
                got=beside,
                want="name alone, or id with private and public",
            )
        if self.id is not None and not (self.private and self.public):
            raise ConfigError("names no subnets", want="private and public, lists of subnet ids")

    def network(self) -> ExistingVpc | VpcByName:
        """Return what the cloud takes."""
        if self.name is not None:
            return VpcByName(name=self.name)
        return ExistingVpc(
            vpc_id=str(self.id), private=self.private, public=self.public, cidr=self.cidr
        )


@value
class MachinesPlan:
    """What all machines of one cloud have.

    Attributes:
        disk_key: ARN of the KMS key, or of an alias of one, that encrypts the disks and the
            machines' secrets; default: the account's own keys.
        detailed_monitoring: whether EC2 tells CloudWatch its figures every minute.
        session_access: whether people get a shell by Session Manager.

    """

    disk_key: str | None = None
    detailed_monitoring: bool = False
    session_access: bool = False

    def __post_init__(self) -> None:
        """Refuse what the cloud refuses, at its place in the file."""
        self.machines()

    def machines(self) -> AwsMachines:
        """Return what the cloud takes."""
        return AwsMachines(
            disk_key=self.disk_key,
            detailed_monitoring=self.detailed_monitoring,
            session_access=self.session_access,
        )


@value
class Plan:
    """One region of AWS.

    Attributes:
        region: such as "us-east-1".
        network: the range of a VPC of its own.
        own: more to say of a VPC of its own, instead of `network`.
        existing: a VPC that exists, instead of `network`.
        zones: at least two availability zones; default: the first two that the account has.
        image: a name of ours, or an id.
        image_lookup: a look-up by name and owner, instead of `image`.
        images: a name or an id for each architecture, instead of `image`.
        root_device: the image's root device where `image` is an id; default: looked up.
        key_pair: name of an EC2 key pair.
        extra_sizes: instance types that AWS has had since crossgate's list was made.
        balancer_metrics: whether CloudWatch is told how many connections each service has, and how
            many of them wait.
        machines: what all machines of this cloud have.
        ways_out: addresses by which machines in private subnets that exist reach others.
        tags: put on everything in this cloud.

    """

    type: Literal["aws"] = "aws"
    region: str
    network: str | None = None
    own: OwnVpc | None = None
    existing: ExistingVpcPlan | None = None
    zones: Many[str] | None = None
    image: str = "debian-12"
    image_lookup: Image | None = None
    images: Table[Architecture, str] = field(default_factory=dict)
    root_device: str | None = None
    key_pair: str | None = None
    extra_sizes: Many[str] = ()
    balancer_metrics: bool = False
    machines: MachinesPlan = MachinesPlan()
    ways_out: Many[str] = ()
    tags: Table[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse two networks, and images in two ways."""
        given = [n for n in ("network", "own", "existing") if getattr(self, n) is not None]
        if len(given) > 1:
            raise ConfigError("names two networks", got=given, want="one of them")
        if self.images and self.image_lookup:
            raise ConfigError(
                "names two images", got=["image_lookup", "images"], want="one of them"
            )

    def build(self, scope: Construct, id: str) -> AwsCloud:
        """Make the cloud."""
        existing = self.existing.network() if self.existing else None
        return AwsCloud(
            scope,
            id,
            region=self.region,
            network=existing or self.own or self.network or "10.0.0.0/16",
            zones=self.zones,
            image=dict(self.images) or self.image_lookup or self.image,
            root_device=self.root_device,
            key_pair=self.key_pair,
            extra_sizes=self.extra_sizes,
            balancer_metrics=self.balancer_metrics,
            machines=self.machines.machines(),
            ways_out=self.ways_out,
            tags=self.tags,
        )
