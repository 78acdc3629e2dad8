"""Machines that are made ahead and rest beside a group until it grows."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from crossgate.errors import ConfigError
from crossgate.model.value import value


def _at_rest(given: object) -> object:
    if given == "running":
        raise ConfigError(
            "a machine that runs is in the cluster and gets traffic, so it does not rest",
            got=given,
            want='"stopped" or "hibernated"',
            do="for machines that are ahead of the load, a larger minimum of the group",
        )
    return given


@value
class WarmPool:
    """Machines that have booted once and rest: a group that grows takes these first.

    Attributes:
        minimum: as many rest at least; default 1.
        prepared: as many there are in the pool and in the group together, at most; default: the
            group's maximum.
        state: how they rest: `stopped` (the default), or `hibernated`, with what was in their
            memory.
        reuse: whether machines go back into the pool when the group shrinks; default False: they
            are ended.

    Raises:
        ConfigError: a pool of machines that run.

    """

    minimum: Annotated[int, pydantic.Field(ge=0, le=1000)] = 1
    prepared: Annotated[int, pydantic.Field(ge=1, le=1000)] | None = None
    state: Annotated[Literal["stopped", "hibernated"], pydantic.BeforeValidator(_at_rest)] = (
        "stopped"
    )
    reuse: bool = False
