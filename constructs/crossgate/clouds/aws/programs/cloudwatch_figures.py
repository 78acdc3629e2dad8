"""Tells CloudWatch what the balancers together see of each service: connections, who waits.

    cloudwatch_figures.py SETTINGS

It runs on one machine of the cluster at a time; who sees to that is whoever starts it. It asks the
cluster what each balancer told last, as `haproxy_figures.py` does on these, and logs in by the
machine's own role.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "figures."
"""What the names begin with under which balancers note what they see."""

_COMMAND_SECONDS = 30
_STALE_SECONDS = 30
_FORGOTTEN_SECONDS = 900


def added_up(told: Iterable[str], now: float) -> dict[str, dict[str, int]]:
    """Return the figures of each service of which all its balancers told lately.

    With one of them mute the sum would be too small, and the group would shrink. One that has told
    nothing for a quarter of an hour is one no more.

    Args:
        told: what each balancer told last, as JSON.
        now: seconds since the epoch.

    """
    found: dict[str, dict[str, int]] = {}
    mute: set[str] = set()
    for figures in map(json.loads, told):
        age = abs(now - figures["at"])
        for service, seen in figures["services"].items():
            if age <= _STALE_SECONDS:
                total = found.setdefault(service, {})
                for figure, number in seen.items():
                    total[figure] = total.get(figure, 0) + number
            elif age <= _FORGOTTEN_SECONDS:
                mute.add(service)
    return {service: seen for service, seen in found.items() if service not in mute}


def metrics(cluster: str, seen: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    """Return them as CloudWatch takes them."""
    return [
        {
            "MetricName": figure.capitalize(),
            "Dimensions": [
                {"Name": "Cluster", "Value": cluster},
                {"Name": "Service", "Value": service},
            ],
            "Value": number,
            "Unit": "Count",
        }
        for service, figures in sorted(seen.items())
        for figure, number in sorted(figures.items())
    ]


def main(path: str) -> None:
    """Tell it until stopped; what fails is said once and tried again."""
    import boto3  # noqa: PLC0415  (the figures need none of it)
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  (as above)

    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    session = boto3.Session(region_name=settings["region"])
    # A client that found none never asks again; see `lifecycle`.
    if not session.get_credentials():
        sys.exit("no credentials")
    cloudwatch = session.client("cloudwatch")
    before = ""
    while True:
        try:
            done = subprocess.run(  # noqa: S603  (the cluster's own program)
                [*settings["watch"], "gather", PREFIX],
                check=True, capture_output=True, text=True, timeout=_COMMAND_SECONDS,
            )  # fmt: skip
            seen = added_up(json.loads(done.stdout).values(), time.time())
            data = metrics(settings["cluster"], seen)
            if data:
                cloudwatch.put_metric_data(Namespace=settings["namespace"], MetricData=data)
            trouble = "" if data else "no balancer tells its figures"
        except subprocess.CalledProcessError as error:
            trouble = str(error.stderr).strip()
        except (BotoCoreError, ClientError, OSError, subprocess.SubprocessError) as error:
            trouble = f"{type(error).__name__}: {error}"
        if trouble and trouble != before:
            sys.stdout.write(f"nothing is told: {trouble}\n")
            sys.stdout.flush()
        before = trouble
        time.sleep(settings["every"])


if __name__ == "__main__":
    main(sys.argv[1])
