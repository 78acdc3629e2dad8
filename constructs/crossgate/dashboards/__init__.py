"""What a Prometheus and a Grafana need to watch a gateway: a dashboard, alerts, how to scrape."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from crossgate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

FILES = ("alerts.yaml", "grafana.json", "prometheus.yaml")
"""Rules of alerts, a dashboard to import, and an example of a scrape configuration."""


def write_dashboards(folder: str | Path) -> Sequence[Path]:
    """Write the dashboard, the alerts and the scrape configuration; return where they are.

    Files of the same names that are there are written anew.

    Args:
        folder: where; it is made when it is not there.

    Raises:
        ConfigError: nothing can be written there.

    """
    into = Path(folder)
    try:
        into.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            into.joinpath(name).write_text(_text(name), encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            "dashboards cannot be written",
            path="write_dashboards",
            got=str(into),
            want="a folder that can be written",
            do=str(error),
        ) from error
    return [into / name for name in FILES]


def _text(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
