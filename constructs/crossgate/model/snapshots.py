"""Snapshots: copies of what a discovery holds, taken again and again and kept elsewhere."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import pydantic

from crossgate.errors import ConfigError
from crossgate.model.names import VariableName
from crossgate.model.text import TextLike
from crossgate.model.units import Duration
from crossgate.model.value import value


@value
class Snapshots:
    """How often a snapshot is taken, how long it is kept, and where. See docs/snapshots.md.

    Attributes:
        every: time between two; default one hour, at least five minutes.
        keep: how long each is kept; default 14 days. The three newest stay, however old they are.
        to: the place, which is there already: a bucket in AWS, a container in OpenStack, a folder
            that all servers share in-house. Default: the cloud makes one; in-house each server has
            a folder of its own.
        key_variable: name of a sensitive Terraform variable that holds the key, 32 bytes in base64.
            Default: Terraform makes one, which goes with its state.

    Raises:
        ConfigError: they are kept for less time than lies between two.

    """

    every: Annotated[Duration, pydantic.Field(ge=timedelta(minutes=5))] = timedelta(hours=1)
    keep: Duration = timedelta(days=14)
    to: TextLike | None = None
    key_variable: VariableName | None = None

    def __post_init__(self) -> None:
        """Refuse snapshots that are old before the next one is there."""
        if self.keep < self.every:
            raise ConfigError(
                "are kept for less time than lies between two",
                path="Snapshots: keep",
                got=f"{self.keep}, one every {self.every}",
                want="keep of at least every; 14 days are usual",
            )
