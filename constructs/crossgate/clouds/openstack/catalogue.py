"""Which flavor carries a machine, and which image it starts from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from crossgate.errors import ConfigError, RefusedError
from crossgate.model.machine import Image

if TYPE_CHECKING:
    from crossgate.clouds.openstack.profile import Flavor, OpenStackProfile
    from crossgate.model.machine import Machine

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """A flavor, and the boot volume that a machine needs beside it.

    Attributes:
        flavor: the flavor's name.
        volume: size of the boot volume, GiB; None when the flavor's own disk is large enough: it
            is on the host, fast, and costs no volume quota.

    """

    flavor: str
    volume: int | None


def refusals(machine: Machine, name: str) -> list[RefusedError]:
    """Return what of a machine no OpenStack cloud has."""
    found = []
    if len(machine.architectures) > 1:
        found.append(
            RefusedError(
                "machines of one group have one image in OpenStack, and so one architecture",
                path=f"{name}: machine.architecture",
                got=list(machine.architectures),
                do="choose one for this cloud: machine={cloud: Machine(..., "
                f'architecture="{machine.architectures[0]}")}}',
            )
        )
    if machine.weights:
        found.append(
            RefusedError(
                "Heat counts machines, whatever they weigh",
                path=f"{name}: machine.size",
                got=dict(machine.weights),
                do=f'Machine(size=["{machine.names[0]}"]) for this cloud: machine={{cloud: ...}}',
            )
        )
    if machine.grants:
        found.append(
            RefusedError(
                "OpenStack gives machines no identity that anything could be granted to",
                path=f"{name}: machine.grants",
                got=list(machine.grants),
                do="leave them out for this cloud, machine={aws: Machine(..., grants=[...])}, and "
                "give its service a secret: environment={...: Reference(...)}",
            )
        )
    return found


def carrier(profile: OpenStackProfile, machine: Machine) -> Carrier:
    """Return what carries a machine: the flavor named, or the smallest that meets the need.

    Raises:
        RefusedError: the cloud has no such flavor, or none is large enough.

    """
    name = _named(profile, machine) if machine.size else _fitting(profile, machine)
    flavor = profile.flavors.get(name)
    # Of a flavor that the profile does not list nothing is known: its own disk is taken.
    enough = flavor is None or flavor.disk >= machine.disk
    return Carrier(flavor=name, volume=None if enough else machine.disk)


def _named(profile: OpenStackProfile, machine: Machine) -> str:
    if len(machine.names) > 1:
        raise RefusedError(
            "a machine has one flavor: OpenStack has no spot market to choose for",
            path="machine.size",
            got=list(machine.names),
            do=f'Machine(size=["{machine.names[0]}"]) for this cloud: machine={{cloud: ...}}',
        )
    name = machine.names[0]
    if not profile.flavors:
        return name
    if name not in profile.flavors:
        near = get_close_matches(name, profile.flavors, n=3)
        raise RefusedError(
            f"{profile.name} has no such flavor",
            path="machine.size",
            got=name,
            want=", ".join(near or profile.flavors),
            do="if the cloud has it: add it to the flavors of the profile with its cpu, memory "
            "and disk",
        )
    _check_architecture(profile.flavors[name], machine, name)
    return name


def _check_architecture(flavor: Flavor, machine: Machine, name: str) -> None:
    if flavor.architecture not in machine.architectures:
        raise RefusedError(
            f"the flavor is not for {' or '.join(machine.architectures)}",
            path="machine.size",
            got=name,
            do=f'Machine(size=["{name}"], architecture="{flavor.architecture}")',
        )


def _fitting(profile: OpenStackProfile, machine: Machine) -> str:
    cpu, memory = machine.cpu or 1, machine.memory or 0
    need = f"cpu={cpu}, memory={memory:g} GiB, {' or '.join(machine.architectures)}"
    if not profile.flavors:
        raise RefusedError(
            f"the profile {profile.name!r} lists no flavors, so none can be chosen by need",
            path="machine",
            got=need,
            do='name the flavor, Machine(size=["m1.small"]), or list the flavors in the profile',
        )
    fitting = [
        (flavor.cpu, flavor.memory, name)
        for name, flavor in profile.flavors.items()
        if flavor.cpu >= cpu
        and flavor.memory >= memory
        and flavor.architecture in machine.architectures
    ]
    if not fitting:
        largest = max(profile.flavors.items(), key=lambda item: (item[1].memory, item[1].cpu))
        raise RefusedError(
            f"{profile.name} has no flavor that is large enough",
            path="machine",
            got=need,
            want=f"at most {largest[0]}: cpu={largest[1].cpu}, memory={largest[1].memory:g} GiB, "
            f"{largest[1].architecture}",
        )
    return min(fitting)[2]


def is_id(image: str) -> bool:
    """Return whether `image` is an id, or a token of one, and not a name."""
    return image.startswith("${") or _UUID.match(image) is not None


def named_image(profile: OpenStackProfile, name: str, path: str) -> Image:
    """Return the look-up of an image by our name for it, or by the cloud's own.

    Raises:
        ConfigError: the profile lists images, and none of that name.

    """
    if name in profile.images:
        return Image(name=profile.images[name])
    if not profile.images or name in profile.images.values():
        return Image(name=name)
    known = [*profile.images, *profile.images.values()]
    near = get_close_matches(name, known, n=1)
    raise ConfigError(
        f"{profile.name} has no image of this name",
        path=f"{path}: image",
        got=name,
        want=f"{', '.join(profile.images)}, or an id",
        do=(f'write "{near[0]}", or ' if near else "")
        + f'look up one of your own: Image(name="{name}")',
    )
