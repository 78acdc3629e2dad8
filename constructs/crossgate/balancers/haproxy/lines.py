"""HAProxy's configuration, section by section: how a section and a time are written."""

from __future__ import annotations

from datetime import timedelta

from crossgate.errors import ConfigError
from crossgate.model.text import Text
from crossgate.model.units import milliseconds

_LONGEST = timedelta(days=24)
"""HAProxy keeps milliseconds in 31 bits and refuses more than 24.8 days."""


def section(head: str, *lines: str) -> Text:
    """Return a section with its lines below its head."""
    return Text.of(f"\n{head}\n", *(f"    {line}\n" for line in lines))


def time(duration: timedelta, path: str) -> str:
    """Return a duration as HAProxy reads it.

    Raises:
        ConfigError: it is longer than HAProxy can count, or has a fraction of a millisecond.

    """
    if duration > _LONGEST:
        raise ConfigError(
            "is longer than HAProxy can count", path=path, got=str(duration), want="24 days at most"
        )
    return f"{milliseconds(duration, path)}ms"
