"""Machines on hosts: each host gets its document over SSH, one host after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crossgate.boot.document import Document
from crossgate.boot.ssh_host import host_script
from crossgate.boot.ssh_runtime import HOST_SCRIPT
from crossgate.clouds.inhouse import firewall
from crossgate.clouds.inhouse.bindings.data import TerraformData
from crossgate.clouds.inhouse.catalogue import chosen
from crossgate.model.text import Reference, Text
from crossgate.model.units import whole_seconds
from crossgate.specs import Addresses
from crossgate.terraform.engine import Construct, path_of
from crossgate.terraform.locals import late_texts
from crossgate.terraform.provisioner import FileProvisioner, RemoteExec

if TYPE_CHECKING:
    from crossgate.clouds.inhouse.catalogue import Host
    from crossgate.clouds.inhouse.cloud import InHouse
    from crossgate.clouds.inhouse.entry import InHouseEntry
    from crossgate.clouds.inhouse.firewall import InHouseFirewall
    from crossgate.model.text import TextLike
    from crossgate.specs import GroupSpec, MachinesSpec

_FOLDER = ".crossgate"
_UPLOAD = f"{_FOLDER}/host.sh"
_LEAST_SECONDS = 60


@dataclass(kw_only=True, eq=False)
class InHouseReservation:
    """Places on hosts: which hosts these are is known once the machines' size is.

    Attributes:
        hosts: the hosts, once the machines are built.
        entry: what sends clients to them, when something does.

    """

    cloud: InHouse
    name: str
    count: int
    firewalls: Sequence[InHouseFirewall]
    hosts: Sequence[Host] = ()
    entry: InHouseEntry | None = None
    addresses: Sequence[str] = field(default=(), init=False)

    def locate(self, scope: Construct, id: str) -> None:
        """Make the local values that hold the addresses."""
        names = late_texts(scope, id, self.count, self._addresses)
        self.addresses = [f"${{{name}}}" for name in names]

    @property
    def join(self) -> Addresses:
        """Look for the machines at their hosts' addresses."""
        return Addresses(addresses=tuple(Text.of(Reference(address)) for address in self.addresses))

    def _addresses(self) -> list[Text]:
        hosts = self.hosts or chosen(self.cloud.free, name=self.name, count=self.count)
        return [Text.of(host.address) for host in hosts]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Carried:
    """Machines and their hosts."""

    cloud: InHouse
    spec: GroupSpec | MachinesSpec
    hosts: Sequence[Host]
    firewalls: Sequence[InHouseFirewall]
    entry: InHouseEntry | None = None

    def script(self, host: Host, owner: str) -> Text:
        """Return what a host is given; rules and listeners may have come late."""
        parts = [self.spec.document]
        shared = self.entry.document(self.hosts) if self.entry else None
        if shared:
            parts.append(shared)
        peers = [other for other in self.hosts if shared and other != host]
        if self.cloud.has_firewall:
            parts.append(firewall.document(self.firewalls, host, peers))
        ports = firewall.listening(self.firewalls)
        if self.entry:
            ports.add(self.entry.health_port)
        return host_script(
            Document.merge(*parts, label=self.spec.name),
            host=host.address,
            owner=owner,
            ports=sorted(ports),
            deadline=self.deadline,
        )

    @property
    def deadline(self) -> int:
        """Seconds until a host must be well."""
        return max(_LEAST_SECONDS, whole_seconds(self.spec.rollout.warmup, "rollout: warmup"))


def carry(
    cloud: InHouse,
    scope: Construct,
    spec: GroupSpec | MachinesSpec,
    hosts: Sequence[Host],
    firewalls: Sequence[InHouseFirewall],
    *,
    entry: InHouseEntry | None = None,
) -> None:
    """Put machines on hosts.

    Terraform works on many resources at once, so each host waits for the one before, and machines
    for those that were described before them. A host has three resources: its presence, see
    `presence`; its content, which is made anew whenever the script changes; and its health, which
    is asked once all machines of the spec have their content, because three Consul servers are
    well only together.
    """
    for worn in firewalls:
        worn.wear(hosts)
    carried = _Carried(cloud=cloud, spec=spec, hosts=hosts, firewalls=firewalls, entry=entry)
    cloud.carrying += hosts
    owner = f"{path_of(cloud)}: {path_of(scope)}"
    contents: list[TerraformData] = []
    places: list[Construct] = []
    for host in hosts:
        place = Construct(scope, f"host-{host.address.replace('.', '-')}")
        before = contents[-1:] or cloud.last
        contents.append(_content(carried, place, host, owner, before))
        places.append(place)
    cloud.last = [
        _health(carried, place, host, content, contents)
        for place, host, content in zip(places, hosts, contents, strict=True)
    ]


