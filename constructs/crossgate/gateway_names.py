"""Names of DNS in a gateway file."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from crossgate.errors import ConfigError
from crossgate.model.names import TTL, Label
from crossgate.model.net import Port
from crossgate.model.units import Duration
from crossgate.model.value import Table, value


@value
class ZoneEntry:
    """A zone of DNS that is there.

    Attributes:
        cloud: the cloud of the file that has it.
        name: of the zone, "example.org".
        id: of the zone; default: it is looked up by its name.

    """

    cloud: Label
    name: str
    id: str | None = None


@value
class NameEntry:
    """A name of DNS that leads clients to the entries of all clouds.

    Attributes:
        name: such as "api.example.org".
        zone: where it is.
        weights: how many of the clients each cloud gets, by its name; default: all as many.
        first: the cloud that gets all clients while its entry is well; default: none does.
        port: the listener whose port tells whether an entry is well; default the first.
        ttl: for how long an answer may be kept; default 30 seconds.

    """

    name: str
    zone: ZoneEntry
    weights: Table[Label, int] | None = None
    first: Label | None = None
    port: Port | None = None
    ttl: Duration = TTL


def strange_clouds(names: Sequence[NameEntry], clouds: Collection[str]) -> list[ConfigError]:
    """Return where names say clouds that are not in the file."""
    said = []
    for number, entry in enumerate(names):
        place = f"names[{number}]"
        said += [(f"{place}.zone.cloud", entry.zone.cloud), (f"{place}.first", entry.first)]
        said += [(f"{place}.weights", cloud) for cloud in entry.weights or ()]
    return [
        ConfigError("is no cloud of this file", path=where, got=name, want=" or ".join(clouds))
        for where, name in said
        if name is not None and name not in clouds
    ]
