"""The questions to an AWS account in one region, each answered in plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from crossgate.cli.aws.needs import standard

if TYPE_CHECKING:
    from crossgate.cli.aws.needs import Lookup

ERRORS = (BotoCoreError, ClientError, ResponseParserError)
"""What boto3 raises."""

_CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 2})
_LIVE = ("pending", "running")
_LONGEST = 300
_LINUX = "Linux/UNIX"
_NOT_FOUND = ("InvalidAMIID.NotFound", "InvalidAMIID.Malformed", "InvalidAMIID.Unavailable")


def sentence(error: Exception) -> str:
    """Return what is wrong in words, as AWS says it."""
    if not isinstance(error, ClientError):
        return " ".join(str(error).split())[:_LONGEST]
    said = error.response.get("Error", {})
    message = " ".join(str(said.get("Message", "")).split())
    if not message or message.startswith("<"):  # a page, not an answer
        message = "no answer to this question"
    return f"{message[:_LONGEST]} ({said.get('Code', '?')})"


@dataclass(frozen=True, kw_only=True)
class Type:
    """An instance type: its processors, the architectures that it runs, and where it is offered."""

    cpus: int
    architectures: frozenset[str]
    zones: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class FoundImage:
    """A machine image."""

    id: str
    name: str
    architecture: str
    state: str


class Account:
    """What can be asked; every method may raise what boto3 raises.

    Args:
        provider: the arguments of the provider's block; credentials come from where boto3, as the
            provider, looks for them.

    """

    def __init__(self, provider: Mapping[str, Any]) -> None:
        known = {name: value for name, value in provider.items() if "${" not in str(value)}
        session: Any = boto3.Session(
            region_name=known.get("region"), profile_name=known.get("profile")
        )
        self._session = session
        self._ec2 = self.client("ec2")
        self.region: str = self._ec2.meta.region_name

    def client(self, service: str) -> Any:  # noqa: ANN401  (boto3 makes its clients as it runs)
        """Return boto3's client of a service."""
        return self._session.client(service, config=_CONFIG)

    def identity(self) -> tuple[str, str]:
        """Return the account's number, and who asks."""
        found = self.client("sts").get_caller_identity()
        return found["Account"], found["Arn"]

    def opted_in(self) -> str:
        """Return whether the region is enabled, in AWS's words."""
        (found,) = self._ec2.describe_regions(RegionNames=[self.region], AllRegions=True)["Regions"]
        return str(found["OptInStatus"])

    def zones(self) -> list[str]:
        """Return the zones that can be used."""
        found = self._ec2.describe_availability_zones()["AvailabilityZones"]
        return sorted(zone["ZoneName"] for zone in found if zone["State"] == "available")

    def images(self, lookup: Lookup) -> list[FoundImage]:
        """Return what a look-up finds, the newest first."""
        asked: dict[str, Any] = {"IncludeDeprecated": lookup.deprecated}
        if lookup.owners:
            asked["Owners"] = list(lookup.owners)
        if lookup.filters:
            asked["Filters"] = [
                {"Name": name, "Values": list(values)} for name, values in lookup.filters
            ]
        if lookup.ids:
            asked["ImageIds"] = list(lookup.ids)
        try:
            found = self._ec2.describe_images(**asked)["Images"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _NOT_FOUND:
                return []
            raise
        return [
            FoundImage(
                id=one["ImageId"],
                name=one.get("Name", one["ImageId"]),
                architecture=one.get("Architecture", "?"),
                state=one.get("State", "?"),
            )
            for one in sorted(found, key=lambda one: one.get("CreationDate", ""), reverse=True)
        ]

    def types(self, names: Collection[str]) -> dict[str, Type]:
        """Return those of the instance types that the region has."""
        wanted = [{"Name": "instance-type", "Values": sorted(names)}]
        offered: dict[str, set[str]] = {}
        for page in self._ec2.get_paginator("describe_instance_type_offerings").paginate(
            LocationType="availability-zone", Filters=wanted
        ):
            for one in page["InstanceTypeOfferings"]:
                offered.setdefault(one["InstanceType"], set()).add(one["Location"])
        found = {}
        for page in self._ec2.get_paginator("describe_instance_types").paginate(Filters=wanted):
            for one in page["InstanceTypes"]:
                name = one["InstanceType"]
                found[name] = Type(
                    cpus=one["VCpuInfo"]["DefaultVCpus"],
                    architectures=frozenset(one["ProcessorInfo"]["SupportedArchitectures"]),
                    zones=frozenset(offered.get(name, ())),
                )
        return found

    def key_pairs(self) -> list[str]:
        """Return the names of the key pairs."""
        return sorted(one["KeyName"] for one in self._ec2.describe_key_pairs()["KeyPairs"])

    def quota(self, service: str, code: str) -> float:
        """Return a quota as it is for this account."""
        found = self.client("service-quotas").get_service_quota(ServiceCode=service, QuotaCode=code)
        return float(found["Quota"]["Value"])

    def running_cpus(self) -> tuple[int, int]:
        """Return how many vCPUs of standard types run: on demand, and spot."""
        counted: Counter[tuple[str, bool]] = Counter()
        pages = self._ec2.get_paginator("describe_instances").paginate(
            Filters=[{"Name": "instance-state-name", "Values": list(_LIVE)}]
        )
        for page in pages:
            for reservation in page["Reservations"]:
                for one in reservation["Instances"]:
                    counted[one["InstanceType"], one.get("InstanceLifecycle") == "spot"] += 1
        names = {name for name, _ in counted if standard(name)}
        types = self.types(names) if names else {}
        cpus = {
            spot: sum(
                number * types[name].cpus
                for (name, is_spot), number in counted.items()
                if is_spot == spot and name in types
            )
            for spot in (False, True)
        }
        return cpus[False], cpus[True]

    def addresses(self) -> int:
        """Return how many Elastic IPs there are."""
        return len(self._ec2.describe_addresses()["Addresses"])

    def vpcs(self) -> int:
        """Return how many VPCs there are."""
        pages = self._ec2.get_paginator("describe_vpcs").paginate()
        return sum(len(page["Vpcs"]) for page in pages)

    def balancers(self) -> int:
        """Return how many network load balancers there are."""
        pages = self.client("elbv2").get_paginator("describe_load_balancers").paginate()
        return sum(one["Type"] == "network" for page in pages for one in page["LoadBalancers"])

    def spot_prices(self, names: Collection[str], zones: Collection[str]) -> dict[str, Decimal]:
        """Return what each type costs now where it is cheapest, USD an hour.

        Args:
            names: instance types.
            zones: where; empty: in any zone.

        """
        found: dict[str, Decimal] = {}
        pages = self._ec2.get_paginator("describe_spot_price_history").paginate(
            InstanceTypes=sorted(names),
            ProductDescriptions=[_LINUX, f"{_LINUX} (Amazon VPC)"],
            StartTime=datetime.now(UTC),  # what holds now is all that is answered then
        )
        for page in pages:
            for one in page["SpotPriceHistory"]:
                if not zones or one["AvailabilityZone"] in zones:
                    name, price = one["InstanceType"], Decimal(one["SpotPrice"])
                    found[name] = min(price, found.get(name, price))
        return found
