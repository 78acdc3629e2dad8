"""What balancers of a cloud tell each other: where the clients of sticky listeners were led."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from crossgate.balancers.haproxy.lines import section, time
from crossgate.balancers.haproxy.mutual import host, secured
from crossgate.model.text import Text
from crossgate.specs import FellowLines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgate.balancers.haproxy.settings import Layout

SECTION = "balancers"
"""What they are called together, in HAProxy's words."""

_REMEMBERED = timedelta(minutes=30)
_SOURCES = 100_000
"""At some 150 bytes each; the oldest is forgotten first."""


@dataclass(frozen=True, kw_only=True)
class Peers:
    """The balancers of one cloud, as they know each other.

    Attributes:
        name: what they are called.
        cloud: the cloud's name, which is in their certificates.
        port: where they tell each other.

    """

    name: str
    cloud: str
    port: int


def own(peers: Peers) -> FellowLines:
    """Return the line of `global` that says which of them this one is."""
    return FellowLines(balancer=peers.name, own="    localpeer {name}\n")


def section_of(peers: Peers, layout: Layout) -> Sequence[Text | FellowLines]:
    """Return the section in which they stand.

    Whoever is new, after a reload or a boot, is told by the others what they know.
    """
    return (
        section(
            f"peers {SECTION}",
            f"bind *:{peers.port} {secured(layout)}",
            f"default-server {secured(layout)} verifyhost {host(peers.cloud)}",
        ),
        FellowLines(
            balancer=peers.name,
            # By its address HAProxy would know it for one of the others.
            own="    server {name}\n",
            others=f"    server {{name}} {{address}}:{peers.port}\n",
        ),
    )


def tables(backends: Sequence[str]) -> Text:
    """Return what holds where clients were led, one for each backend.

    Each is a section of its own: a backend's own table has its name, which a frontend's that counts
    clients has too, and HAProxy takes no two of a name.
    """
    kept = f"type ip size {_SOURCES} expire {time(_REMEMBERED, 'sticky')}"
    return Text.of(
        *(
            # By servers' names: their numbers differ from balancer to balancer.
            section(f"backend {_table(one)}", f"stick-table {kept} srvkey name peers {SECTION}")
            for one in backends
        )
    )


def remembered(backend: str, lent: str | None) -> str:
    """Return the line of a backend that leads each address where it was led before.

    Args:
        backend: its name.
        lent: the frontend where balancers of other clouds come, each of which is many clients; None
            where none do.

    """
    but = "" if lent is None else f" unless {{ fe_name {lent} }}"
    return f"stick on src table {_table(backend)}{but}"


def _table(backend: str) -> str:
    # No service has an underscore in its name.
    return f"met_{backend}"
