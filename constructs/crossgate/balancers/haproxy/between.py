"""Where balancers of several clouds meet, and by what they know each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.balancers.haproxy import mutual
from crossgate.balancers.haproxy.peers import Peers
from crossgate.balancers.haproxy.settings import BETWEEN_PORT, PEERS_PORT, SpillOver
from crossgate.balancers.haproxy.spill import Elsewhere
from crossgate.errors import ConfigError
from crossgate.model.argument import checked
from crossgate.model.text import Reference
from crossgate.model.value import holds_token
from crossgate.terraform.certificates import authority, numbered, signed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from crossgate.boot.document import File
    from crossgate.contracts import Cloud, Entry
    from crossgate.model.listener import Listener
    from crossgate.terraform.engine import Construct

_HIGHEST_PORT = 65535


class Between:
    """How the balancers of each cloud are found by the others, and know them; or nothing of it.

    Attributes:
        ports: where they come, beside the listeners.
        remember: whether those of one cloud tell each other where clients were led.

    """

    def __init__(
        self,
        spill_over: SpillOver | None,
        rotation: int,
        clouds: Sequence[Cloud],
        listeners: Sequence[Listener],
        taken: Collection[int],
        path: str,
    ) -> None:
        """Look whether it can be.

        Args:
            spill_over: what was asked for; None: nothing, as where there is no other cloud.
            rotation: how often their certificates have been exchanged, and one.
            clouds: where the balancers are.
            listeners: what they listen for.
            taken: ports that the balancers themselves have.
            path: of the construct, for messages.

        Raises:
            ConfigError: a port is taken, the machines of a cloud cannot be told from strangers, or
                a service would be told of another certificate than its client's.

        """
        asked = checked((SpillOver, type(None)), spill_over, argument="spill_over", path=path)
        if len(clouds) == 1:
            asked = None
        self._asked = asked
        self._rotation = rotation
        self.remember = any(listener.remembers_sources for listener in listeners)
        self.ports: Sequence[int] = ()
        self._files: Mapping[Cloud, Sequence[File]] = {}
        if asked is None:
            return
        lent = [one.port + asked.offset for one in listeners if one.services]
        self.ports = [*lent, BETWEEN_PORT]
        _check_ports(self.ports, {*taken, *(one.port for one in listeners)}, path)
        _check_clouds(clouds, path)
        _check_listeners(listeners, path)

    def certify(self, scope: Construct, places: Mapping[Cloud, Construct], name: str) -> None:
        """Make the certificates by which they know each other.

        Args:
            scope: of all of them.
            places: of the balancers of each cloud.
            name: what all of them are called.

        """
        if self._asked is None and not self.remember:
            return
        # No cloud has an underscore in its name, and so none the same id.
        by = authority(
            scope, "balancers_authority", name=f"{name} balancers", number=self._rotation
        )
        made = {}
        for cloud, place in places.items():
            host = mutual.host(cloud.name)
            own = signed(
                place,
                numbered("certificate", self._rotation),
                by=by.signs,
                name=host,
                dns_names=[host],
                ip_addresses=[],
            )
            made[cloud] = mutual.files(by.trusted, own.certificate, own.key)
        self._files = made

    def files(self, cloud: Cloud) -> Sequence[File]:
        """Return the files with the certificates of a cloud's balancers."""
        return self._files.get(cloud, ())

    def peers(self, cloud: Cloud, name: str) -> Peers | None:
        """Return the balancers of a cloud as they know each other."""
        return Peers(name=name, cloud=cloud.name, port=PEERS_PORT) if self.remember else None

    def elsewhere(self, cloud: Cloud, entries: Mapping[Cloud, Entry]) -> Elsewhere | None:
        """Return the other clouds as the balancers of one know them."""
        if self._asked is None:
            return None
        others = {
            other.name: [Reference(one) if holds_token(one) else one for one in entry.addresses]
            for other, entry in entries.items()
            if other is not cloud
        }
        return Elsewhere(entries=others, offset=self._asked.offset, asked=BETWEEN_PORT)

    def meet(self, entries: Mapping[Cloud, Entry]) -> None:
        """Let the machines of each cloud in at the others' entries."""
        for cloud, entry in entries.items():
            for port in self.ports:
                for other in entries:
                    if other is not cloud:
                        entry.allow_cloud(other, port)


def _check_ports(ports: Sequence[int], taken: Collection[int], path: str) -> None:
    for port in ports:
        if port > _HIGHEST_PORT or port in taken:
            raise ConfigError(
                f"a port for the balancers of other clouds is "
                f"{'taken' if port in taken else 'above the highest one'}",
                path=f"{path}: spill_over",
                got=port,
                do="choose another distance from the listeners' ports: SpillOver(offset=...)",
            )


def _check_listeners(listeners: Sequence[Listener], path: str) -> None:
    for listener in listeners:
        told = any(service.send_proxy == "v2" for service in listener.services)
        if listener.tls is not None and told:
            raise ConfigError(
                "a service in another cloud would be told of the balancer's certificate, as if it "
                "were the client's",
                path=f"{path}: spill_over",
                got=f'Listener({listener.port}) with tls, to a service with send_proxy="v2"',
                do='write send_proxy="v1", which tells of addresses alone; or spill_over=None',
            )


def _check_clouds(clouds: Sequence[Cloud], path: str) -> None:
    for cloud in clouds:
        if not cloud.ways_out:
            raise ConfigError(
                f"nobody knows by which addresses the balancers of {cloud.name} reach the others, "
                "which let nobody else in",
                path=f"{path}: spill_over",
                do='say it of the cloud: ways_out=["198.51.100.7"], the addresses of its routers; '
                "or leave clients where they are: spill_over=None",
            )
