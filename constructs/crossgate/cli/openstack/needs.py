"""What a stack needs of an OpenStack cloud, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image, by its id or by the name under which it is looked up; neither: nobody knows yet."""

    id: str | None = None
    name: str | None = None

    def __str__(self) -> str:
        """Say which."""
        return self.id or (f'"{self.name}"' if self.name else "known to Terraform only")


@dataclass(frozen=True, kw_only=True)
class Machines:
    """Machines that are alike.

    Attributes:
        of: the group or machine.
        flavor: the flavor's name, or its id; None: only Terraform knows it.
        image: what they boot from.
        volume: size of the boot volume, GiB; None: they boot from the flavor's own disk.
        most: how many there are at most.
        surge: how many more a rollout adds.
        now: how many there are by the state.
        ports: how many ports Nova makes for each, beside those in the JSON.
        group: address of the server group that they are in; None: in none.

    """

    of: str
    flavor: str | None
    image: Image
    volume: int | None = None
    most: int = 1
    surge: int = 0
    now: int = 0
    ports: int = 0
    group: str | None = None

    @property
    def more(self) -> int:
        """How many may come to those that are there."""
        return max(0, self.most + self.surge - self.now)


@dataclass(frozen=True, kw_only=True)
class HeatStack:
    """A Heat stack that the JSON makes.

    Attributes:
        name: its name.
        tags: its tags.
        ids: those that the state knows.

    """

    name: str
    tags: Sequence[str] = ()
    ids: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Everything that a stack needs of one cloud.

    Attributes:
        services: service types, each with the first that needs it.
        machines: what runs.
        counted: how many of each thing come to what is there.
        external: networks that lead out, by name or id.
        zones: availability zones named.
        key_pairs: key pairs named.
        volume_types: volume types named.
        apart: whether a server group keeps machines on different hosts where there are enough.
        together: how many machines the largest server group has, at most.
        stacks: Heat stacks.
        roles: what an application credential that is made shall have; None: none is made.
        unread: Heat stacks whose template is not known before Terraform runs.

    """

    services: Mapping[str, str]
    machines: Sequence[Machines]
    counted: Mapping[str, int]
    external: Sequence[str] = ()
    zones: Sequence[str] = ()
    key_pairs: Sequence[str] = ()
    volume_types: Sequence[str] = ()
    apart: bool = False
    together: int = 0
    stacks: Sequence[HeatStack] = ()
    roles: Sequence[str] | None = None
    unread: Sequence[str] = ()
