"""`FabioNodes`: two or more Fabio machines behind one entry in every cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from crossgate.balancers.fabio import config
from crossgate.balancers.fabio.document import fabio_document, figures_document, health_document
from crossgate.balancers.fabio.settings import (
    ADMIN_PORT,
    FIGURES_PORT,
    HEALTH_PATH,
    HEALTH_PORT,
    PROXIED_HEALTH_PORT,
    Strategy,
)
from crossgate.boot.metrics import METRICS_PORT, METRICS_USER, metrics_document
from crossgate.errors import ConfigError
from crossgate.front import MACHINE, ROLLOUT, Front, Opened, checked_front, checked_listeners
from crossgate.model.argument import checked, checked_role
from crossgate.model.service import Artifact
from crossgate.terraform.secrets import random_login

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crossgate.boot.document import Document
    from crossgate.contracts import Catalogue, Cloud
    from crossgate.model.listener import Listener
    from crossgate.model.machine import Machine
    from crossgate.model.rollout import Rollout
    from crossgate.per_cloud import PerCloud
    from crossgate.terraform.engine import Construct

_RESERVED_PORTS = frozenset(
    {22, HEALTH_PORT, PROXIED_HEALTH_PORT, ADMIN_PORT, FIGURES_PORT, METRICS_PORT}
)


class FabioNodes(Front):
    """Fabio machines, an entry that leads clients to them, and listeners that lead to services.

    Fabio reads from Consul which machines pass their checks, and asks them nothing itself. What it
    cannot do of what HAProxy does is refused, or stands in docs/fabio.md.

    Nothing reaches a listener until `connections.allow_from` lets it in.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        clouds: Sequence[Cloud],
        discovery: Catalogue,
        listeners: Sequence[Listener],
        program: Artifact,
        count: PerCloud[int] = 2,
        machine: PerCloud[Machine] = MACHINE,
        rollout: PerCloud[Rollout] = ROLLOUT,
        strategy: Strategy = "rr",
        metrics: bool = True,
        boot: Sequence[Document] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Build the balancers in every cloud.

        Args:
            scope: the construct they belong to.
            id: the name among the constructs of `scope`.
            clouds: where they run.
            discovery: a Consul that knows the machines that run the services.
            listeners: the ports, and the services they lead to.
            program: where Fabio is, which no distribution has: a release of its own or your mirror
                of it, with its checksum. Tried with 1.7.2.
            count: machines in each cloud, at least 2 (default).
            machine: what one needs; default two processors and 4 GiB.
            rollout: how changed machines are replaced; default: launch first, then terminate.
            strategy: who gets the next connection: each machine in turn (`rr`, the default), or one
                by chance (`rnd`). Fabio does not know who has the fewest.
            metrics: figures for Prometheus, of Fabio and of the discovery's agent, behind a login
                on port 8404; default True.
            boot: further parts of the boot document.
            tags: put on everything that the cloud can tag.

        Raises:
            ConfigError: a value is wrong, a port is taken twice, a cloud refuses, or a listener
                says what Fabio cannot do.
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
        checked_role(
            "tag",
            discovery,
            argument="discovery",
            path=path,
            like="a Consul, from which Fabio reads its routes; with another, use HAProxyNodes",
        )
        checked(Artifact, program, argument="program", path=path)
        if program.unpack:
            raise ConfigError(
                "is unpacked, and Fabio is one file",
                path=f"{path}: program",
                got=program.url,
                want="the program itself: Artifact(url=..., sha256=...)",
            )
        checked(bool, metrics, argument="metrics", path=path)
        if strategy not in get_args(Strategy):
            raise ConfigError(
                "is no strategy of Fabio", path=f"{path}: strategy", got=strategy, want="rr or rnd"
            )
        taken = {*_RESERVED_PORTS, *discovery.taken_ports}
        there = checked_listeners(listeners, taken, path)
        config.refuse_what_fabio_has_not(there, path)
        ports = [listener.port for listener in there]
        proxied = [listener.port for listener in there if listener.accept_proxy]
        shown = {HEALTH_PORT, *([PROXIED_HEALTH_PORT] if proxied else [])}
        opened = Opened(
            ports=ports,
            health_port=HEALTH_PORT,
            health_path=HEALTH_PATH,
            proxied=proxied,
            proxied_health_port=PROXIED_HEALTH_PORT if proxied else None,
            admin=(*shown, METRICS_PORT),
            answers=None if wanted.boot else {*ports, *shown, *([METRICS_PORT] if metrics else [])},
        )

        super().__init__(scope, id, wanted=wanted, listeners=there, opened=opened)
        self._program = program
        self._metrics = metrics
        self._strategy: Strategy = strategy
        self._consul = discovery
        self._serve(self._documents)
        for listener in there:
            for service, tag in config.tags(self._name, listener):
                discovery.tag(service, tag)

    def _documents(self, cloud: Cloud, scope: Construct, _balancers: int) -> Iterator[Document]:
        """Yield what makes a machine of a cloud a balancer."""
        yield self._consul.agent(cloud, ())
        text = config.properties(
            self._name,
            self.listeners,
            consul=self._consul.http,
            strategy=self._strategy,
            metrics=self._metrics,
        )
        yield fabio_document(scope, self._program, text, self.listeners)
        yield health_document(self.listeners)
        watch = self._consul.watch if cloud.needs_figures else None
        if watch or self._metrics:
            yield figures_document(self.listeners, watch, metrics=self._metrics)
        if self._metrics:
            login = f"{METRICS_USER} for figures of {self.connections.path} in {cloud.name}"
            password = random_login(scope, "metrics", of=login)
            yield metrics_document(pages=self._consul.metrics, password=password)
