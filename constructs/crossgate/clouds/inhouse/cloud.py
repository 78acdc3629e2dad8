"""`InHouse`: servers that exist, as a place where machines run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, IPv4Network, NetmaskValueError
from typing import TYPE_CHECKING, NoReturn

from crossgate.clouds.inhouse import archive, catalogue, entry
from crossgate.clouds.inhouse.catalogue import Host, chosen
from crossgate.clouds.inhouse.entry import InHouseEntry
from crossgate.clouds.inhouse.firewall import InHouseFirewall
from crossgate.clouds.inhouse.limits import OWNER
from crossgate.clouds.inhouse.login import Login
from crossgate.clouds.inhouse.machines import InHouseReservation, carry, presence
from crossgate.errors import ConfigError, RefusedError
from crossgate.model import net
from crossgate.model.argument import checked, checked_many
from crossgate.model.market import Spot
from crossgate.model.names import dns_label, shortened
from crossgate.model.net import ipv4_network
from crossgate.model.rollout import InstanceRefresh
from crossgate.model.termination import Termination
from crossgate.model.units import whole_seconds
from crossgate.names import no_zones
from crossgate.policy.name_taken_once import Names
from crossgate.specs import EntrySpec, GroupSpec, MachinesSpec, ScalingSpec, Spec
from crossgate.terraform.engine import Construct, claim, id_of, path_of

if TYPE_CHECKING:
    from crossgate.clouds.inhouse.bindings.data import TerraformData
    from crossgate.contracts import Firewall
    from crossgate.model.text import Reference

_TIMEOUT = timedelta(minutes=1)
_ONE_ADDRESS = 32


class InHouse(Construct):
    """Servers of one's own that Terraform reaches over SSH: a rack, a room, a building.

    Each carries at most one machine of Crossgate, beside whatever else it does. Nothing is made
    anew: a change is applied to the hosts that it concerns, one after the other, and the next one
    waits until the one before is well.

    Attributes:
        vip: the address that the balancers share, when there is one.
        free: the hosts that carry nothing yet.
        carrying: the hosts that carry something.
        presence: what stands for these in Terraform, and takes everything off one that goes.

    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        hosts: Sequence[Host],
        user: str,
        key: str | Reference | None = None,
        vip: str | None = None,
        network: str | None = None,
        firewall: bool = True,
        timeout: timedelta = _TIMEOUT,
        ways_out: Sequence[str] = (),
    ) -> None:
        """Describe the hosts.

        Args:
            scope: the construct it belongs to.
            id: its name: a DNS label; also the Consul datacenter.
            hosts: the servers; see docs/inhouse.md for what a change of this list moves.
            user: who logs in: root, or somebody who may use sudo without a password.
            key: where the private key is: None (default) for the SSH agent, the path of its file
                on the machine that runs Terraform, or a reference to a sensitive variable, which
                Terraform keeps in its state.
            vip: an address with its prefix, "10.0.0.100/24", that the balancers share: clients
                connect there, and the first fit balancer answers; default: clients are told the
                balancers' own addresses.
            network: the range of the hosts' addresses, for clouds that must not overlap; default:
                nothing is known of it.
            firewall: close the hosts to all but SSH and what constructs open, by a table of
                nftables of our own; default True. With False nothing is opened or closed.
            timeout: how long a host that does not answer is tried; default one minute.
            ways_out: addresses or ranges, or tokens of some, by which the hosts reach other
                clouds: that of the router, or their own where these are routed. The other clouds
                let these in; see docs/spill-over.md.

        Raises:
            ConfigError: a value is wrong.

        """
        path = claim(scope, id)
        try:
            dns_label(id)
        except ConfigError as error:
            raise error.at(path) from None
        listed = checked_many(Host, hosts, argument="hosts", path=path)
        self.network: IPv4Network | None = (
            ipv4_network(network, f"{path}: network") if network is not None else None
        )
        self.vip = _checked_vip(vip, path)
        _check_addresses(listed, self.network, self.vip, path)
        checked(bool, firewall, argument="firewall", path=path)
        checked(timedelta, timeout, argument="timeout", path=path)
        self.login = Login(user=user, key=key, timeout=whole_seconds(timeout, f"{path}: timeout"))
        self.login.check(path)
        self.ways_out = net.ways_out(ways_out, f"{path}: ways_out")

        super().__init__(scope, id)
        self.has_firewall = firewall
        self.names = Names()
        self.free: list[Host] = list(listed)
        self.entry_name: str | None = None
        self.carrying: list[Host] = []
        self.last: Sequence[TerraformData] = ()
        self.presence = presence(self)

    @property
    def name(self) -> str:
        """The construct id."""
        return id_of(self)

    @property
    def needs_figures(self) -> bool:
        """Nothing grows here."""
        return False

    @property
    def spreads_clients(self) -> bool:
        """An address that is shared by VRRP is one balancer's at a time."""
        return self.vip is None

    @property
    def keeps_disks(self) -> bool:
        """The hosts stay."""
        return True

    def refusals(self, spec: Spec) -> Sequence[RefusedError]:
        """Return why these hosts cannot carry `spec`: sizes that change, spot, too few hosts."""
        if isinstance(spec, EntrySpec):
            return entry.refusals(self, spec)
        if isinstance(spec, ScalingSpec):
            return [_scaling(spec)]
        found = [*catalogue.refusals(spec.machine, spec.name), *_rollout(spec)]
        if isinstance(spec, GroupSpec):
            found += [*_range(spec), *_spot(spec), *_termination(spec), *_health(spec)]
        else:
            found += archive.refusals(spec)
        if found:
            return found
        count = spec.capacity.most if isinstance(spec, GroupSpec) else spec.count
        try:
            chosen(self.free, name=spec.name, count=count, machine=spec.machine)
        except RefusedError as refusal:
            found.append(refusal)
        return found

    def firewall(self, scope: Construct, id: str, *, name: str) -> InHouseFirewall:
        """Make a firewall that lets everything out and, but for SSH, nothing in."""
        path = claim(scope, id)
        Construct(scope, id)
        return InHouseFirewall(self, path, name=self.names.take("firewall", name, path))

    def reserve(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        count: int,
        firewalls: Sequence[Firewall],
    ) -> InHouseReservation:
        """Reserve places; the hosts are chosen when the machines' size is known."""
        claim(scope, id)
        reservation = InHouseReservation(
            cloud=self, name=name, count=count, firewalls=self._own(firewalls)
        )
        reservation.locate(scope, id)
        return reservation

    def group(self, scope: Construct, id: str, spec: GroupSpec) -> str:
        """Put the machines of a group on hosts; returns its name, for there is no other id."""
        path = claim(scope, id)
        name = self.names.take("group", shortened(spec.name, OWNER), path)
        hosts = self._take(spec, spec.capacity.most)
        carry(self, Construct(scope, id), spec, hosts, self._own(spec.firewalls))
        return name

    def machines(self, scope: Construct, id: str, spec: MachinesSpec) -> None:
        """Put the machines of a reservation on hosts."""
        path = claim(scope, id)
        spec = archive.kept(spec)
        reservation = self.own_reservation(spec.reservation, path)
        self.names.take("set of machines", shortened(spec.name, OWNER), path)
        reservation.hosts = self._take(spec, spec.count)
        inner = Construct(scope, id)
        archive.noted(self, inner, spec, reservation.hosts)
        carry(
            self,
            inner,
            spec,
            reservation.hosts,
            self._own(spec.firewalls),
            entry=reservation.entry,
        )

    def scale(self, scope: Construct, id: str, spec: ScalingSpec) -> None:
        """Refuse: the hosts are there already, all of them.

        Raises:
            RefusedError: always.

        """
        raise _scaling(spec).at(f"{path_of(scope)}/{id}")

    def zone(self, name: str, *, zone_id: str | None = None) -> NoReturn:
        """Refuse: there is no DNS here.

        Raises:
            RefusedError: always.

        """
        raise no_zones(self, zone_id or name)

    def entry(self, scope: Construct, id: str, spec: EntrySpec) -> InHouseEntry:
        """Make the address that the balancers share, or name their own."""
        path = claim(scope, id)
        Construct(scope, id)
        self.entry_name = spec.name
        return InHouseEntry(self, path, spec)

    def own_reservation(self, given: object, path: str) -> InHouseReservation:
        """Return a reservation of this cloud.

        Raises:
            ConfigError: it is another cloud's.

        """
        if isinstance(given, InHouseReservation) and given.cloud is self:
            return given
        raise ConfigError(
            "the places were reserved elsewhere",
            path=path,
            got=given,
            want=f"what {self.name}.reserve(...) returned",
        )

    def _take(self, spec: GroupSpec | MachinesSpec, count: int) -> list[Host]:
        hosts = chosen(self.free, name=spec.name, count=count, machine=spec.machine)
        self.free = [host for host in self.free if host not in hosts]
        return hosts

    def _own(self, firewalls: Sequence[Firewall]) -> tuple[InHouseFirewall, ...]:
        own = tuple(f for f in firewalls if isinstance(f, InHouseFirewall) and f.cloud is self)
        if len(own) < len(firewalls):
            strange = next(f for f in firewalls if f not in own)
            raise ConfigError(
                "a firewall of another cloud",
                path=path_of(self),
                got=strange.cloud.name,
                want=f"what {self.name}.firewall(...) returned",
            )
        return own


