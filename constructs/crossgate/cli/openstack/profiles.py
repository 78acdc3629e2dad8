"""Profiles against a real catalogue: which ready one fits, and which one the catalogue suggests."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from crossgate.cli.findings import Finding
from crossgate.cli.openstack.facts import MEBI, Catalogue
from crossgate.clouds.openstack.limits import STACK_RESOURCES
from crossgate.clouds.openstack.profile import PROFILES, Flavor, OpenStackProfile

if TYPE_CHECKING:
    from crossgate.cli.openstack.login import Login

SERVICES = {
    "heat": "orchestration",
    "octavia": "load-balancer",
    "aodh": "alarming",
    "barbican": "key-manager",
    "designate": "dns",
    "swift": "object-store",
}
"""Fields of a profile, and the type of the service that each says is there."""

_SHOWN = 5


def lacks(profile: OpenStackProfile, catalogue: Catalogue) -> list[str]:
    """Return what a profile says of a cloud and the catalogue does not."""
    elsewhere = profile.auth_url is not None and _host(profile.auth_url) != _host(catalogue.url)
    found = [f"another Keystone than {_host(profile.auth_url or '')}"] if elsewhere else []
    found += [
        f"no {name.capitalize()}"
        for name, service in SERVICES.items()
        if getattr(profile, name) and service not in catalogue.services
    ]
    for name, flavor in profile.flavors.items():
        real = catalogue.flavors.get(name)
        if real is None:
            found.append(f"no flavor {name}")
        elif (real.cpu, real.memory, real.disk) != (
            flavor.cpu,
            round(flavor.memory * MEBI),
            flavor.disk,
        ):
            found.append(f"flavor {name} has {real}")
    found += [f"no zone {zone}" for zone in profile.zones if zone not in catalogue.zones]
    if profile.external_network not in catalogue.external:
        found.append(f"no external network {profile.external_network}")
    if profile.soft_anti_affinity and not catalogue.apart:
        found.append("no soft-anti-affinity")
    together = catalogue.together
    if together is not None and 0 <= together < profile.server_group_members:
        found.append(f"server groups of {together} members")
    return found


def _host(url: str) -> str | None:
    return urlsplit(url).hostname


def fitting(catalogue: Catalogue) -> Finding:
    """Return which ready profile says nothing that the catalogue does not."""
    missing = {name: lacks(profile, catalogue) for name, profile in PROFILES.items()}
    fits = [name for name, lacking in missing.items() if not lacking]
    if fits:
        return Finding(what="ready profile", needed="one that fits", found=", ".join(fits))
    name, lacking = min(missing.items(), key=lambda item: len(item[1]))
    shown = ", ".join(lacking[:_SHOWN])
    more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
    return Finding(
        what="ready profile",
        needed="one that fits",
        found=f"none; the nearest is {name}, but here: {shown}{more}",
    )


def suggested(catalogue: Catalogue, login: Login) -> OpenStackProfile:
    """Return the profile that the catalogue suggests, for the credential in use."""
    usual = OpenStackProfile(name=login.project)
    external = usual.external_network
    if external not in catalogue.external:
        external = next(iter(catalogue.external), external)
    together = usual.server_group_members if catalogue.together is None else catalogue.together
    sizes = sorted(catalogue.flavors.values(), key=lambda one: (one.cpu, one.memory, one.name))
    return replace(
        usual,
        auth_url=login.url,
        region=login.region,
        external_network=external,
        external_network_id=catalogue.external.get(external),
        flavors={
            one.name: Flavor(cpu=one.cpu, memory=round(one.memory / MEBI, 3), disk=one.disk)
            for one in sizes
        },
        zones=tuple(catalogue.zones),
        credential="any" if login.application_credential is None else "application-credential",
        heat=SERVICES["heat"] in catalogue.services,
        octavia=SERVICES["octavia"] in catalogue.services,
        # Its alarms are of use where Gnocchi has what they look at.
        aodh={SERVICES["aodh"], "metric"} <= set(catalogue.services),
        barbican=SERVICES["barbican"] in catalogue.services,
        designate=SERVICES["designate"] in catalogue.services,
        swift=SERVICES["swift"] in catalogue.services,
        soft_anti_affinity=catalogue.apart,
        # Where there is no limit the largest stack sets one.
        server_group_members=together if together >= 0 else STACK_RESOURCES,
    )


def code(profile: OpenStackProfile) -> str:
    """Return a profile as the Python that makes it, without what is so by default."""
    plain = OpenStackProfile(name="plain")
    lines = ["OpenStackProfile("]
    for field in fields(OpenStackProfile):
        value = getattr(profile, field.name)
        if field.name != "name" and value == getattr(plain, field.name):
            continue
        if field.name == "flavors":
            lines.append("    flavors={")
            lines += [
                f'        "{name}": Flavor(cpu={one.cpu}, memory={one.memory:g}, disk={one.disk}),'
                for name, one in value.items()
            ]
            lines.append("    },")
        else:
            quoted = isinstance(value, str | tuple)
            shown = json.dumps(value, ensure_ascii=False) if quoted else repr(value)
            lines.append(f"    {field.name}={shown},")
    return "\n".join([*lines, ")"])
