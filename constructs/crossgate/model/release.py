"""A new version of a service that takes a part of the traffic of the one before."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from crossgate.model.service import Service
from crossgate.model.value import value

LEAST = 0.001
"""The least share, and what shares are told apart by."""


@value
class ReleaseFields:
    """A part of a listener's traffic, for a new version of its service.

    Attributes:
        share: the part, 0.001 to 0.999. Where no machine of the new version works it has none.
        by: what is parted: each `connection` by chance (default; with `mode="http"` each request),
            or each `client` by its address, which always meets the same version.

    """

    share: Annotated[float, pydantic.Field(ge=LEAST, le=1 - LEAST)]
    by: Literal["connection", "client"] = "connection"


@value
class Release(ReleaseFields):
    """A new version of a service, and its part of the traffic.

    Attributes:
        to: the new version, a service of its own with machines of its own; `share` and `by` as in
            `ReleaseFields`.

    """

    to: Service
