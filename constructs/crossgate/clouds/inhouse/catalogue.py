"""The hosts of a rack, and which of them carries a machine."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import field
from ipaddress import AddressValueError, IPv4Address
from typing import TYPE_CHECKING, Annotated

import pydantic

from crossgate.errors import ConfigError, RefusedError
from crossgate.model.machine import Architecture
from crossgate.model.net import Port
from crossgate.model.value import value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgate.model.machine import Machine

_HOST_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+={0,3}")


@value
class Host:
    """A server that runs Debian or Ubuntu and that Terraform reaches over SSH.

    Attributes:
        address: its IPv4 address, at which the other hosts reach it too.
        cpu: its processors.
        memory: its memory, GiB.
        host_key: its public SSH key, as in known_hosts and without a comment, such as
            "ecdsa-sha2-nistp256 AAAA...": no other machine is taken for it. Of several keys
            Terraform asks for ECDSA first, so give that one (`ssh-keyscan -t ecdsa ADDRESS`).
        rack: what it shares with others that fail together; default: it is alone.
        only: the id of the construct whose machines it carries ("edge"), or the end of the name
            made of ids, joined by hyphens ("gw-edge"); default: it carries any.
        port: of SSH; default 22.
        architecture: processor family; default `x86_64`.

    """

    address: str = field(kw_only=False)
    cpu: Annotated[int, pydantic.Field(ge=1)]
    memory: Annotated[float, pydantic.Field(gt=0, strict=False)]
    host_key: str
    rack: str | None = None
    only: Annotated[str, pydantic.Field(pattern=r"^[a-z0-9][a-z0-9-]*$")] | None = None
    port: Port = 22
    architecture: Architecture = "x86_64"

    def __post_init__(self) -> None:
        """Refuse what is no address and what is no key."""
        try:
            IPv4Address(self.address)
        except AddressValueError:
            raise ConfigError(
                "is no IPv4 address",
                path="Host: address",
                got=self.address,
                want='an address such as "10.0.0.11": others join it and name it in rules',
            ) from None
        if not _HOST_KEY.fullmatch(self.host_key):
            raise ConfigError(
                "is no public SSH host key",
                path=f"Host({self.address!r}): host_key",
                got=self.host_key,
                want='type and key, such as "ecdsa-sha2-nistp256 AAAA..."',
                do=f"ssh-keyscan -t ecdsa {self.address}, and compare it with the host's own "
                "/etc/ssh/ssh_host_ecdsa_key.pub",
            )

    def __str__(self) -> str:
        """Show what it is and what it has."""
        return f"{self.address} (cpu={self.cpu}, memory={self.memory:g} GiB, {self.architecture})"

    @property
    def place(self) -> str:
        """What it fails together with: its rack, or itself."""
        return self.rack or self.address

    def may_carry(self, name: str) -> bool:
        """Return whether machines of that name may be here."""
        return self.only is None or name == self.only or name.endswith(f"-{self.only}")


def chosen(
    hosts: Sequence[Host], *, name: str, count: int, machine: Machine | None = None
) -> list[Host]:
    """Return the hosts for `count` machines, each with a host of its own.

    Hosts that are there for nothing else come first; then machines are spread over the racks; then
    the smallest host that is large enough is taken, and of equals the one that is listed first.

    Args:
        hosts: the hosts that are free.
        name: what the machines are called.
        count: how many there are.
        machine: what each needs; default: anything will do.

    Raises:
        RefusedError: there are too few hosts.

    """
    able = [host for host in hosts if host.may_carry(name)]
    fitting = [host for host in able if machine is None or _carries(host, machine)]
    if len(fitting) < count:
        need = "" if machine is None else f" of {_need(machine)} each"
        raise RefusedError(
            "has fewer free hosts than machines: each machine has a host of its own",
            path=name,
            got=f"{count} machines{need}",
            want="that many hosts that are large enough, of those that are free: "
            + (", ".join(map(str, able)) or "none"),
            do="list more hosts, ask for fewer or smaller machines (count=, capacity=, machine=), "
            "or leave the cloud out of clouds=",
        )
    picked: list[Host] = []
    while len(picked) < count:
        places = Counter(host.place for host in picked)
        picked.append(
            min(
                (host for host in fitting if host not in picked),
                key=lambda h: (h.only is None, places[h.place], h.memory, h.cpu),
            )
        )
    return picked


def refusals(machine: Machine, name: str) -> list[RefusedError]:
    """Return what no host can meet, however many there are."""
    found = []
    if machine.size:
        found.append(
            RefusedError(
                "in-house hosts have no sizes with names",
                path=f"{name}: machine.size",
                got=list(machine.size),
                do="say what is needed: Machine(cpu=2, memory=4), for this cloud alone with "
                "machine={cloud: ...}",
            )
        )
    if len(machine.architectures) > 1:
        found.append(
            RefusedError(
                "a service on in-house hosts is of one architecture",
                path=f"{name}: machine.architecture",
                got=list(machine.architectures),
                do="choose one for this cloud: machine={cloud: Machine(..., "
                f'architecture="{machine.architectures[0]}")}}',
            )
        )
    if machine.grants:
        found.append(
            RefusedError(
                "in-house hosts have no identity that anything could be granted to",
                path=f"{name}: machine.grants",
                got=list(machine.grants),
                do="leave them out for this cloud: machine={aws: Machine(..., grants=[...])}",
            )
        )
    return found


def _carries(host: Host, machine: Machine) -> bool:
    return (
        host.cpu >= (machine.cpu or 1)
        and host.memory >= (machine.memory or 0)
        and host.architecture in machine.architectures
    )


def _need(machine: Machine) -> str:
    families = " or ".join(machine.architectures)
    return f"cpu={machine.cpu}, memory={machine.memory or 0:g} GiB, {families}"
