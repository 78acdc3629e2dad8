"""Needs against what was found: each thing with its verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from crossgate.cli.aws.needs import standard
from crossgate.cli.findings import Finding, Verdict

if TYPE_CHECKING:
    from decimal import Decimal

    from crossgate.cli.aws.account import FoundImage, Type
    from crossgate.cli.aws.needs import Lookup, Machines

_ENABLED = ("opt-in-not-required", "opted-in")


def region(name: str, status: str) -> Finding:
    """Judge whether the region is enabled."""
    enabled = status in _ENABLED
    return Finding(
        what=f"region {name}",
        needed="enabled",
        found=status,
        verdict=Verdict.OK if enabled else Verdict.MISSING,
        do=None if enabled else f"aws account enable-region --region-name {name}",
    )


def named(what: str, wanted: Sequence[str], there: Sequence[str], *, do: str) -> Iterator[Finding]:
    """Judge things that must exist by their name."""
    for name in wanted:
        has = name in there
        near = ", ".join(get_close_matches(name, there, n=3) or there[:3]) or "none at all"
        yield Finding(
            what=f"{what} {name}",
            needed="named in the stack",
            found="there" if has else f"there is none of this name; there is {near}",
            verdict=Verdict.OK if has else Verdict.MISSING,
            do=None if has else do,
        )


def image(
    lookup: Lookup,
    found: Sequence[FoundImage],
    machines: Sequence[Machines],
    types: Mapping[str, Type],
) -> Finding:
    """Judge an image: whether it is found, can be used, and runs on the types that boot it."""
    using = [one for one in machines if lookup in one.images]
    needed = f"for {', '.join(one.of for one in using)}" if using else "looked up"
    what = f"image {lookup.label}"
    if not found:
        return Finding(
            what=what,
            needed=needed,
            found="there is none in this region, or it is not shared with the account",
            verdict=Verdict.MISSING,
            do='image="debian-12", or the id of an image of this region (they differ by region)',
        )
    newest = found[0]
    shown = f"{newest.id}, {newest.name}, {newest.architecture}"
    strange = [
        name
        for one in using
        for name in one.types
        if one.image_of(name) == lookup
        and name in types
        and newest.architecture not in types[name].architectures
    ]
    if newest.state != "available" or strange:
        return Finding(
            what=what,
            needed=needed,
            found=f"{shown}, {newest.state}",
            verdict=Verdict.MISSING,
            do=f"an image that {strange[0]} can boot: "
            f"{', '.join(sorted(types[strange[0]].architectures))}"
            if strange
            else "wait until it is available, or name another",
        )
    return Finding(what=what, needed=needed, found=shown)


def image_unknown(one: Machines) -> Finding:
    """Say that only Terraform knows what machines boot from."""
    return Finding(
        what=f"image of {one.of}",
        needed="there",
        found="could not be asked: only Terraform knows which",
        verdict=Verdict.UNASKED,
        do="look it up yourself",
    )


def size_unknown(group: str) -> Finding:
    """Say that only Terraform knows how large a group may be."""
    return Finding(
        what=f"largest size of {group}",
        needed="a number in the JSON",
        found="could not be asked: only Terraform knows it",
        verdict=Verdict.UNASKED,
        do="count it yourself: it is in no quota below",
    )


def types(machines: Sequence[Machines], there: Mapping[str, Type]) -> Iterator[Finding]:
    """Judge whether the types are offered where machines may be."""
    where: dict[str, set[str]] = {}
    for one in machines:
        for name in one.types:
            where.setdefault(name, set()).update(one.zones)
        if not one.types:
            yield Finding(
                what=f"instance type of {one.of}",
                needed="offered in its zones",
                found="could not be asked: only Terraform knows which",
                verdict=Verdict.UNASKED,
                do="look it up yourself",
            )
    for name, zones in sorted(where.items()):
        found = there.get(name)
        offered = found.zones if found else frozenset()
        absent = sorted(zones - offered)
        nowhere = not offered or (zones and not zones & offered)
        yield Finding(
            what=f"instance type {name}",
            needed=f"in {', '.join(sorted(zones))}" if zones else "in the region",
            found=f"{found.cpus} vCPUs, in {', '.join(sorted(offered))}"
            if found and offered
            else "not offered in this region",
            verdict=Verdict.MISSING if nowhere else Verdict.WARN if absent else Verdict.OK,
            do="name another type: Machine(size=[...])"
            if nowhere
            else f"no machine of this type will be in {', '.join(absent)}: other zones=, or types"
            if absent
            else None,
        )


def cpus(machines: Sequence[Machines], there: Mapping[str, Type]) -> tuple[int, int]:
    """Return how many vCPUs of standard types come at most: on demand, and spot.

    Of several types that may be chosen, the largest counts.
    """
    counted = [0, 0]
    for one in machines:
        largest = max(
            (there[name].cpus for name in one.types if name in there and standard(name)), default=0
        )
        for market, more in enumerate(one.more()):
            counted[market] += more * largest
    return counted[0], counted[1]


def others(machines: Sequence[Machines]) -> Iterator[Finding]:
    """Say which types count for quotas that are not asked: those of families of their own."""
    for name in sorted({name for one in machines for name in one.types if not standard(name)}):
        yield Finding(
            what=f"quota of vCPUs for {name}",
            needed="as many as the group has",
            found="could not be asked: its family has a quota of its own",
            verdict=Verdict.UNASKED,
            do="look it up in the console: Service Quotas, Amazon EC2",
        )


def price(one: Machines, prices: Mapping[str, Decimal]) -> Finding:
    """Judge the most that a group pays for a spot machine, against what they cost now."""
    limit = one.max_price
    dear = sorted(name for name, now in prices.items() if limit is not None and now > limit)
    unknown = [name for name in one.types if name not in prices]
    shown = ", ".join(f"{name} {now:f}" for name, now in sorted(prices.items()))
    if unknown:
        shown = f"{shown}; no price of {', '.join(unknown)}".removeprefix("; ")
    return Finding(
        what=f"spot price of {one.of}",
        needed=f"at most {limit:f} USD an hour" if limit is not None else "any",
        found=shown,
        verdict=Verdict.WARN if dear or unknown else Verdict.OK,
        do=f"a higher max_price, or none: now there is no {', '.join(dear)} for it"
        if dear
        else "see whether spot machines of this type exist here: Machine(size=[...])"
        if unknown
        else None,
    )
