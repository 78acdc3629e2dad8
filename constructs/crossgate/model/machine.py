"""What a machine is: its size by need or by name, its disk, its image, its rights, how it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Literal, get_args

import pydantic

from crossgate.errors import ConfigError
from crossgate.model.grant import Grant
from crossgate.model.value import Many, value

Architecture = Literal["x86_64", "arm64"]
"""The processor family a machine and its image share."""

_HEAVIEST = 999  # LaunchTemplateOverrides of the Auto Scaling API, `WeightedCapacity`


def _sizes(given: object) -> Sequence[str] | Mapping[str, int]:
    if isinstance(given, str) or not isinstance(given, Mapping | Sequence):
        raise ConfigError(
            "is no list of names",
            got=given,
            want='["m7i.large"], or with weights {"m7i.large": 1, "m7i.xlarge": 2}',
        )
    for name in given:
        if not isinstance(name, str) or not name:
            raise ConfigError("is no name of a size", got=name, want='text such as "m7i.large"')
    if len(set(given)) < len(given):
        raise ConfigError("a size is named twice", got=list(given))
    if not isinstance(given, Mapping):
        return tuple(given)
    for name, weight in given.items():
        whole = isinstance(weight, int) and not isinstance(weight, bool)
        if not whole or not 1 <= weight <= _HEAVIEST:
            raise ConfigError(
                f"the weight of {name} is none",
                got=weight,
                want=f"a whole number from 1 to {_HEAVIEST}",
            )
    return MappingProxyType(dict(given))


Sizes = Annotated[
    Sequence[str] | Mapping[str, int],
    pydantic.PlainValidator(_sizes),
    pydantic.WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "string", "minLength": 1}},
                {
                    "type": "object",
                    "additionalProperties": {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": _HEAVIEST,
                    },
                },
            ]
        }
    ),
]
"""Names of sizes, the first the most wanted one; or such names with how much each counts for."""


def _architectures(given: object) -> Architecture | Sequence[Architecture]:
    known: Sequence[Architecture] = get_args(Architecture)
    if isinstance(given, str):
        named: Sequence[object] = [given]
    else:
        named = list(given) if isinstance(given, Sequence) else []
    found = tuple(one for one in known if one in named)
    if not named or len(found) < len(set(map(str, named))):
        raise ConfigError(
            "is no architecture",
            got=given,
            want=" or ".join(f'"{one}"' for one in known) + ", or a list of both",
        )
    if len(found) < len(named):
        raise ConfigError("an architecture is named twice", got=given)
    ordered = tuple(sorted(found, key=named.index))
    return ordered[0] if isinstance(given, str) else ordered


Architectures = Annotated[
    Architecture | Sequence[Architecture],
    pydantic.PlainValidator(_architectures),
    pydantic.WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(get_args(Architecture)), "type": "string"},
                {
                    "type": "array",
                    "items": {"enum": list(get_args(Architecture)), "type": "string"},
                    "minItems": 1,
                },
            ]
        }
    ),
]
"""One architecture, or several of which the first is the most wanted one."""


@value
class Machine:
    """The size of a machine: what it needs, or the cloud's own name for it.

    Attributes:
        cpu: virtual processors needed.
        memory: memory needed, GiB.
        size: the cloud's name (an EC2 instance type, an OpenStack flavor) instead of `cpu` and
            `memory`. Several names let AWS choose, the first where it has it; spot by the price
            and what there is. With weights, {"m7i.large": 1, "m7i.xlarge": 2}, the capacity of a
            group counts weights instead of machines.
        architecture: processor family; default `x86_64`. With both, ["arm64", "x86_64"], AWS mixes
            machines of both, each with an image of its own; the first is the most wanted one.
        disk: root disk, GiB; default 20.
        grants: what the machines may do in their cloud beyond what they need for themselves.
            Default: nothing.

    Raises:
        ConfigError: both a need and a name are given, or neither.

    """

    cpu: Annotated[int, pydantic.Field(ge=1, le=1024)] | None = None
    memory: Annotated[float, pydantic.Field(gt=0, le=32768, strict=False)] | None = None
    size: Sizes = ()
    architecture: Architectures = "x86_64"
    disk: Annotated[int, pydantic.Field(ge=8, le=16384)] = 20
    grants: Many[Grant] = ()

    def __post_init__(self) -> None:
        """Refuse a machine that is described twice or not at all."""
        by_need = self.cpu is not None and self.memory is not None
        part = (self.cpu is None) != (self.memory is None)
        if part or by_need == bool(self.size):
            raise ConfigError(
                "a machine is described by its need or by its name",
                path="Machine",
                got={"cpu": self.cpu, "memory": self.memory, "size": self.size},
                want='Machine(cpu=2, memory=4) or Machine(size=["t3.medium"])',
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The sizes by name, without their weights."""
        return tuple(self.size)

    @property
    def weights(self) -> Mapping[str, int]:
        """How much each size counts for; empty when each counts for one."""
        return self.size if isinstance(self.size, Mapping) else {}

    @property
    def architectures(self) -> tuple[Architecture, ...]:
        """The processor families, one or several."""
        given = self.architecture
        return (given,) if isinstance(given, str) else tuple(given)


@value
class Image:
    """A machine image that is looked up by name as Terraform runs; the newest that fits is taken.

    Attributes:
        name: the image's name; AWS accepts `*` in it.
        owner: the account that published it; AWS needs it, OpenStack knows none.

    """

    name: Annotated[str, pydantic.Field(min_length=1)]
    owner: str | None = None
