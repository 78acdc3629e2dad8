"""What makes a group larger and smaller: a figure near a target, or steps at bounds of a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Literal

import pydantic

from crossgate.errors import ConfigError
from crossgate.model.units import Duration
from crossgate.model.value import Many, value

Signal = Literal["cpu", "connections", "queue"]
"""A figure of a group, for each of its machines.

`cpu` is the share of its processors in use, as the cloud measures it; `connections` those to the
service that clients have opened through the balancers; `queue` those among them that wait there,
because every machine has its `max_connections`.
"""

LEAST_CALM = timedelta(seconds=30)
"""A machine that is taken away may take as long to end what it does."""

MOST_STEPS = 20
"""So many AWS takes in one policy."""


@value
class Scaling:
    """A figure of a group, for each of its machines, that is kept near a target.

    Attributes:
        on: the figure, see `Signal`. `queue` asks for `Service(max_connections=...)`; such a group
            shrinks only when all its connections, with a tenth to spare, fit in fewer machines.
        target: of `cpu` a share (0.6); of `connections` and `queue` a number for each machine.
        cooldown: least time between two changes of size; default one minute.
        calm: how long fewer machines must be enough before one goes; default five minutes, at
            least half a minute, which a machine may take to end what it does. AWS has its own:
            15 minutes.
        shrink: whether machines go again; default True.

    """

    on: Signal
    target: Annotated[float, pydantic.Field(gt=0, strict=False)]
    cooldown: Duration = timedelta(minutes=1)
    calm: Duration = timedelta(minutes=5)
    shrink: bool = True

    def __post_init__(self) -> None:
        """Refuse a share above one, and machines that go faster than they can end their work."""
        _check_share(self.on, self.target, "Scaling: target")
        _check_calm(self.calm, "Scaling: calm")

    @property
    def shrinks(self) -> bool:
        """Whether machines go by it."""
        return self.shrink


_Bound = Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]
_Machines = Annotated[int, pydantic.Field(ge=1, le=1000)]


@value
class Step:
    """What is done at a bound: machines are added at or above one, or removed at or below one.

    Attributes:
        at_least: the figure for each machine from which on machines are added, above 0.
        add: how many.
        at_most: the figure down from which machines are removed.
        remove: how many.

    Raises:
        ConfigError: it says neither, or both.

    """

    at_least: _Bound | None = None
    add: _Machines | None = None
    at_most: _Bound | None = None
    remove: _Machines | None = None

    def __post_init__(self) -> None:
        """Refuse what is not one bound with its change."""
        said = {
            name: given
            for name, given in (
                ("at_least", self.at_least),
                ("add", self.add),
                ("at_most", self.at_most),
                ("remove", self.remove),
            )
            if given is not None
        }
        if set(said) not in ({"at_least", "add"}, {"at_most", "remove"}):
            raise ConfigError(
                "is not one bound with its change",
                path="Step",
                got=said,
                want="Step(at_least=200, add=1), or Step(at_most=50, remove=1)",
            )
        if self.at_least == 0:
            raise ConfigError(
                "adds machines whatever the figure",
                path="Step: at_least",
                got=self.at_least,
                want="a number above 0",
            )


@value
class Steps:
    """Bounds of a figure of a group, for each of its machines, at which its size changes at once.

    The highest bound that is reached says how many machines are added, the lowest one how many are
    removed. The size stays within the group's capacity: of what is more, only what fits.

    Attributes:
        on: the figure, see `Signal`; no step may remove machines by `queue`, for that nobody waits
            does not say that fewer machines would be enough.
        steps: in any order; those further out change more. At most 20.
        cooldown: least time between two changes of size; default one minute.
        calm: how long machines must have been too many before some go, which is as many as at the
            busiest moment of it; default five minutes, at least half a minute.

    Raises:
        ConfigError: there is no step, two of them contradict each other, or a bound makes no sense.

    """

    on: Signal
    steps: Annotated[Many[Step], pydantic.Field(max_length=MOST_STEPS)]
    cooldown: Duration = timedelta(minutes=1)
    calm: Duration = timedelta(minutes=5)

    def __post_init__(self) -> None:
        """Refuse steps of which nobody knows what they would do together."""
        if not self.steps:
            raise ConfigError(
                "says no step", path="Steps: steps", got=[], want="[Step(at_least=200, add=1)]"
            )
        for bound, _ in (*self.adding, *self.removing):
            _check_share(self.on, bound, "Steps: steps")
        for changes in (self.adding, self.removing):
            _check_rising(changes)
        if self.adding and self.removing and self.removing[0][0] >= self.adding[0][0]:
            raise ConfigError(
                "the same figure would add machines and remove some",
                path="Steps: steps",
                got=f"at_most={self.removing[0][0]:g}, at_least={self.adding[0][0]:g}",
                want="every at_most below every at_least",
            )
        if self.on == "queue" and self.removing:
            raise ConfigError(
                "that nobody waits does not say that fewer machines would be enough",
                path="Steps: steps",
                got=f"remove={self.removing[0][1]} by the queue",
                do='let another figure take them away: Steps(on="connections", '
                "steps=[Step(at_most=..., remove=1)]) beside this",
            )
        _check_calm(self.calm, "Steps: calm")

    @property
    def shrink(self) -> bool:
        """Whether machines go again."""
        return bool(self.removing)

    @property
    def adding(self) -> Sequence[tuple[float, int]]:
        """Bounds and machines that are added from there on, upwards."""
        return sorted(
            (step.at_least, step.add)
            for step in self.steps
            if step.at_least is not None and step.add is not None
        )

    @property
    def removing(self) -> Sequence[tuple[float, int]]:
        """Bounds and machines that are removed from there on, downwards."""
        return sorted(
            (
                (step.at_most, step.remove)
                for step in self.steps
                if step.at_most is not None and step.remove is not None
            ),
            reverse=True,
        )

    @property
    def shrinks(self) -> bool:
        """Whether machines go by it."""
        return bool(self.removing)


# Names that no file has: what it has would stand in the place of an error.
_TARGET = "Scaling"
_STEPS = "Steps"


def _kind(given: object) -> str:
    steps = "steps" in given if isinstance(given, Mapping) else isinstance(given, Steps)
    return _STEPS if steps else _TARGET


Rule = Annotated[
    Annotated[Scaling, pydantic.Tag(_TARGET)] | Annotated[Steps, pydantic.Tag(_STEPS)],
    pydantic.Discriminator(_kind),
]
"""What a group's size may follow."""


def _check_share(on: Signal, bound: float, path: str) -> None:
    if on == "cpu" and bound > 1:
        raise ConfigError(
            "is more than the whole of a machine", path=path, got=bound, want="a share such as 0.6"
        )


def _check_rising(changes: Sequence[tuple[float, int]]) -> None:
    for (bound, machines), (further, more) in pairwise(changes):
        if bound == further:
            raise ConfigError("two steps have one bound", path="Steps: steps", got=bound)
        if more <= machines:
            raise ConfigError(
                "a step further out changes no more than the one before it",
                path="Steps: steps",
                got=f"{machines} machines at {bound:g}, {more} at {further:g}",
                want="more machines, or one step less",
            )


def _check_calm(calm: timedelta, path: str) -> None:
    if calm < LEAST_CALM:
        raise ConfigError(
            "machines would go faster than they can end what they do",
            path=path,
            got=f"{calm.total_seconds():g} s",
            want=f"at least {LEAST_CALM.total_seconds():g} s",
        )
