"""What is said, each thing once, and what is counted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Log:
    """Says each thing once, and keeps the figures."""

    def __init__(self, metrics: Path) -> None:
        self._metrics = metrics
        self._said: dict[str, str] = {}
        self._figures: dict[str, float] = {}

    def say(self, topic: str, text: str) -> None:
        """Say `text` unless that was the last thing said of `topic`; nothing is a topic closed."""
        if text and self._said.get(topic) != text:
            sys.stdout.write(f"{topic}: {text}\n")
            sys.stdout.flush()
        self._said[topic] = text

    def count(self, name: str, group: str = "", by: int = 1) -> None:
        """Add to a figure; one that counts from 0 on is seen to grow when it is first counted."""
        label = f'{{group="{group}"}}' if group else ""
        key = f"crossgate_keeper_{name}{label}"
        self._figures[key] = self._figures.get(key, 0) + by

    def looked(self, now: float) -> None:
        """Keep the moment of a round in which everybody answered."""
        self._figures["crossgate_keeper_last_round_timestamp_seconds"] = now

    def show(self) -> None:
        """Write the figures, as Prometheus reads them."""
        figures = self._figures
        draft = self._metrics.with_suffix(".new")
        draft.write_text("".join(f"{key} {figures[key]:.15g}\n" for key in sorted(figures)))
        draft.replace(self._metrics)