def presence(cloud: InHouse) -> TerraformData:
    """Return what stands for every host that carries something, one instance each.

    It stays in the configuration as long as the cloud does: for an instance that goes, Terraform
    runs what takes everything off its host, and for a resource that goes it runs nothing. An
    instance is made by asking whether the host is fit; one that is not is taken back by itself.
    """
    login = cloud.login
    return TerraformData(
        cloud,
        "presence",
        login.remembered_connection(),
        [
            RemoteExec(lines=[_looks_fit(Reference("${self.input.host}"))]),
            RemoteExec(lines=_run("remove"), at_destroy=True),
        ],
        for_each=lambda: {host.address: login.remembered(host) for host in cloud.carrying},
        input=login.input(cloud),
    )


def _content(
    carried: _Carried,
    place: Construct,
    host: Host,
    owner: str,
    before: Sequence[TerraformData],
) -> TerraformData:
    login = carried.cloud.login
    instance = f'{carried.cloud.presence.terraform_address()}["{host.address}"]'
    (name,) = late_texts(place, "script", 1, lambda: [carried.script(host, owner)])
    return TerraformData(
        place,
        "content",
        login.connection(host),
        [
            RemoteExec(lines=[_looks_fit(host.address), f"umask 077; mkdir -p {_FOLDER}"]),
            FileProvisioner(content=Reference(f"${{{name}}}"), destination=_UPLOAD),
            RemoteExec(
                lines=[
                    f'trap "rm -rf {_FOLDER}" EXIT',
                    *_as_root(f"{_UPLOAD} apply"),
                ]
            ),
        ],
        triggers_replace=[f"${{{instance}.id}}", f"${{sha256({name})}}"],
        depends_on=before,
    )


def _health(
    carried: _Carried,
    place: Construct,
    host: Host,
    content: TerraformData,
    after: Sequence[TerraformData],
) -> TerraformData:
    return TerraformData(
        place,
        "health",
        carried.cloud.login.connection(host),
        [RemoteExec(lines=_run("check"))],
        triggers_replace=[TerraformData.id.of(content)],
        depends_on=after,
    )


def _looks_fit(host: TextLike) -> Text:
    """Return what is asked of a host before anything is sent, each answer with its name."""
    before, after = _FIT.split("HOST")
    return Text.of(before, host, after)


def _run(mode: str) -> list[str]:
    gone = [f"if ! $root test -e {HOST_SCRIPT}; then exit 0; fi"] if mode == "remove" else []
    call = f"$root sh {HOST_SCRIPT} {mode}"
    return ["set -eu", _ROOT, *gone, call]


def _as_root(call: str) -> list[str]:
    return ["set -eu", _ROOT, f"$root sh {call}"]


_ROOT = 'root="sudo -n"; if [ "$(id -u)" = 0 ]; then root=; fi'

_FIT = r"""set -eu
refuse() { echo "crossgate: HOST: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null ||
  refuse "$(id -un) may not become root; give it ALL=(root) NOPASSWD: ALL in /etc/sudoers.d"
for program in systemctl apt-get flock ss; do
  command -v "$program" >/dev/null || [ -x "/usr/sbin/$program" ] || [ -x "/sbin/$program" ] ||
    refuse "has no $program, so it is no Debian or Ubuntu with systemd and iproute2"
done
for place in /tmp /var "$HOME"; do
  free=$(df -Pk "$place" | awk 'NR == 2 { print $4 }')
  [ "$free" -ge 65536 ] || refuse "its disk is full: $place has $free KiB left, 65536 are wanted"
done"""
