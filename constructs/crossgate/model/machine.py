"""What a machine is: its size by need or by name, its disk, its image, its rights, how it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Literal, get_args

import pydantic

from crossgate.errors import ConfigError
from crossgate.model.grant import Grant
from crossgate.model.units import Duration, Share
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


@value
class InstanceRefresh:
    """How a changed group is replaced: a few machines at a time, never below what serves.

    Attributes:
        min_healthy: share of the group that keeps serving; default 1.0, launch before terminate.
        max_healthy: share of the group that may run at the same time; default 1.1 (AWS rounds up
            to at least one machine more).
        warmup: how long a new machine needs before it counts; default one minute. On AWS it counts
            as healthy once it runs and this has passed, so it must cover boot and start.
        checkpoints: shares of the group at which the replacing pauses, so that somebody can look;
            rising. After the last one it goes on to the end by itself. Default: none.
        checkpoint_delay: how long each pause is, up to two days, and less than 14 days for all of
            them; default one hour.
        alarms: names of CloudWatch alarms that stop it: it fails when one of them rings. At most
            ten; default none.

    """

    min_healthy: Share = 1.0
    max_healthy: Annotated[float, pydantic.Field(ge=1, le=2)] = 1.1
    warmup: Duration = timedelta(minutes=1)
    checkpoints: Many[Annotated[float, pydantic.Field(gt=0, lt=1)]] = ()
    checkpoint_delay: Duration = timedelta(hours=1)
    alarms: Annotated[
        Many[Annotated[str, pydantic.Field(min_length=1, max_length=255)]],
        pydantic.Field(max_length=10),
    ] = ()

    def __post_init__(self) -> None:
        """Refuse what AWS refuses: RefreshPreferences of the Auto Scaling API."""
        if self.max_healthy - self.min_healthy > 1:
            raise ConfigError(
                "the bounds are more than 1.0 apart",
                path="InstanceRefresh",
                got=f"min_healthy={self.min_healthy}, max_healthy={self.max_healthy}",
                want="max_healthy - min_healthy <= 1.0",
            )
        percent = [round(share * 100) for share in self.checkpoints]
        if percent != sorted(set(percent)):
            raise ConfigError(
                "each checkpoint must be above the one before, by a whole per cent",
                path="InstanceRefresh: checkpoints",
                got=self.checkpoints,
                want="rising shares, such as [0.2, 0.5]",
            )
        if self.checkpoint_delay > _LONGEST_PAUSE:
            raise ConfigError(
                "is longer than AWS pauses",
                path="InstanceRefresh: checkpoint_delay",
                got=str(self.checkpoint_delay),
                want="at most 2 days",
            )
        pauses = len(self.checkpoints) * self.checkpoint_delay
        if pauses >= _LONGEST_REFRESH:
            raise ConfigError(
                "the pauses alone take as long as AWS lets a rollout last",
                path="InstanceRefresh",
                got=f"{len(self.checkpoints)} checkpoints of {self.checkpoint_delay}",
                want="less than 14 days for all of them",
            )


_LONGEST_PAUSE = timedelta(days=2)
_LONGEST_REFRESH = timedelta(days=14)
"""EC2 Auto Scaling guide, "How an instance refresh works", "Limitations"."""
