"""Needs against what was found: each thing with its verdict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from crossgate.cli.findings import Finding, Verdict
from crossgate.cli.openstack.facts import MEBI

if TYPE_CHECKING:
    from crossgate.cli.openstack.facts import Flavor, FoundImage
    from crossgate.cli.openstack.login import Login
    from crossgate.cli.openstack.needs import Image, Machines, Needs

_NAMES = {
    "alarming": "Aodh",
    "block-storage": "Cinder",
    "compute": "Nova",
    "dns": "Designate",
    "image": "Glance",
    "key-manager": "Barbican",
    "load-balancer": "Octavia",
    "metric": "Gnocchi",
    "network": "Neutron",
    "orchestration": "Heat",
}
_WITHOUT = {
    "alarming": "aodh=False in the profile, and let groups there follow another figure",
    "metric": "aodh=False in the profile, and let groups there follow another figure",
    "block-storage": "use a flavor whose own disk is large enough, so that no volume is needed",
    "load-balancer": "octavia=False in the profile: the balancers share an address then",
    "orchestration": "heat=False in the profile, and leave the cloud out of the groups' clouds=",
}
_SHOWN = 4


def region(name: str | None, there: Sequence[str]) -> Iterator[Finding]:
    """Judge the region, where one is named."""
    return named("region", [name] if name else [], there, do="region= of the cloud, as written")


def services(needs: Needs, there: frozenset[str]) -> Iterator[Finding]:
    """Judge the catalogue: a service for each kind of resource."""
    for service, who in sorted(needs.services.items()):
        name = f"{_NAMES[service]} ({service})" if service in _NAMES else service
        has = service in there
        yield Finding(
            what=f"service {name}",
            needed=f"for {who}",
            found="in the catalogue" if has else "not in the catalogue of this region",
            verdict=Verdict.OK if has else Verdict.MISSING,
            do=None
            if has
            else _WITHOUT.get(service, "ask the operator, or leave out what needs it"),
        )


def credential(needs: Needs, login: Login) -> Iterator[Finding]:
    """Judge the credential: who it is, and whether it may do what only some may."""
    yield Finding(what="credential", needed="one that Keystone takes", found=login.kind)
    application = login.application_credential
    if needs.stacks:
        given = application is None and "password" in login.methods
        yield Finding(
            what="trusts of Keystone",
            needed=f"by Heat, for {needs.stacks[0].name}",
            found="a password has them" if given else f"perhaps none for this {login.kind}",
            verdict=Verdict.OK if given else Verdict.WARN,
            do=None
            if given
            else "ask the operator whether Keystone gives trusts to application credentials "
            "(allow_insecure_application_credential_trust_escalation), or deploy with a password; "
            "see docs/openstack.md",
        )
    if needs.roles is None:
        return
    if application is not None and application.get("restricted", True):
        yield Finding(
            what="right to make an application credential",
            needed="for the keeper of groups",
            found="this one is restricted",
            verdict=Verdict.MISSING,
            do="openstack application credential create --unrestricted NAME, and deploy with that; "
            "or OpenStackCloud(..., healing=None)",
        )
    absent = [role for role in needs.roles if role not in login.roles]
    yield Finding(
        what="roles of the keeper's credential",
        needed=", ".join(needs.roles) or "yours",
        found=", ".join(sorted(login.roles)),
        verdict=Verdict.MISSING if absent else Verdict.OK,
        do=f"ask the operator for the role {absent[0]} in the project" if absent else None,
    )


def flavors(machines: Sequence[Machines], there: Mapping[str, Flavor]) -> Iterator[Finding]:
    """Judge the flavors by name."""
    users: dict[str | None, list[Machines]] = defaultdict(list)
    for one in machines:
        users[one.flavor].append(one)
    for name, using in sorted(users.items(), key=lambda item: item[0] or ""):
        needed = f"for {_names([one.of for one in using])}"
        if name is None:
            yield _later("flavor", needed)
            continue
        found = flavor_of(name, there)
        near = ", ".join(get_close_matches(name, there, n=3) or sorted(there)[:_SHOWN])
        yield Finding(
            what=f"flavor {name}",
            needed=needed,
            found=str(found) if found else "there is none of this name",
            verdict=Verdict.OK if found else Verdict.MISSING,
            do=None if found else f"name one that the cloud has, in the profile too: {near}",
        )


def images(
    machines: Sequence[Machines],
    there: Mapping[Image, Sequence[FoundImage]],
    flavors: Mapping[str, Flavor],
) -> Iterator[Finding]:
    """Judge the images, and whether each fits into what boots from it.

    Args:
        machines: what runs.
        there: what was found for each image; one that could not be asked for is left out.
        flavors: the cloud's.

    """
    users: dict[Image, list[Machines]] = defaultdict(list)
    for one in machines:
        users[one.image].append(one)
    for image, using in users.items():
        needed = f"for {_names([one.of for one in using])}"
        if image.id is None and image.name is None:
            yield _later("image", needed)
        elif image in there:
            yield _image(image, there[image], needed, using, flavors)


def _image(
    image: Image,
    found: Sequence[FoundImage],
    needed: str,
    using: Sequence[Machines],
    flavors: Mapping[str, Flavor],
) -> Finding:
    what = f"image {image}"
    if not found:
        return Finding(
            what=what,
            needed=needed,
            found="there is none, or it is not shared with the project",
            verdict=Verdict.MISSING,
            do="openstack image list; name one of those",
        )
    newest = found[0]
    shown = f"{newest.name}, {newest.status}, {newest.disk} GiB"
    small = [problem for one in using if (problem := _too_small(one, newest, flavors))]
    if newest.status != "active":
        small.append("an image can be used once it is active")
    return Finding(
        what=what,
        needed=needed,
        found=shown,
        verdict=Verdict.MISSING if small else Verdict.OK,
        do=small[0] if small else None,
    )


def _too_small(one: Machines, image: FoundImage, flavors: Mapping[str, Flavor]) -> str | None:
    flavor = flavor_of(one.flavor, flavors)
    if flavor is None:
        return None
    disk = flavor.disk if one.volume is None else one.volume
    if disk < image.disk:
        return (
            f"a larger disk, Machine(disk={image.disk}), or flavor: that of {one.of} is {disk} GiB"
        )
    if flavor.memory < image.memory:
        return (
            f"a larger flavor: the image wants {image.memory / MEBI:g} GiB memory and {one.of} "
            f"has {flavor.memory / MEBI:g}"
        )
    return None


def named(what: str, wanted: Sequence[str], there: Sequence[str], *, do: str) -> Iterator[Finding]:
    """Judge things that must exist by their name."""
    for name in wanted:
        has = name in there
        yield Finding(
            what=f"{what} {name}",
            needed="named in the stack",
            found="there" if has else f"there is none; there are {_names(there) or 'none at all'}",
            verdict=Verdict.OK if has else Verdict.MISSING,
            do=None if has else do,
        )


def together(most: int, limit: int | None) -> Iterator[Finding]:
    """Judge how many machines one server group may have."""
    if most == 0 or limit is None:
        return
    enough = limit < 0 or most <= limit
    yield Finding(
        what="members of a server group",
        needed=f"{most} in one",
        found="no limit" if limit < 0 else f"at most {limit}",
        verdict=Verdict.OK if enough else Verdict.MISSING,
        do=None
        if enough
        else f"server_group_members={limit} in the profile, or ask the operator for {most}",
    )


def apart(*, has: bool) -> Finding:
    """Judge whether Nova keeps machines on different hosts."""
    return Finding(
        what="soft-anti-affinity of Nova",
        needed="machines on different hosts",
        found="there" if has else "Nova's API is older than 2.15",
        verdict=Verdict.OK if has else Verdict.MISSING,
        do=None if has else "soft_anti_affinity=False in the profile",
    )


def unread(stack: str) -> Finding:
    """Say that what a Heat stack makes is not known."""
    return Finding(
        what=f"machines of the Heat stack {stack}",
        needed="a template that is in the JSON",
        found="could not be asked: only Terraform knows the template",
        verdict=Verdict.UNASKED,
        do="count them yourself",
    )


def hardware(machines: Sequence[Machines], flavors: Mapping[str, Flavor]) -> Mapping[str, int]:
    """Return how many cores, and MiB of memory, would come at most.

    What has a flavor that is not there counts nothing: it has a row of its own.
    """
    sized = [(one.more, flavor_of(one.flavor, flavors)) for one in machines]
    return {
        "cores": sum(more * flavor.cpu for more, flavor in sized if flavor),
        "memory": sum(more * flavor.memory for more, flavor in sized if flavor),
    }


def flavor_of(name: str | None, there: Mapping[str, Flavor]) -> Flavor | None:
    """Return a flavor by its name or id."""
    return there.get(name or "") or next((one for one in there.values() if one.id == name), None)


def _later(what: str, needed: str) -> Finding:
    return Finding(
        what=what,
        needed=needed,
        found="could not be asked: only Terraform knows which",
        verdict=Verdict.UNASKED,
        do="look it up yourself",
    )


def _names(given: Sequence[str]) -> str:
    shown = ", ".join(given[:_SHOWN])
    return f"{shown} and {len(given) - _SHOWN} more" if len(given) > _SHOWN else shown
