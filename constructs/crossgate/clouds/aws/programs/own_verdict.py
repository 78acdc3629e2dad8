"""Tells the group that this machine is unhealthy when its service fails for long.

    own_verdict.py SETTINGS

EC2 sees that a machine runs, not what it is for. When half of the machines fail at once, they have
something in common that no new machine mends, and nothing is told. AWS counts the grace period
itself: `ShouldRespectGracePeriod` of SetInstanceHealth.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMMAND_SECONDS = 30


@dataclass(frozen=True)
class Rules:
    """When it is told; seconds, and a share of one."""

    service: str
    unfit: float
    cut: float


@dataclass
class Verdict:
    """What this machine thinks of itself; `since` when it has been unfit."""

    since: float | None = None

    def judge(
        self, me: str, members: Mapping[str, Mapping[str, Any]], rules: Rules, now: float
    ) -> str:
        """Return "unhealthy", or why it is not told though the service fails, or nothing.

        Args:
            me: the cloud's own id of this machine.
            members: the machines that the cluster knows, as the program of its watch prints them.
            rules: when it is told.
            now: seconds of any clock.

        """
        peers = {key: one for key, one in members.items() if rules.service in one["services"]}
        failing = [
            key
            for key, one in peers.items()
            if not (one["alive"] and one["services"][rules.service])
        ]
        if me not in failing:
            self.since = None
            return ""
        if self.since is None:
            self.since = now
        if 1 < len(failing) >= rules.cut * len(peers):
            # Those that mend first do not make the others look as if they alone failed.
            self.since = now
            return f"{len(failing)} of {len(peers)} fail at once"
        if now - self.since < rules.unfit:
            return ""
        first = min(key for key in failing if peers[key]["alive"])
        return "unhealthy" if first == me else "others that fail go first"


def main(path: str) -> None:
    """Look at the own service until stopped."""
    import boto3  # noqa: PLC0415  (the verdict needs none of it)
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  (as above)

    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    me = Path(settings["instance"]).read_text(encoding="ascii").strip()
    rules = Rules(settings["service"], settings["unfit"], settings["cut"])
    session = boto3.Session(region_name=settings["region"])
    # A client that found none never asks again; see `lifecycle`.
    if not session.get_credentials():
        sys.exit("no credentials")
    group = session.client("autoscaling")
    verdict = Verdict()
    before = ""
    while True:
        try:
            done = subprocess.run(  # noqa: S603  (the cluster's own program)
                [*settings["watch"], "members"],
                check=True, capture_output=True, text=True, timeout=_COMMAND_SECONDS,
            )  # fmt: skip
            said = verdict.judge(me, json.loads(done.stdout), rules, time.monotonic())
            if said == "unhealthy":
                group.set_instance_health(
                    InstanceId=me, HealthStatus="Unhealthy", ShouldRespectGracePeriod=True
                )
        except subprocess.CalledProcessError as error:
            said = str(error.stderr).strip()
        except (BotoCoreError, ClientError, OSError, subprocess.SubprocessError) as error:
            said = f"{type(error).__name__}: {error}"
        if said and said != before:
            sys.stdout.write(f"{rules.service} fails: {said}\n")
            sys.stdout.flush()
        before = said
        time.sleep(settings["every"])


if __name__ == "__main__":
    main(sys.argv[1])
