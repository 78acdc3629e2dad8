"""`ConsulServers`: three or five Consul servers in every cloud, and what their members need."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from crossgate.boot.document import Document
from crossgate.boot.metrics import METRICS_PORT, METRICS_USER, metrics_document
from crossgate.boot.program import PYTHON
from crossgate.connections import Connections
from crossgate.discovery.consul import snapshots as copies
from crossgate.discovery.consul.acl import Gossip, Tokens
from crossgate.discovery.consul.agent import (
    WATCH,
    client_document,
    server_document,
    server_name,
    watch_document,
)
from crossgate.discovery.consul.federation import PORTS as WAN_PORTS
from crossgate.discovery.consul.federation import checked_federation, joins, let_in
from crossgate.discovery.consul.settings import (
    DNS_PORT,
    GOSSIP_KEY_BYTES,
    GOSSIP_PORTS,
    HTTP_ADDRESS,
    HTTP_PORT,
    METRICS_URL,
    RPC_PORTS,
    Versions,
)
from crossgate.discovery.consul.tags import Tags
from crossgate.discovery.consul.template import keep_document
from crossgate.errors import ConfigError
from crossgate.model.argument import checked, checked_rotation, checked_tags
from crossgate.model.machine import Machine
from crossgate.model.rollout import ROLLOUTS, InstanceRefresh, Rollout
from crossgate.per_cloud import PerCloud, by_cloud, checked_clouds, checked_place, refuse
from crossgate.policy import odd_server_count, rollouts_leave_enough, servers_come_one_by_one
from crossgate.specs import MachinesSpec, Watch
from crossgate.terraform.certificates import authority, numbered, signed
from crossgate.terraform.engine import Construct
from crossgate.terraform.naming import name_of
from crossgate.terraform.secrets import random_key, random_login, random_password
from crossgate.traffic import Traffic

if TYPE_CHECKING:
    from crossgate.contracts import Cloud, Firewall, Reservation
    from crossgate.model.service import Service
    from crossgate.model.snapshots import Snapshots
    from crossgate.specs import Join, WatchedFile

_DEFAULT_MACHINE = Machine(cpu=2, memory=4)
_DEFAULT_ROLLOUT = InstanceRefresh(warmup=timedelta(minutes=5))
_DEFAULT_VERSIONS = Versions()
_WHERE_DISKS_STAY: Mapping[Cloud, Snapshots | None] = MappingProxyType({})


class ConsulServers(Construct):
    """Consul servers, one datacenter in each cloud, and the rights and files of their members.

    Gossip is encrypted with a key that Terraform makes, and what agents and servers say to each
    other by TLS, with certificates that Terraform makes too: these are in the state and in the
    machines' user data (readable by root there), never in the JSON.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        clouds: Sequence[Cloud],
        count: PerCloud[int] = 3,
        machine: PerCloud[Machine] = _DEFAULT_MACHINE,
        rollout: PerCloud[Rollout] = _DEFAULT_ROLLOUT,
        versions: Versions = _DEFAULT_VERSIONS,
        metrics: bool = True,
        snapshots: PerCloud[Snapshots | None] = _WHERE_DISKS_STAY,
        rotation: int = 1,
        federation: Mapping[Cloud, Sequence[str]] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Build the servers in every cloud.

        Args:
            scope: the construct they belong to.
            id: the name among the constructs of `scope`.
            clouds: where they run: one Consul datacenter for each, named after the cloud.
            count: servers in each cloud: 3 (default) or 5.
            machine: what a server needs; default two processors and 4 GiB.
            rollout: how changed servers are replaced; default: one after the other, each given five
                minutes to boot and join.
            versions: of Consul and of consul-template on every member.
            metrics: whether servers show their figures to Prometheus, behind a login, on port 8404;
                default True. Nobody reaches it until `connections.allow_from` lets somebody in.
            snapshots: how often what the servers hold is copied, and where to; None: never. By
                default in-house, into a folder of each server; a bucket or a container is made
                where it is asked for.
            rotation: of all tokens of Consul's ACL, of the gossip key, of the servers' certificates
                and of their authority; default 1. A number more exchanges them, in one deploy and
                without an outage: docs/consul.md.
            federation: where networks are routed to each other, so that the datacenters know each
                other and share secrets: the private ranges from which each cloud's servers come,
                by default those of its network; {} for all clouds. docs/consul.md. Default None:
                each stands for itself.
            tags: put on everything that the cloud can tag.

        Raises:
            PolicyError: another number of servers, or a rollout that may leave less than a quorum
                or launches several servers at once.
            ConfigError: a value is wrong, or a cloud refuses what is asked.

        """
        path = checked_place(scope, id)
        self._clouds = checked_clouds(clouds, path, scope)
        checked(Versions, versions, argument="versions", path=path)
        checked(bool, metrics, argument="metrics", path=path)
        checked_rotation(rotation, path)
        marks = checked_tags(tags, path)
        counts = by_cloud(count, self._clouds, kind=int, default=3, argument="count", path=path)
        machines = by_cloud(
            machine,
            self._clouds,
            kind=Machine,
            default=_DEFAULT_MACHINE,
            argument="machine",
            path=path,
        )
        rollouts: dict[Cloud, Rollout] = by_cloud(
            rollout,
            self._clouds,
            kind=ROLLOUTS,
            default=_DEFAULT_ROLLOUT,
            argument="rollout",
            path=path,
        )
        for cloud, number in counts.items():
            odd_server_count.check(number, f"{path}/{cloud.name}: count")
            least = rollouts_leave_enough.quorum(number)
            rollouts_leave_enough.check(rollouts[cloud], number, least, f"{path}/{cloud.name}")
            servers_come_one_by_one.check(rollouts[cloud], number, f"{path}/{cloud.name}")
        taken = copies.chosen(snapshots, self._clouds, path)
        self._ranges = checked_federation(federation, self._clouds, path)
        name = name_of(scope, id)

        super().__init__(scope, id)
        self.versions = versions
        self._name = name
        self.connections = Connections(path, admin_ports=(METRICS_PORT,))
        self._members: dict[Cloud, Firewall] = {}
        self._gossip: dict[Cloud, Gossip] = {}
        self._tokens: dict[Cloud, Tokens] = {}
        self._authority = authority(self, "authority", name=f"{name} servers", number=rotation)
        self._reserved: dict[Cloud, Reservation] = {}
        self._traffic = Traffic(self)
        self._said = Tags(self)
        members = Connections(f"{path} members")
        children = {cloud: Construct(self, cloud.name) for cloud in self._clouds}
        specs: dict[Cloud, MachinesSpec] = {}
        for cloud, child in children.items():
            worn = cloud.firewall(child, "members", name=f"{name}-members")
            own = cloud.firewall(child, "firewall", name=name)
            self._members[cloud] = worn
            members.add(cloud, worn)
            self.connections.add(cloud, own)
            let_in(own, cloud, self._ranges)
            self._reserved[cloud] = cloud.reserve(
                child, "places", name=name, count=counts[cloud], firewalls=(own, worn)
            )
        self._make_secrets(children, rotation)
        for cloud, child in children.items():
            own, worn = self.connections.firewalls[cloud], self._members[cloud]
            reservation = self._reserved[cloud]
            own_certificate = signed(
                child,
                numbered("certificate", rotation),
                by=self._authority.signs,
                name=server_name(cloud.name),
                dns_names=[server_name(cloud.name), "localhost"],
                ip_addresses=["127.0.0.1"],
            )
            specs[cloud] = MachinesSpec(
                name=name,
                machine=machines[cloud],
                document=Document.merge(
                    server_document(
                        datacenter=cloud.name,
                        gossip=self._gossip[cloud],
                        authority=self._authority.trusted,
                        certificate=own_certificate.certificate,
                        key=own_certificate.key,
                        tokens=self._tokens[cloud],
                        join=reservation.join,
                        expected=counts[cloud],
                        wan=joins(cloud, self._reserved, path) if self._ranges else None,
                        versions=versions,
                    ),
                    *(self._shown(cloud, child, counts[cloud]) if metrics else ()),
                ),
                firewalls=(own, worn),
                joins=(reservation.join,),
                tags=marks,
                rollout=rollouts[cloud],
                count=counts[cloud],
                reservation=reservation,
                watch=self.watch,
            )
            if (of_cloud := taken[cloud]) is not None:
                specs[cloud] = _copied(specs[cloud], child, cloud, of_cloud)
        for ports in GOSSIP_PORTS:
            members.allow_from(members, port=ports, why="Consul gossip between members")
        for ports in RPC_PORTS:
            self.connections.allow_from(members, port=ports, why="Consul RPC from members")
        refuse(path, list(specs.items()))
        for cloud, spec in specs.items():
            cloud.machines(children[cloud], "servers", spec)

    def _make_secrets(self, children: Mapping[Cloud, Construct], rotation: int) -> None:
        """Make what members are born with: of each cloud, or of all that are federated.

        What is said of a key of gossip in one datacenter holds in all of these, and a token goes
        with a question to another.
        """
        if self._ranges:
            shared = Construct(self, "shared_secrets")
            gossip, tokens = _gossip(shared, rotation), _tokens(shared, rotation)
            self._gossip = dict.fromkeys(children, gossip)
            self._tokens = dict.fromkeys(children, tokens)
            return
        for cloud, child in children.items():
            self._gossip[cloud], self._tokens[cloud] = (
                _gossip(child, rotation),
                _tokens(child, rotation),
            )

    @property
    def watch(self) -> Watch:
        """How programs on members' machines ask Consul."""
        return Watch(cluster=self._name, program=(PYTHON, WATCH), document=watch_document())

    @property
    def metrics(self) -> Mapping[str, str]:
        """The agent's page with figures for Prometheus, on the loopback address."""
        return {"consul": METRICS_URL}

    def _shown(self, cloud: Cloud, child: Construct, count: int) -> Sequence[Document]:
        login = f"{METRICS_USER} for figures of {self.connections.path} in {cloud.name}"
        password = random_login(child, "metrics", of=login)
        facts = {"crossgate_consul_servers_wanted": count}
        return (metrics_document(pages=self.metrics, password=password, facts=facts),)

    @property
    def clouds(self) -> Sequence[Cloud]:
        """The clouds with servers; one datacenter each."""
        return self._clouds

    @property
    def taken_ports(self) -> Collection[int]:
        """The ports of the agent: RPC, gossip, HTTP and DNS; gossip between datacenters."""
        between = WAN_PORTS if self._ranges else ()
        return {HTTP_PORT, DNS_PORT, *(p.first for p in (*RPC_PORTS, *GOSSIP_PORTS, *between))}

    def joins(self, cloud: Cloud) -> Sequence[Join]:
        """How a machine of `cloud` finds the servers there."""
        return (self._reservation(cloud).join,)

    def member_firewalls(self, cloud: Cloud) -> Sequence[Firewall]:
        """The firewall in which members gossip."""
        self._reservation(cloud)
        return (self._members[cloud],)

    def agent(
        self, cloud: Cloud, services: Sequence[Service], *, balancer: str | None = None
    ) -> Document:
        """Return a client agent that registers `services` with their checks."""
        return client_document(
            datacenter=cloud.name,
            gossip=self._gossip_of(cloud),
            authority=self._authority.trusted,
            tokens=self._tokens[cloud],
            join=self._reservation(cloud).join,
            services=services,
            tags={service.name: self._said.of(service) for service in services},
            balancer=balancer,
            versions=self.versions,
        )

    @property
    def http(self) -> str:
        """Where members ask their agent."""
        return HTTP_ADDRESS

    def tag(self, service: Service, tag: str) -> None:
        """Have all machines that run a service announce it with one tag more."""
        self._said.add(service, tag)

    def keep(self, cloud: Cloud, file: WatchedFile) -> Document:
        """Return consul-template, keeping `file` true from the agent on the same machine."""
        self._reservation(cloud)
        return keep_document(file, versions=self.versions)

    def provides(self, service: Service, member: Connections) -> None:
        """Record that machines run `service`, and let its balancers in.

        Raises:
            ConfigError: others run or balance a different service of the same name.

        """
        self._traffic.provides(service, member)

    def balances(self, service: Service, member: Connections) -> None:
        """Record that machines send traffic to `service`, and let them in where it runs.

        Raises:
            ConfigError: others run or balance a different service of the same name.

        """
        self._traffic.balances(service, member)

    def _gossip_of(self, cloud: Cloud) -> Gossip:
        self._reservation(cloud)
        return self._gossip[cloud]

    def _reservation(self, cloud: Cloud) -> Reservation:
        try:
            return self._reserved[cloud]
        except KeyError:
            raise ConfigError(
                f"has no servers in {cloud.name!r}",
                path=self.connections.path,
                got=[c.name for c in self._clouds],
                do=f"add the cloud {cloud.name!r} to clouds= of the servers",
            ) from None


def _tokens(scope: Construct, number: int) -> Tokens:
    """Return the tokens of a datacenter; those before are good until no machine has them."""
    secret = random_password(scope, f"tokens-{number}")
    before = random_password(scope, f"tokens-{number - 1}") if number > 1 else None
    return Tokens(number=number, secret=secret, before=before)


def _gossip(scope: Construct, number: int) -> Gossip:
    """Return the gossip keys of a datacenter, of which the one before is good until the next."""
    made = [
        random_key(scope, numbered("gossip", one), length=GOSSIP_KEY_BYTES)
        for one in (number, number - 1)
        if one > 0
    ]
    return Gossip(key=made[0], before=made[1] if number > 1 else None)


def _copied(
    spec: MachinesSpec, scope: Construct, cloud: Cloud, snapshots: Snapshots
) -> MachinesSpec:
    """Return the spec of servers that take snapshots."""
    archive = copies.archive(snapshots, spec.name)
    document = copies.snapshot_document(
        snapshots,
        key=copies.key(scope, snapshots),
        store=archive.program,
        # A folder that each has for itself is lost with its host, but three are not.
        each=cloud.keeps_disks and snapshots.to is None,
    )
    return replace(spec, archive=archive, document=Document.merge(spec.document, document))
