"""`OpenStackCloud`: one region of an OpenStack cloud as a place where machines run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from crossgate.boot import cloud_init
from crossgate.clouds.openstack import (
    alarms,
    archive,
    catalogue,
    entry,
    group,
    group_refusals,
    keeper,
    leaving,
    limits,
    machines,
    ready,
)
from crossgate.clouds.openstack.bindings.data import DataImagesImageV2
from crossgate.clouds.openstack.bindings.provider import OpenStackProvider
from crossgate.clouds.openstack.entry import OpenStackEntry
from crossgate.clouds.openstack.firewall import OpenStackFirewall
from crossgate.clouds.openstack.keeper import Healing
from crossgate.clouds.openstack.names import Designate
from crossgate.clouds.openstack.network import (
    NetworkByName,
    OpenStackNetwork,
    OwnNetwork,
    build_network,
)
from crossgate.clouds.openstack.tags import check as check_tags
from crossgate.clouds.openstack.vip import VipEntry
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
    from crossgate.clouds.openstack.bindings.compute import ComputeInstanceV2
    from crossgate.clouds.openstack.machines import OpenStackReservation
    from crossgate.clouds.openstack.profile import OpenStackProfile
    from crossgate.contracts import Firewall
    from crossgate.model.machine import Image
    from crossgate.model.scaling import Scaling, Steps
    from crossgate.model.text import Reference


_DEFAULT_HEALING = Healing()


class OpenStackCloud(Construct):
    """One region of an OpenStack cloud.

    Credentials come from where the OpenStack provider looks for them (OS_... in the environment,
    clouds.yaml), never from the program. The provider 1.x talks to Octavia only where
    OS_USE_OCTAVIA=true is in the environment.

    Attributes:
        placement: the network and the subnet.
        provider: the provider block; its alias is the cloud's id.
        hearts: the machines of each discovery that is here, by its cluster.

    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        profile: OpenStackProfile,
        image: str | Image,
        network: str | OpenStackNetwork = "10.0.0.0/16",
        cloud: str | None = None,
        region: str | None = None,
        external_network: str | None = None,
        external_network_id: str | None = None,
        key_pair: str | None = None,
        healing: Healing | None = _DEFAULT_HEALING,
        ways_out: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Describe the cloud, and build its network when it is one of its own.

        Args:
            scope: the construct it belongs to.
            id: its name: a DNS label; also the provider's alias and the Consul datacenter.
            profile: what the cloud offers: a ready one (`JETSTREAM2`) or `OpenStackProfile(...)`.
            image: a name of the profile ("ubuntu-24.04"), an id (or a token), or `Image(name=...)`.
            network: a range for a network of its own (default 10.0.0.0/16), `OwnNetwork(...)` with
                more to say, or one that exists: `ExistingNetwork(...)` by ids,
                `NetworkByName(...)`.
            cloud: the entry of clouds.yaml that has the credentials; default: the environment.
            region: default: the profile's.
            external_network: name of the network that leads out and has the floating addresses;
                default: the profile's.
            external_network_id: its id, or a token, which saves a look-up; default: the
                profile's, else it is looked up by the name in the profile.
            key_pair: name of a key pair for SSH; default: none.
            healing: when dead machines of its groups are replaced; None: never, by anybody, and
                no group is scaled either.
            ways_out: addresses or ranges, or tokens of some, by which machines of a network that
                exists reach others: those of its router. Other clouds let these in; see
                docs/spill-over.md. A network of its own knows its own.
            tags: put on everything in this cloud.

        Raises:
            ConfigError: a value is wrong.

        """
        path = claim(scope, id)
        _check_label(id, path)
        chosen = OwnNetwork(network) if isinstance(network, str) else network
        self.network: IPv4Network | None = _range_of(chosen, path)
        if isinstance(image, str) and not catalogue.is_id(image):
            image = catalogue.named_image(profile, image, path)
        check_tags(tags or {}, path)
        checked((Healing, type(None)), healing, argument="healing", path=path)
        outward = net.ways_out(ways_out, f"{path}: ways_out")

        super().__init__(scope, id)
        self.profile = profile
        self.external_network = external_network or profile.external_network
        self.image = image
        self.key_pair = key_pair
        self.region = region or profile.region
        self.healing = healing
        self.scalings: dict[str, list[Scaling | Steps]] = {}
        self.hearts: dict[str, list[ComputeInstanceV2]] = {}
        self.tags = dict(tags or {})
        self.names = Names()
        self.provider = OpenStackProvider(
            self,
            "provider",
            alias=id,
            cloud=cloud,
            # An entry of clouds.yaml says where Keystone is; beside it the profile would win.
            auth_url=None if cloud else profile.auth_url,
            region=self.region,
        )
        self.placement = build_network(
            self, chosen, name=name_of(self), external_network_id=external_network_id
        )
        self.ways_out = outward or self.placement.ways_out
        self._found_image: DataImagesImageV2 | None = None
        self._member_template: Reference | None = None

    @property
    def name(self) -> str:
        """The construct id."""
        return id_of(self)

    @property
    def needs_figures(self) -> bool:
        """Whether its groups are kept: the keeper scales by what the balancers see."""
        return self.profile.heat and self.healing is not None

    @property
    def spreads_clients(self) -> bool:
        """Octavia does; without it one balancer has the address at a time."""
        return self.profile.octavia

    @property
    def keeps_disks(self) -> bool:
        """A machine that goes takes its disk along."""
        return False

    def refusals(self, spec: Spec) -> Sequence[RefusedError]:
        """Return why this cloud cannot build `spec`: what it lacks, and what is too large."""
        if isinstance(spec, ScalingSpec):
            return [
                *keeper.scaling_refusals(self, spec),
                *alarms.refusals(self.profile, spec),
                *group_refusals.scaling_refusals(self.profile, spec),
            ]
        found: list[RefusedError] = []
        try:
            check_tags(spec.tags, spec.name)
        except ConfigError as error:
            found.append(RefusedError(error.what, path=error.path, got=error.got, want=error.want))
        if isinstance(spec, EntrySpec):
            return [*found, *entry.refusals(self, spec)]
        found += catalogue.refusals(spec.machine, spec.name)
        try:
            catalogue.carrier(self.profile, spec.machine)
        except RefusedError as refusal:
            found.append(refusal)
        else:
            if isinstance(spec, GroupSpec):
                found += [
                    *group_refusals.refusals(self.profile, spec),
                    *keeper.health_refusals(self, spec),
                ]
        if isinstance(spec, GroupSpec) and isinstance(spec.market, Spot):
            found += _spot(self.profile.name, spec)
        found += _rollout(spec)
        if isinstance(spec, MachinesSpec):
            found += [*keeper.refusals(self, spec), *archive.refusals(self, spec)]
            spec = archive.kept(self, None, keeper.keeping(self, None, machines.sharing(spec)))
        else:
            spec = self._speaking(spec)
        too_long = cloud_init.refusal(
            spec.document,
            limit=limits.USER_DATA_BYTES,
            # Heat takes the user data of a group's machines as text.
            compressed=isinstance(spec, MachinesSpec),
            encoded=True,
        )
        return [*found, too_long] if too_long else found

    def firewall(self, scope: Construct, id: str, *, name: str) -> OpenStackFirewall:
        """Make a security group that lets everything out and nothing in."""
        path = claim(scope, id)
        short = self.names.take("security group", shortened(name, limits.NAME), path)
        return OpenStackFirewall(self, scope, id, name=short)

    def reserve(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        count: int,
        firewalls: Sequence[Firewall],
    ) -> OpenStackReservation:
        """Make a port, and with it an address, for each machine."""
        claim(scope, id)
        own = self.own_firewalls(firewalls)
        return machines.reserve(self, Construct(scope, id), name=name, count=count, firewalls=own)

    def group(self, scope: Construct, id: str, spec: GroupSpec) -> str:
        """Build a Heat stack that makes, unmakes and replaces machines."""
        claim(scope, id)
        return group.group(self, Construct(scope, id), self._speaking(spec))

    def _speaking(self, spec: GroupSpec) -> GroupSpec:
        """Return the spec of a group whose machines say that they are ready, and hear to go."""
        spec = ready.telling(spec)
        return leaving.hearing(spec) if self.healing else spec

    def scale(self, scope: Construct, id: str, spec: ScalingSpec) -> None:
        """Write down with the group, for the keeper or as an alarm, what its size follows."""
        claim(scope, id)
        self.scalings.setdefault(spec.id, []).append(spec.scaling)

    def machines(self, scope: Construct, id: str, spec: MachinesSpec) -> None:
        """Build an instance for each reserved port, on different hosts where there are enough."""
        claim(scope, id)
        inner = Construct(scope, id)
        spec = archive.kept(self, inner, keeper.keeping(self, inner, machines.sharing(spec)))
        machines.fixed(self, inner, spec)

    def entry(self, scope: Construct, id: str, spec: EntrySpec) -> OpenStackEntry | VipEntry:
        """Build a floating address with a load balancer, or one that the balancers share."""
        claim(scope, id)
        made = OpenStackEntry if self.profile.octavia else VipEntry
        return made(self, Construct(scope, id), spec)

    def zone(self, name: str, *, zone_id: str | None = None) -> Designate:
        """Return a zone of Designate in this project; see docs/names.md.

        Args:
            name: of the zone, "example.org".
            zone_id: its id; default: Terraform looks it up by the name.

        Raises:
            ConfigError: one of them is wrong.

        """
        return Designate(self, name, zone_id)

    def image_id(self) -> str:
        """Return the image's id; a token of it where it is looked up by name, once for all."""
        if isinstance(self.image, str):
            return self.image
        if self._found_image is None:
            self._found_image = DataImagesImageV2(
                self, "image", name=self.image.name, most_recent=True, provider=self.provider
            )
        return self._found_image.id

    def member_template(self) -> Reference:
        """Return what the template of a group's member is called, the same for all groups."""
        if self._member_template is None:
            self._member_template = ready.template(self)
        return self._member_template

    def own_firewalls(self, firewalls: Sequence[Firewall]) -> tuple[OpenStackFirewall, ...]:
        """Return the firewalls as this cloud's.

        Raises:
            ConfigError: one is another cloud's.

        """
        own = tuple(f for f in firewalls if isinstance(f, OpenStackFirewall) and f.cloud is self)
        if len(own) < len(firewalls):
            strange = next(f for f in firewalls if f not in own)
            raise ConfigError(
                "a firewall of another cloud",
                path=path_of(self),
                got=strange.cloud.name,
                want=f"what {self.name}.firewall(...) returned",
            )
        return own


