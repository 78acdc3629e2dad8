"""What a construct asks of a cloud or a discovery: plain records, already checked, made once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from crossgate.model.health import Health
from crossgate.model.market import Market, OnDemand
from crossgate.model.rollout import InstanceRefresh, Rollout
from crossgate.model.termination import Termination

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from crossgate.boot.document import Document
    from crossgate.contracts import Entry, Firewall, Reservation
    from crossgate.model.capacity import Capacity
    from crossgate.model.machine import Machine
    from crossgate.model.net import Ports
    from crossgate.model.scaling import Scaling, Steps
    from crossgate.model.service import Service
    from crossgate.model.text import Text, TextLike


@dataclass(frozen=True, kw_only=True)
class Ingress:
    """Let one peer in: a firewall of the same cloud, or an address range."""

    peer: Firewall | IPv4Network
    ports: Ports
    why: str


@dataclass(frozen=True, kw_only=True)
class Tagged:
    """How members of a cluster find each other: machines that carry a tag.

    `provider` and `settings` are the words of HashiCorp's go-discover, which Consul speaks.
    """

    provider: str
    settings: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """How members of a cluster find each other: addresses that were reserved for them."""

    addresses: Sequence[Text]


Join = Tagged | Addresses
"""How an agent finds the first members of its cluster."""


@dataclass(frozen=True, kw_only=True)
class MachineSpec:
    """What every machine is made from.

    Attributes:
        name: what the machines are called.
        machine: size and disk.
        document: what it is given at birth; the cloud renders it.
        firewalls: who may reach it.
        joins: clusters whose members the machine looks for (a cloud that joins by tag gives it
            the right to describe machines, and nothing else).
        tags: put on everything that the cloud can tag.

    """

    name: str
    machine: Machine
    document: Document
    firewalls: Sequence[Firewall]
    joins: Sequence[Join] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class GroupSpec(MachineSpec):
    """Machines that are all alike, as many as needed, made and unmade by the cloud.

    Attributes:
        capacity: how many.
        watch: the discovery that watches them; None when nobody does.
        service: name of what they run.
        drain: how long one that leaves waits for its connections to end.
        max_connections: that one of them takes at a time; None: no limit.
        health: when they count as lost although they run.
        market: at which price.
        rollout: how changed machines are replaced.
        termination: which machine goes first.

    """

    capacity: Capacity
    watch: Watch | None = None
    service: str | None = None
    drain: timedelta = timedelta(0)
    max_connections: int | None = None
    health: Health = field(default_factory=Health)
    market: Market = field(default_factory=OnDemand)
    rollout: Rollout = field(default_factory=InstanceRefresh)
    termination: Termination = field(default_factory=Termination)


@dataclass(frozen=True, kw_only=True)
class ScalingSpec:
    """One figure by which a group that was built grows and shrinks.

    Attributes:
        group: the group's spec.
        id: the token that building it returned.
        scaling: the figure, and its target or its steps.
        others: what the group follows already.

    """

    group: GroupSpec
    id: str
    scaling: Scaling | Steps
    others: Sequence[Scaling | Steps] = ()


@dataclass(frozen=True, kw_only=True)
class MachinesSpec(MachineSpec):
    """A fixed number of machines that others know: servers, balancers.

    Attributes:
        count: how many.
        reservation: what was reserved for them before anything named them.
        entry: what sends clients to them, when something does.
        rollout: how they are replaced.
        watch: the discovery whose heart they are, when they are that: they run what the cloud needs
            beside itself to heal and to scale its groups.
        archive: where they keep copies of what must outlive them, when they have any.

    """

    count: int
    reservation: Reservation
    entry: Entry | None = None
    rollout: Rollout = field(default_factory=InstanceRefresh)
    watch: Watch | None = None
    archive: Archive | None = None


@dataclass(frozen=True, kw_only=True)
class EntrySpec:
    """One address, not bound to any machine, that leads clients to the balancers.

    Attributes:
        name: what it is called.
        ports: the listeners' TCP ports.
        health_port: TCP port on which a balancer says whether it is fit.
        health_path: HTTP path that is asked there.
        reservation: the machines behind it.
        proxied: those of the ports on which a balancer wants a header of the PROXY protocol,
            version 2, before anything else.
        proxied_health_port: where the same path is asked behind such a header; for clouds whose
            questions about a port begin as its connections do. None where no port is `proxied`.
        by_source: those of the ports on which it matters to a balancer which address a client has.

    """

    name: str
    ports: Sequence[int]
    health_port: int
    health_path: str
    reservation: Reservation
    proxied: Collection[int] = ()
    proxied_health_port: int | None = None
    by_source: Collection[int] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NameSpec:
    """A name of DNS that leads clients to the entries of all clouds.

    Attributes:
        name: such as "api.example.org".
        entries: the addresses of each cloud's entry, by the cloud's name.
        port: a TCP port that takes connections where an entry is well.
        weights: how many of the clients each cloud gets, compared with the others. 0: none while
            the entry of another is well.
        ttl: seconds for which whoever has asked may keep an answer.

    """

    name: str
    entries: Mapping[str, Sequence[str]]
    port: int
    weights: Mapping[str, int]
    ttl: int


Spec = GroupSpec | MachinesSpec | EntrySpec | ScalingSpec
"""What a cloud may refuse."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """A discovery as other programs on its members' machines ask it.

    Attributes:
        cluster: what it is called; no other discovery of the same account or project is.
        program: a program and its first words. What may follow is in docs/contracts.md: `members`,
            `recall NAME`, `record NAME`, `gather PREFIX`, `alone NAME COMMAND...` and
            `ready [SERVICE]`.
        document: what brings the program to a machine.

    """

    cluster: str
    program: Sequence[str]
    document: Document


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A place for copies of what must outlive the machines; the cloud has it, or makes it.

    Attributes:
        name: whose copies; no other archive of the cloud has this name.
        keep: how long each copy is kept, by whoever puts it there.
        program: a program and its first word, its settings: the files that the cloud puts on the
            machines. What may follow: `put NAME FILE`, `get NAME FILE`, `list`, which prints a name
            on each line, and `drop NAME`.
        to: the place, in the cloud's own words; default: the cloud makes one.

    """

    name: str
    keep: timedelta
    program: Sequence[str]
    to: TextLike | None = None


@dataclass(frozen=True, kw_only=True)
class ServerLines:
    """One line for each machine that runs a service, in a file that discovery keeps true.

    Attributes:
        service: whose machines.
        line: the line, with `{name}`, `{address}` and `{port}` where those go.

    """

    service: Service
    line: str


@dataclass(frozen=True, kw_only=True)
class FellowLines:
    """One line for each balancer of the same name in the same cloud, in such a file.

    Attributes:
        balancer: the name, as `Discovery.agent` was told it.
        own: the line of the machine itself, with `{name}`; "" for none.
        others: the line of each other one, with `{name}` and `{address}`; "" for none.

    """

    balancer: str
    own: str = ""
    others: str = ""


@dataclass(frozen=True, kw_only=True)
class WatchedFile:
    """A balancer's configuration file that discovery keeps true while machines come and go.

    Attributes:
        path: where discovery writes it (a staging place: the balancer's own file is another).
        pieces: text as it is, and lines that repeat.
        apply: one shell command that checks the staged file and makes the balancer use it; when
            it fails, the balancer goes on with what it has.
        owner: user and group, `user:group`.
        mode: permissions.

    """

    path: str
    pieces: Sequence[Text | ServerLines | FellowLines]
    apply: str
    owner: str = "root:root"
    mode: int = 0o640
