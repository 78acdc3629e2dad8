"""What a user says of the VPC: one of our own over several zones, or one that exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from itertools import islice
from typing import Literal

from crossgate.errors import ConfigError
from crossgate.model.net import ipv4_network, is_private
from crossgate.model.value import Many, value

LEAST_ZONES = 2
_SMALLEST_PREFIX = 28  # VPC guide, "Subnet sizing"
_LARGEST_PREFIX = 16
_SHARES = 16


@value
class OwnVpc:
    """A VPC of one's own: in every zone a private subnet for machines, a public one for entries.

    Attributes:
        cidr: the range, /16 to /24, in private space (RFC 1918 or RFC 6598).
        private: ranges of the private subnets, one for each zone; default: equal parts.
        public: ranges of the public subnets, one for each zone; default: equal parts.
        nat: `per-zone` (default: a lost zone takes no other's way out) or `single` (cheaper).

    Raises:
        ConfigError: a range is none or is public, or a subnet lies outside the VPC or on another
            subnet.

    """

    cidr: str = field(kw_only=False)
    private: Many[str] = ()
    public: Many[str] = ()
    nat: Literal["per-zone", "single"] = "per-zone"

    def __post_init__(self) -> None:
        """Refuse ranges that do not fit into each other."""
        whole = self.network
        if not _LARGEST_PREFIX <= whole.prefixlen <= _SMALLEST_PREFIX - 4:
            raise ConfigError(
                "is no size for a VPC", path="OwnVpc: cidr", got=self.cidr, want="/16 to /24"
            )
        if not is_private(whole):
            raise ConfigError(
                "is no private range, and Consul binds a machine's private address only",
                path="OwnVpc: cidr",
                got=self.cidr,
                want="a part of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10",
            )
        taken: list[IPv4Network] = []
        for text in (*self.private, *self.public):
            subnet = ipv4_network(text, "OwnVpc: subnet")
            if not subnet.subnet_of(whole):
                raise ConfigError(
                    "a subnet lies outside its network",
                    path="OwnVpc",
                    got=text,
                    want=f"a part of {whole}",
                )
            for other in taken:
                if subnet.overlaps(other):
                    raise ConfigError(
                        "two subnets overlap", path="OwnVpc", got=f"{other} and {subnet}"
                    )
            taken.append(subnet)

    @property
    def network(self) -> IPv4Network:
        """The range."""
        return ipv4_network(self.cidr, "OwnVpc: cidr")

    def subnets(self, zones: int, path: str) -> tuple[list[str], list[str]]:
        """Return the ranges of the private and the public subnets, one for each zone.

        Raises:
            ConfigError: the lists that were given are not one for each zone.

        """
        parts = list(self.network.subnets(new_prefix=self.network.prefixlen + 4))
        chosen = []
        for name, given, free in (
            ("private", self.private, parts[: _SHARES // 2]),
            ("public", self.public, parts[_SHARES // 2 :]),
        ):
            if given and len(given) != zones:
                raise ConfigError(
                    f"{name} subnets are not one for each zone",
                    path=path,
                    got=len(given),
                    want=str(zones),
                )
            chosen.append(list(given) or [str(part) for part in islice(free, zones)])
        return chosen[0], chosen[1]


@dataclass(frozen=True, kw_only=True)
class ExistingVpc:
    """A VPC that exists, by ids: literals, or tokens of other constructs.

    Attributes:
        vpc_id: the VPC.
        private: ids of subnets with a way out (NAT), for machines; or the token of a list.
        public: ids of subnets with an internet gateway, for entries; or the token of a list,
            and then entries have a fixed name instead of fixed addresses.
        cidr: the VPC's range, when it is known, or a token of it; else it is looked up.

    Raises:
        ConfigError: there are no private or no public subnets.

    """

    vpc_id: str
    private: Sequence[str]
    public: Sequence[str]
    cidr: str | None = None

    def __post_init__(self) -> None:
        """Refuse a network without subnets."""
        for kind, subnets in (("private", self.private), ("public", self.public)):
            if not subnets or isinstance(subnets, str):
                raise ConfigError(
                    "names no subnets",
                    path=f"ExistingVpc: {kind}",
                    got=subnets,
                    want="a list of subnet ids, or the token of one",
                )


@dataclass(frozen=True, kw_only=True)
class VpcByName:
    """A VPC that exists, found by its `Name` tag; its subnets by a tag of theirs.

    How many subnets there are is known as Terraform runs, so entries have a fixed name instead of
    fixed addresses.

    Attributes:
        name: the VPC's `Name`.
        private: `Name` pattern of the private subnets, `*` allowed.
        public: `Name` pattern of the public subnets, `*` allowed.

    """

    name: str
    private: str = "*private*"
    public: str = "*public*"


AwsNetwork = OwnVpc | ExistingVpc | VpcByName
"""Where machines get their addresses."""