def _checked_vip(vip: str | None, path: str) -> IPv4Interface | None:
    if vip is None:
        return None
    try:
        found = IPv4Interface(vip)
    except (AddressValueError, NetmaskValueError, ValueError):
        found = None
    # With /32 the address would stand alone, and Consul would take it for the host's own.
    if found is None or found.network.prefixlen == _ONE_ADDRESS:
        raise ConfigError(
            "is no address with its prefix",
            path=f"{path}: vip",
            got=vip,
            want='a free address and the prefix of its network, such as "10.0.0.100/24"',
        )
    return found


def _check_addresses(
    hosts: Sequence[Host], network: IPv4Network | None, vip: IPv4Interface | None, path: str
) -> None:
    addresses = [host.address for host in hosts]
    if not hosts:
        raise ConfigError("has no hosts", path=f"{path}: hosts", got=[], want="at least one Host")
    for address in addresses:
        if addresses.count(address) > 1:
            raise ConfigError("one host is listed twice", path=f"{path}: hosts", got=address)
        if network is not None and IPv4Address(address) not in network:
            raise ConfigError(
                "a host lies outside the network",
                path=f"{path}: hosts",
                got=address,
                want=f"an address in {network}",
            )
        if vip is not None and IPv4Address(address) == vip.ip:
            raise ConfigError(
                "the address that balancers share is a host's own",
                path=f"{path}: vip",
                got=str(vip),
                want="an address that nobody has",
            )


