"""When a machine of a group counts as lost although it runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import pydantic

from crossgate.model.units import Duration
from crossgate.model.value import value


@value
class Health:
    """What makes a machine of a group be replaced, beside that it is dead.

    Attributes:
        grace: how long a new machine may take to boot and to be well; default ten minutes.
        unfit: how long its service may fail its check before the machine is replaced; default
            None: never. HAProxy sends such a machine nothing, and systemd has its service started
            again, so this is for what a restart does not mend.
        cut: share of the group's machines that are not unfit but have something in common, a
            database that is away: when as many fail, and more than one, nobody is replaced for
            it. Default 0.5.

    """

    grace: Duration = timedelta(minutes=10)
    unfit: Duration | None = None
    cut: Annotated[float, pydantic.Field(gt=0, le=1)] = 0.5
