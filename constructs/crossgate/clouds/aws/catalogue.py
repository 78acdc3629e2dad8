"""AWS's machine sizes and the images that have a name of their own."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from crossgate.errors import ConfigError, RefusedError
from crossgate.model.machine import Image

if TYPE_CHECKING:
    from crossgate.model.machine import Architecture, Machine

_MEMORY_PER_CPU = {"t3": 2, "c7i": 2, "m7i": 4, "r7i": 8, "t4g": 2, "c7g": 2, "m7g": 4, "r7g": 8}
_FAMILIES: dict[Architecture, tuple[str, ...]] = {
    "x86_64": ("c7i", "m7i", "r7i"),
    "arm64": ("c7g", "m7g", "r7g"),
}
_BURSTABLE: dict[Architecture, str] = {"x86_64": "t3", "arm64": "t4g"}
# Sizes of the burstable families: processors, GiB (EC2 guide, "General purpose instances").
_BURSTABLE_SIZES = {
    "micro": (2, 1.0),
    "small": (2, 2.0),
    "medium": (2, 4.0),
    "large": (2, 8.0),
    "xlarge": (4, 16.0),
    "2xlarge": (8, 32.0),
}
# Processors of each size that all the families above have.
_SIZES = {
    "large": 2,
    "xlarge": 4,
    "2xlarge": 8,
    "4xlarge": 16,
    "8xlarge": 32,
    "16xlarge": 64,
}
_ARM_FAMILY = re.compile(r"(a1|[a-z]+\d+[a-z]*g[a-z]*)\Z")


@dataclass(frozen=True)
class _Size:
    name: str
    cpu: int
    memory: float


@cache
def known_types() -> frozenset[str]:
    """Return the names of all instance types that AWS had when the list was made."""
    text = files("crossgate.clouds.aws").joinpath("instance_types.txt").read_text("ascii")
    return frozenset(
        f"{family}.{size}"
        for family, _, sizes in (line.partition(": ") for line in text.splitlines())
        for size in sizes.split()
    )


def instance_types(
    machine: Machine, *, choices: int = 1, extra: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the instance types for a machine: those named, or the smallest that meet the need.

    Args:
        machine: the need or the names.
        choices: how many types to return for a need and an architecture, all with the same number
            of processors: a spot group finds spare machines more often among several types.
        extra: names that AWS has had since the list was made.

    Raises:
        RefusedError: a name that AWS does not have, a need that no type of ours meets, or an
            architecture without a type.

    """
    if not machine.names:
        return tuple(
            name
            for architecture in machine.architectures
            for name in _fitting(machine, architecture)[:choices]
        )
    for name in machine.names:
        _check_type(name, machine, extra)
    found = {architecture_of(name) for name in machine.names}
    for architecture in machine.architectures:
        if architecture not in found:
            raise RefusedError(
                f"none of the instance types is for {architecture}",
                path="machine.size",
                got=list(machine.names),
                do=f"name one, or leave {architecture} out of architecture=",
            )
    return machine.names


def architecture_of(name: str) -> Architecture:
    """Return the processor family of an instance type: ARM's has a g after its generation."""
    return "arm64" if _ARM_FAMILY.match(name.partition(".")[0]) else "x86_64"


def memory_of(name: str) -> float:
    """Return an instance type's memory, GiB; 0 where the catalogue does not know it."""
    architecture = architecture_of(name)
    return next((size.memory for size in _sizes(architecture) if size.name == name), 0)


def _fitting(machine: Machine, architecture: Architecture) -> list[str]:
    cpu, memory = machine.cpu or 1, machine.memory or 0
    fitting = sorted(
        (size for size in _sizes(architecture) if size.cpu >= cpu and size.memory >= memory),
        key=lambda size: (size.cpu, size.memory, not size.name.startswith("t")),
    )
    if not fitting:
        raise RefusedError(
            "no instance type in the catalogue is large enough",
            path="machine",
            got=f"cpu={cpu}, memory={memory:g} GiB",
            do='name the type: Machine(size=["u7i-6tb.112xlarge"])',
        )
    return [size.name for size in fitting if size.cpu == fitting[0].cpu]


def _sizes(architecture: Architecture) -> list[_Size]:
    burstable = _BURSTABLE[architecture]
    found = [_Size(f"{burstable}.{n}", c, m) for n, (c, m) in _BURSTABLE_SIZES.items()]
    for family in _FAMILIES[architecture]:
        found += [
            _Size(f"{family}.{name}", cpu, float(cpu * _MEMORY_PER_CPU[family]))
            for name, cpu in _SIZES.items()
        ]
    return [size for size in found if size.name in known_types()]


def _check_type(name: str, machine: Machine, extra: Collection[str]) -> None:
    if name not in known_types() and name not in extra:
        near = get_close_matches(name, known_types(), n=3)
        raise RefusedError(
            "AWS has no such instance type",
            path="machine.size",
            got=name,
            want=", ".join(near) or 'a name such as "m7i.large"',
            do=f'if AWS has it since: AwsCloud(..., extra_sizes=["{name}"])',
        )
    own = architecture_of(name)
    if own not in machine.architectures:
        strangers = any(architecture_of(other) != own for other in machine.names)
        both = f"architecture={[*machine.architectures, own]} for a group of both, or "
        raise RefusedError(
            f"the instance type is not for {' or '.join(machine.architectures)}",
            path="machine.size",
            got=name,
            do=(both if strangers else "") + f'Machine(size=["{name}"], architecture="{own}")',
        )


# Publisher and name pattern of the images with a name of their own: Debian's account is on
# wiki.debian.org/Cloud/AmazonEC2Image, Canonical's on documentation.ubuntu.com/aws.
_IMAGES = {
    "debian-12": ("136693071363", "debian-12-{amd}-*"),
    "debian-13": ("136693071363", "debian-13-{amd}-*"),
    "ubuntu-22.04": ("099720109477", "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-{amd}-server-*"),
    "ubuntu-24.04": ("099720109477", "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{amd}-server-*"),
}


def named_image(name: str, architecture: Architecture, path: str) -> Image:
    """Return the look-up of an image that has a name of its own.

    Raises:
        ConfigError: there is none of that name.

    """
    if name not in _IMAGES:
        near = get_close_matches(name, _IMAGES, n=1)
        raise ConfigError(
            "no image has this name",
            path=f"{path}: image",
            got=name,
            want=f"{', '.join(_IMAGES)}, an id such as ami-0123456789abcdef0, or "
            'Image(name="my-image-*", owner="123456789012")',
            do=f'write "{near[0]}"' if near else None,
        )
    owner, pattern = _IMAGES[name]
    amd = "amd64" if architecture == "x86_64" else "arm64"
    return Image(name=pattern.format(amd=amd), owner=owner)