def _range(spec: GroupSpec) -> list[RefusedError]:
    least, most = spec.capacity.minimum, spec.capacity.most
    if spec.capacity.warm is not None:
        return [
            RefusedError(
                "in-house hosts are neither made nor unmade, so none rests",
                path=f"{spec.name}: capacity",
                got=spec.capacity.warm,
                do=f"leave warm= out for this cloud: capacity={{cloud: Capacity({most})}}",
            )
        ]
    if least == most and not spec.capacity.scheduled:
        return []
    return [
        RefusedError(
            "in-house hosts are neither made nor unmade, so a group has one size",
            path=f"{spec.name}: capacity",
            got=f"Capacity({least}, {most})" + (", scheduled" if spec.capacity.scheduled else ""),
            do=f"Capacity({most}) for this cloud: capacity={{cloud: Capacity({most})}}",
        )
    ]


def _rollout(spec: GroupSpec | MachinesSpec) -> list[RefusedError]:
    rollout = spec.rollout
    if isinstance(rollout, InstanceRefresh) and not (rollout.checkpoints or rollout.alarms):
        return []
    return [
        RefusedError(
            "in-house hosts are changed one after the other, all of them, with no pause and no "
            "alarm",
            path=f"{spec.name}: rollout",
            got=rollout,
            do="leave it out for this cloud: rollout={aws: ...}",
        )
    ]


def _termination(spec: GroupSpec) -> list[RefusedError]:
    if spec.termination == Termination():
        return []
    return [
        RefusedError(
            "in-house hosts are kept: none goes by itself",
            path=f"{spec.name}: termination",
            got=spec.termination,
            do="leave it out for this cloud: termination={aws: Termination(...)}",
        )
    ]


def _health(spec: GroupSpec) -> list[RefusedError]:
    if spec.health.unfit is None:
        return []
    return [
        RefusedError(
            "hosts are kept: none is replaced because its service fails",
            path=f"{spec.name}: health",
            got=f"unfit={spec.health.unfit}",
            do="leave it out for this cloud: health={aws: Health(unfit=...)}",
        )
    ]


def _scaling(spec: ScalingSpec) -> RefusedError:
    return RefusedError(
        "hosts are there already: their number does not follow the load",
        path=spec.group.name,
        got=f"scaling on {spec.scaling.on}",
        do="leave this cloud out: scale_on_...(clouds=[...])",
    )


def _spot(spec: GroupSpec) -> list[RefusedError]:
    if isinstance(spec.market, Spot) and spec.market.otherwise is None:
        return [
            RefusedError(
                "in-house hosts have no spot market",
                path=f"{spec.name}: market",
                got="Spot(...)",
                do="Spot(..., otherwise=OnDemand()), or market={aws: Spot(...)} for the clouds "
                "that have one",
            )
        ]
    return []
