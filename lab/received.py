"""What a cloud received from a deploy, in the same words for every cloud, as its API tells it.

Nothing is rendered or guessed: `lab.aws_machines` and `lab.openstack` read it back.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class Instance:
    """A machine that a cloud has been told to run.

    Attributes:
        id: the cloud's own, such as "i-0123".
        group: name of the group that it belongs to, such as "gateway-gw-api".
        address: its private IPv4 address.
        user_data: the bytes that it is given at birth, gzip or plain.
        tags: what the cloud knows of it, also what the cloud itself has set.
        firewalls: names of its security groups.

    """

    id: str
    group: str
    address: str
    user_data: bytes = field(repr=False)
    tags: Mapping[str, str] = field(repr=False)
    firewalls: Sequence[str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A machine to which a load balancer leads.

    Attributes:
        name: what the cloud calls it.
        address: its private IPv4 address.
        port: where it listens.

    """

    name: str
    address: str
    port: int


@dataclass(frozen=True, kw_only=True)
class Health:
    """How a load balancer finds out whether a target is fit.

    Attributes:
        port: where it asks.
        path: what it asks for, by HTTP.
        codes: the answers that mean so, such as "200" or "200-399".
        proxied: whether a question begins with a header of the PROXY protocol.
        every: time between two questions.
        timeout: how long an answer may take.
        rise: good answers until a target is fit.
        fall: bad ones until it is not.

    """

    port: int
    path: str
    codes: str
    every: timedelta
    timeout: timedelta
    rise: int
    fall: int
    proxied: bool = False


@dataclass(frozen=True, kw_only=True)
class Listening:
    """A listener of a load balancer and where it leads.

    Attributes:
        port: where clients connect.
        targets: where they are led.
        health: how targets are asked.
        proxied: whether a connection to a target begins with a header of the PROXY protocol.

    """

    port: int
    targets: Sequence[Target]
    health: Health
    proxied: bool = False


@dataclass(frozen=True, kw_only=True)
class Entrance:
    """A load balancer.

    Attributes:
        name: its name.
        addresses: its fixed addresses as the cloud tells them.
        listening: its listeners.

    """

    name: str
    addresses: Sequence[str]
    listening: Sequence[Listening]


def short_names(
    cloud: str, instances: Sequence[Instance], *, taken: Collection[str] = ()
) -> dict[str, str]:
    """Return a host name for each instance, by id: the cloud, what it is for, a number.

    A lab's names are at most eleven characters long: "aws-api2", "nova-disc1".

    Args:
        cloud: the cloud's name.
        instances: in the order of their numbers.
        taken: names that others have, or had.

    """
    used = set(taken)
    names = {}
    for instance in instances:
        role = instance.group.rpartition("-")[2][:4]
        free = (f"{cloud}-{role}{number}" for number in itertools.count(1))
        names[instance.id] = next(name for name in free if name not in used)
        used.add(names[instance.id])
    return names
