"""One AWS region of a stack, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from crossgate.cli.aws import judge
from crossgate.cli.aws.account import ERRORS, Account, Type, sentence
from crossgate.cli.aws.needs import needs
from crossgate.cli.findings import Asker, Finding, Report, Verdict, quota

if TYPE_CHECKING:
    from crossgate.cli.aws.needs import Lookup, Machines
    from crossgate.cli.synthesized import Cloud

# Codes: docs.aws.amazon.com/general/latest/gr/aws-service-information.html, by service.
_ON_DEMAND = ("ec2", "L-1216C47A")
_SPOT = ("ec2", "L-34B43A08")
_ADDRESSES = ("ec2", "L-0263D0A3")
_VPCS = ("vpc", "L-F678F1CE")
_BALANCERS = ("elasticloadbalancing", "L-69A177A2")


def check(cloud: Cloud) -> Report:
    """Ask an AWS region for all that the stack needs of it."""
    try:
        account = Account(cloud.provider)
        number, who = account.identity()
    except ERRORS as error:
        return Report(cloud=cloud.name, where="AWS", failed=sentence(error))
    return Report(
        cloud=cloud.name,
        where=f"AWS, region {account.region}, account {number}, as {who}",
        findings=_Check(cloud, account).findings(),
    )


class _Check:
    def __init__(self, cloud: Cloud, account: Account) -> None:
        self._cloud = cloud
        self._account = account
        self._needs = needs(cloud)
        self._asker = Asker(errors=ERRORS, sentence=sentence)
        self._types: dict[str, Type] = {}

    def findings(self) -> list[Finding]:
        asker, account, wanted = self._asker, self._account, self._needs
        if self._cloud.provider.get("assume_role"):
            asker.findings.append(
                Finding(
                    what="credential",
                    needed="the role that the provider assumes",
                    found="what follows was asked without that role",
                    verdict=Verdict.WARN,
                    do="check with credentials of the role itself",
                )
            )
        asker.ask("region", "enabled", lambda: [judge.region(account.region, account.opted_in())])
        if wanted.zones:
            asker.ask("zones", ", ".join(wanted.zones), self._ask_zones)
        asker.ask("instance types", "offered", self._ask_types)
        for lookup in wanted.lookups:
            asker.ask(f"image {lookup.label}", "there", partial(self._ask_image, lookup))
        asker.findings += (
            judge.image_unknown(one) for one in wanted.machines if None in one.images
        )
        asker.findings += map(judge.size_unknown, wanted.unsized)
        if wanted.key_pairs:
            asker.ask("key pairs", ", ".join(wanted.key_pairs), self._ask_key_pairs)
        self._quotas()
        for machines in wanted.machines:
            if machines.spot and machines.types and machines.max_price is not None:
                asker.ask(
                    f"spot price of {machines.of}",
                    f"at most {machines.max_price:f} USD an hour",
                    partial(self._ask_price, machines),
                )
        return asker.findings

    def _quotas(self) -> None:
        account, wanted = self._account, self._needs
        on_demand, spot = judge.cpus(wanted.machines, self._types)
        self._quota("vCPUs on demand", on_demand, _ON_DEMAND, lambda: account.running_cpus()[0])
        self._quota("vCPUs of spot machines", spot, _SPOT, lambda: account.running_cpus()[1])
        self._asker.findings += judge.others(wanted.machines)
        self._quota("Elastic IPs", wanted.addresses, _ADDRESSES, account.addresses)
        self._quota("VPCs", wanted.vpcs, _VPCS, account.vpcs)
        self._quota("network load balancers", wanted.balancers, _BALANCERS, account.balancers)

    def _quota(self, what: str, more: int, code: tuple[str, str], used: Callable[[], int]) -> None:
        if not more:
            return
        do = (
            f"aws service-quotas request-service-quota-increase --service-code {code[0]} "
            f"--quota-code {code[1]} --desired-value {{most}} --region {self._account.region}"
        )
        self._asker.ask(
            what,
            f"{more} more",
            lambda: [quota(what, more=more, limit=self._account.quota(*code), used=used(), do=do)],
        )

    def _ask_zones(self) -> Iterator[Finding]:
        there = self._account.zones()
        return judge.named("zone", self._needs.zones, there, do=f"zones= of {', '.join(there)}")

    def _ask_types(self) -> Iterator[Finding]:
        names = {name for one in self._needs.machines for name in one.types}
        self._types = self._account.types(names) if names else {}
        return judge.types(self._needs.machines, self._types)

    def _ask_image(self, lookup: Lookup) -> list[Finding]:
        found = self._account.images(lookup)
        return [judge.image(lookup, found, self._needs.machines, self._types)]

    def _ask_key_pairs(self) -> Iterator[Finding]:
        return judge.named(
            "key pair",
            self._needs.key_pairs,
            self._account.key_pairs(),
            do="aws ec2 import-key-pair --key-name NAME --public-key-material fileb://FILE",
        )

    def _ask_price(self, machines: Machines) -> list[Finding]:
        return [judge.price(machines, self._account.spot_prices(machines.types, machines.zones))]