def _range_of(network: OpenStackNetwork, path: str) -> IPv4Network | None:
    cidr = None if isinstance(network, NetworkByName) else network.cidr
    if cidr is None or cidr.startswith("${"):
        return None
    return ipv4_network(cidr, f"{path}: network")


def _check_label(id: str, path: str) -> None:
    try:
        dns_label(id)
    except ConfigError as error:
        raise error.at(path) from None


def _rollout(spec: GroupSpec | MachinesSpec) -> list[RefusedError]:
    refresh = spec.rollout.refresh
    if refresh is not None and (refresh.checkpoints or refresh.alarms):
        return [
            RefusedError(
                "a rollout in OpenStack neither pauses nor listens to alarms",
                path=f"{spec.name}: rollout",
                got=spec.rollout,
                do="leave them out for this cloud: rollout={aws: InstanceRefresh(...)}",
            )
        ]
    if refresh is None and isinstance(spec, GroupSpec):
        return [
            RefusedError(
                "Heat replaces the members of a group whenever what they are made from is changed",
                path=f"{spec.name}: rollout",
                got=spec.rollout,
                do="leave it out for this cloud: rollout={aws: Leave()}",
            )
        ]
    return []


def _spot(profile: str, spec: GroupSpec) -> list[RefusedError]:
    if isinstance(spec.market, Spot) and spec.market.otherwise is None:
        return [
            RefusedError(
                f"{profile} has no spot market: OpenStack sells no spare machines",
                path=f"{spec.name}: market",
                got="Spot(...)",
                do="Spot(..., otherwise=OnDemand()), or market={aws: Spot(...)} for the clouds "
                "that have one",
            )
        ]
    return []
