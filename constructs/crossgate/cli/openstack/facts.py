"""What an OpenStack cloud has, as plain values: what judging and suggesting work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MEBI = 1024
"""MiB in a GiB."""

GIBI = 1024**3
"""Bytes in a GiB."""


@dataclass(frozen=True, kw_only=True)
class Flavor:
    """A flavor as Nova has it; memory in MiB, disk in GiB."""

    id: str
    name: str
    cpu: int
    memory: int
    disk: int

    def __str__(self) -> str:
        """Say how large it is."""
        return f"{self.cpu} cpu, {self.memory / MEBI:g} GiB memory, {self.disk} GiB disk"


@dataclass(frozen=True, kw_only=True)
class FoundImage:
    """An image as Glance has it.

    Attributes:
        id: its id.
        name: its name.
        status: `active` once it can be used.
        disk: the least disk that it fits on, GiB.
        memory: the least memory that it wants, MiB.

    """

    id: str
    name: str
    status: str
    disk: int = 0
    memory: int = 0


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What the cloud offers to the project.

    Attributes:
        url: its Keystone.
        services: types of those services that the catalogue has and that were asked for.
        flavors: by name.
        zones: names of the availability zones of Nova that may be used.
        external: ids of the networks that lead out, by name.
        apart: whether Nova knows soft-anti-affinity.
        together: Nova's limit of members in a server group; None: not known.

    """

    url: str
    services: frozenset[str] = frozenset()
    flavors: Mapping[str, Flavor] = field(default_factory=dict)
    zones: Sequence[str] = ()
    external: Mapping[str, str] = field(default_factory=dict)
    apart: bool = True
    together: int | None = None
