"""What a gateway costs beside a bare HAProxy: calls a second and p50 of both, in one run.

    python -m lab.compare 10.99.0.10:9000 10.99.0.20:9000

Both get the same load, as fast as answers come, in turn and many times: whatever else the machine
does slows both alike. What is compared are medians over the rounds of the ratios within a round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from tools.toolbox import ROOT

LIMIT = 0.05
"""By how much the gateway may be slower."""

_LONGEST_START_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast one endpoint was in one round.

    Attributes:
        calls: answered calls per second.
        p50: the median time of a call, in seconds.

    """

    calls: float
    p50: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two endpoints, measured in turn.

    Attributes:
        gateway: its speeds, by round.
        bare: those of the other one.

    """

    gateway: Sequence[Speed]
    bare: Sequence[Speed]

    @property
    def calls(self) -> float:
        """The gateway's calls per second by those of the bare one: below 1 it answers fewer."""
        pairs = zip(self.gateway, self.bare, strict=True)
        return statistics.median(ours.calls / theirs.calls for ours, theirs in pairs)

    @property
    def p50(self) -> float:
        """The gateway's p50 by that of the bare one: above 1 it is slower."""
        pairs = zip(self.gateway, self.bare, strict=True)
        return statistics.median(ours.p50 / theirs.p50 for ours, theirs in pairs)

    @property
    def kept(self) -> bool:
        """Whether both are within the limit."""
        return self.calls >= 1 - LIMIT and self.p50 <= 1 + LIMIT


def compare(
    gateway: str,
    bare: str,
    *,
    rounds: int = 9,
    seconds: float = 2.0,
    workers: int = 8,
    mode: Literal["new", "lasting"] = "lasting",
    within: Sequence[str] = (),
) -> Comparison:
    """Measure two endpoints, `host:port`, in turn; which is first changes with each round.

    Args:
        gateway: the one in question.
        bare: what it is compared with.
        rounds: how often; default 9.
        seconds: how long each gets load in each round; default 2.
        workers: how many clients; default 8.
        mode: their connections; default `lasting`.
        within: a command that runs the load where clients are, such as
            `("ip", "netns", "exec", "clients")`; default here.

    Raises:
        RuntimeError: a call failed, or the load itself did.

    """
    speeds: dict[str, list[Speed]] = {gateway: [], bare: []}
    for number in range(-1, rounds):
        order = (gateway, bare) if number % 2 else (bare, gateway)
        for target in order:
            # Before the first round: one that counts for nothing, in which caches become warm.
            long = seconds if number >= 0 else min(seconds, 0.5)
            speed = _speed(target, long, workers, mode, within)
            if number >= 0:
                speeds[target].append(speed)
    return Comparison(gateway=speeds[gateway], bare=speeds[bare])


def bare_configuration(port: int, servers: Iterable[str], address: str = "127.0.0.1") -> str:
    """Return HAProxy's configuration with a static list of servers, `host:port`, and no checks."""
    lines = [
        "defaults",
        "    mode tcp",
        "    balance leastconn",
        "    timeout connect 1s",
        "    timeout client 1h",
        "    timeout server 1h",
        "listen bare",
        f"    bind {address}:{port}",
        *(f"    server server-{number} {server}" for number, server in enumerate(servers)),
    ]
    return "\n".join(lines) + "\n"


def _speed(target: str, seconds: float, workers: int, mode: str, within: Sequence[str]) -> Speed:
    command = [*within, sys.executable, "-m", "lab.load", "--target", target, "--rate", "0"]
    command += ["--work", "0", "--seconds", f"{seconds}", "--workers", f"{workers}"]
    done = subprocess.run(  # noqa: S603  (our own program)
        [*command, "--mode", mode],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=seconds + _LONGEST_START_SECONDS,
    )
    if done.returncode:
        raise RuntimeError(f"the load on {target} failed:\n{done.stderr}")
    said = json.loads(done.stdout)
    if said["failed"] or not said["calls"]:
        raise RuntimeError(f"{said['failed']} of {said['calls']} calls of {target} failed")
    return Speed(calls=said["calls"] / said["seconds"], p50=said["latency"]["p50"])


def main() -> int:
    """Compare and print JSON; 1 when the limit is not kept."""
    parser = argparse.ArgumentParser(prog="python -m lab.compare", description=__doc__)
    parser.add_argument("gateway", metavar="HOST:PORT")
    parser.add_argument("bare", metavar="HOST:PORT")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each in each round")
    parser.add_argument("--mode", choices=("new", "lasting"), default="lasting")
    options = parser.parse_args()
    found = compare(
        options.gateway,
        options.bare,
        rounds=options.rounds,
        seconds=options.seconds,
        mode=options.mode,
    )
    told = asdict(found) | {"calls_ratio": found.calls, "p50_ratio": found.p50, "kept": found.kept}
    print(json.dumps(told, indent=1))
    return 0 if found.kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
