"""`HAProxyNodes`: two or more HAProxy machines behind one entry in every cloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from crossgate.balancers.haproxy import tls
from crossgate.balancers.haproxy.between import Between
from crossgate.balancers.haproxy.config import configuration
from crossgate.balancers.haproxy.document import (
    figures_document,
    haproxy_document,
    pages_document,
    peers_document,
    seen_document,
)
from crossgate.balancers.haproxy.settings import (
    HEALTH_PATH,
    HEALTH_PORT,
    PEERS_PORT,
    PROXIED_HEALTH_PORT,
    STATS_PORT,
    Seen,
    SpillOver,
)
from crossgate.boot.metrics import LOOPBACK_METRICS_PORT, METRICS_USER, metrics_document
from crossgate.front import MACHINE, ROLLOUT, Front, Opened, checked_front, checked_listeners
from crossgate.model.argument import (
    checked,
    checked_many,
    checked_rotation,
)
from crossgate.model.listener import Listener
from crossgate.terraform.secrets import random_login, random_password

if TYPE_CHECKING:
    from crossgate.boot.document import Document
    from crossgate.contracts import Cloud, Discovery
    from crossgate.model.machine import Machine
    from crossgate.model.rollout import Rollout
    from crossgate.model.text import Reference
    from crossgate.per_cloud import PerCloud
    from crossgate.terraform.engine import Construct

_DEFAULT_SEEN = Seen()
_DEFAULT_SPILL_OVER = SpillOver()
_RESERVED_PORTS = frozenset({22, HEALTH_PORT, STATS_PORT, LOOPBACK_METRICS_PORT})


class HAProxyNodes(Front):
    """HAProxy machines, an entry that leads clients to them, and listeners that lead to services.

    Nothing reaches a listener until `connections.allow_from` lets it in.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        clouds: Sequence[Cloud],
        discovery: Discovery,
        listeners: Sequence[Listener],
        count: PerCloud[int] = 2,
        machine: PerCloud[Machine] = MACHINE,
        rollout: PerCloud[Rollout] = ROLLOUT,
        seen: Seen = _DEFAULT_SEEN,
        spill_over: SpillOver | None = _DEFAULT_SPILL_OVER,
        rotation: int = 1,
        boot: Sequence[Document] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Build the balancers in every cloud.

        Args:
            scope: the construct they belong to.
            id: the name among the constructs of `scope`.
            clouds: where they run.
            discovery: who knows the machines that run the services.
            listeners: the ports, and the services they lead to.
            count: machines in each cloud, at least 2 (default).
            machine: what one needs; default two processors and 4 GiB.
            rollout: how changed machines are replaced; default: launch first, then terminate.
            seen: what can be seen of them; default: figures, a page of statistics and logs.
            spill_over: whether clients are led to the other clouds while no machine of a service
                works in one; default: they are, where there are others. None: they are not.
            rotation: of the certificates by which balancers know each other, and of their
                authority; default 1. A number more exchanges them, in one deploy and without an
                outage: docs/spill-over.md.
            boot: further parts of the boot document.
            tags: put on everything that the cloud can tag.

        Raises:
            ConfigError: a value is wrong, a port is taken twice, or a cloud refuses.
            PolicyError: a rollout that may leave no balancer.

        """
        wanted = checked_front(
            scope,
            id,
            clouds=clouds,
            discovery=discovery,
            count=count,
            machine=machine,
            rollout=rollout,
            boot=boot,
            tags=tags,
        )
        path = wanted.path
        checked(Seen, seen, argument="seen", path=path)
        given = checked_many(Listener, listeners, argument="listeners", path=path)
        proxied = [one.port for one in given if one.accept_proxy]
        health_ports = [HEALTH_PORT, *([PROXIED_HEALTH_PORT] if proxied else [])]
        remember = any(one.remembers_sources for one in given)
        own = (*_RESERVED_PORTS, *health_ports, *([PEERS_PORT] if remember else []))
        taken = {*own, *discovery.taken_ports}
        listeners = checked_listeners(given, taken, path)
        between = Between(
            spill_over,
            checked_rotation(rotation, path),
            wanted.clouds,
            listeners,
            taken,
            path,
        )
        # What further parts of the boot document listen on is not known here.
        shown = seen.metrics or seen.page
        deaf = {LOOPBACK_METRICS_PORT, *([] if shown else [STATS_PORT])}
        ports = (*(listener.port for listener in listeners), *between.ports)
        opened = Opened(
            ports=ports,
            health_port=HEALTH_PORT,
            health_path=HEALTH_PATH,
            proxied=proxied,
            proxied_health_port=PROXIED_HEALTH_PORT if proxied else None,
            by_source=[one.port for one in listeners if one.parts_sources],
            admin=(STATS_PORT, PEERS_PORT, *health_ports, *between.ports),
            answers=None if wanted.boot else taken - deaf | set(ports),
        )

        super().__init__(scope, id, wanted=wanted, listeners=listeners, opened=opened)
        self._between = between
        self._seen = seen
        between.certify(self, self._children, self._name)
        self._key = self._cookie_key()
        self._serve(self._documents)
        between.meet(self.entries)
        if between.remember:
            why = "balancers tell each other where clients were led"
            self.connections.allow_from(self, port=PEERS_PORT, why=why)

    def _documents(self, cloud: Cloud, scope: Construct, balancers: int) -> Iterator[Document]:
        """Yield what makes a machine of a cloud a balancer."""
        login = f"{METRICS_USER} for figures of {self.connections.path} in {cloud.name}"
        discovery, seen = self._wanted.discovery, self._seen
        shown = seen.metrics or seen.page
        yield haproxy_document(
            stats_password=random_login(scope, "stats", of=login) if shown else None
        )
        fellows = self._between.peers(cloud, self._name)
        yield discovery.agent(cloud, (), balancer=self._name if fellows else None)
        if fellows:
            yield peers_document()
        secrets = [*tls.files(scope, self.listeners), *self._between.files(cloud)]
        file = configuration(
            self.listeners,
            # Every address, so that an operator's range can be let in: the firewall is closed to
            # all, and the page asks for a login.
            stats_address="*",
            balancers=balancers,
            seen=seen,
            cookie_key=self._key,
            elsewhere=self._between.elsewhere(cloud, self.entries),
            fellows=fellows,
        )
        yield discovery.keep(cloud, tls.marked(scope, file, secrets))
        yield from self._figures(cloud, discovery, balancers)
        if seen.metrics:
            yield from self._metrics(discovery)
        yield from self._pages()
        if secrets:
            yield tls.tls_document(secrets)

    def _cookie_key(self) -> Reference | None:
        """Return what cookies are worked out with; None where no listener sets one.

        One for all: a client may come by another cloud the next time.
        """
        sticky = any(one.sticky and not one.remembers_sources for one in self.listeners)
        return random_password(self, "sticky") if sticky else None

    def _figures(self, cloud: Cloud, discovery: Discovery, balancers: int) -> list[Document]:
        limited = any(s.max_connections for one in self.listeners for s in one.services)
        if not (limited or cloud.needs_figures):
            return []
        watch = discovery.watch if cloud.needs_figures else None
        return [figures_document(self.listeners, watch, balancers=balancers)]

    def _metrics(self, discovery: Discovery) -> Sequence[Document]:
        # HAProxy asks for the login, and leads who knows it there.
        return (
            seen_document(self.listeners, discovery.watch),
            metrics_document(pages=discovery.metrics),
        )

    def _pages(self) -> list[Document]:
        shown = any(listener.maintenance is not None for listener in self.listeners)
        return [pages_document(self.listeners)] if shown else []
