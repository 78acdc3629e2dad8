"""Breaks a gateway that runs in a lab, under load, and writes down what its clients saw."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.events import FAULTS, faults_of, modes_of
from lab.results import Measurement, Result
from tools.toolbox import ROOT, ToolError

if TYPE_CHECKING:
    from lab.load import Mode
    from lab.running import Running, Site

_LEAD_SECONDS = 2.0
_START_SECONDS = 20.0


@dataclass(kw_only=True)
class Trial:
    """Measures faults of one gateway.

    Attributes:
        gateway: what is broken.
        folder: where raw results go; made when it is absent.
        workers: how many clients; default 8.
        rate: calls per second of each; default 50.
        longest: seconds that a fault is held at most, to have it over soon; default: its own.

    """

    gateway: Running
    folder: Path
    workers: int = 8
    rate: float = 50.0
    longest: float | None = None

    def run(
        self, key: str, *, mode: Mode = "new", retries: int = 0, site: str | None = None
    ) -> Result:
        """Break a site in one way while clients call, and return what they saw.

        The gateway is whole before, and is so again on return.

        Raises ToolError when there is no such fault, or the gateway does not heal.
        """
        modes_of(key)
        fault = FAULTS[key]
        where = self.gateway.site(site)
        possible = faults_of(self.gateway, where)
        if key not in possible:
            raise ToolError(
                f"{where.name} cannot have the fault {key!r}.",
                do=f"name one of {', '.join(possible)}.",
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{key}-{mode}" + (f"-{retries}" if retries else "")
        raw = self.folder / f"{name}.jsonl"
        of_each = [one.entries[0] for one in self.gateway.sites]
        entries = of_each if fault.everywhere else where.entries
        with load_of_clients(
            self.gateway,
            entries,
            raw,
            mode=mode,
            retries=retries,
            workers=self.workers,
            rate=self.rate,
            timeout=fault.timeout,
        ):
            begun = time.monotonic()
            effect = fault.act(self.gateway, where)
            done = time.monotonic()
            time.sleep(fault.hold if self.longest is None else min(fault.hold, self.longest))
            if effect.newcomer:
                self.gateway.wait_whole(where)
        measurement = Measurement(
            event=key,
            raw=raw.name,
            begun=begun,
            done=done,
            victims=list(effect.victims),
            started=effect.started,
            newcomer=effect.newcomer,
        )
        path = measurement.write(self.folder)
        if effect.newcomer:
            self._note_joining(where, measurement)
        effect.undo()
        self.gateway.wait_whole()
        return Result.read(path)

    def _note_joining(self, site: Site, replaced: Measurement) -> None:
        """Write the same calls down once more, counted from the start of the service's process."""
        machine = self.gateway.machine(replaced.newcomer)
        unit = f"{self.gateway.service}.service"
        said = machine.run(
            "systemctl", "show", unit, "--value", "--property=ExecMainStartTimestampMonotonic"
        )
        raw = self.folder / replaced.raw.replace("replaced", "joins")
        shutil.copyfile(self.folder / replaced.raw, raw)
        started = int(said) / 1e6
        Measurement(
            event="joins",
            raw=raw.name,
            begun=started,
            done=started,
            started=started,
            newcomer=replaced.newcomer,
            note=f"the machine in {site.name} that was replaced",
        ).write(self.folder)


@contextlib.contextmanager
def load_of_clients(
    gateway: Running,
    entries: Sequence[str],
    raw: Path,
    *,
    mode: Mode,
    retries: int,
    workers: int = 8,
    rate: float = 50.0,
    timeout: float = 5.0,
) -> Iterator[None]:
    """Have clients call while the `with` block lasts, and for two seconds before.

    Args:
        gateway: in whose lab the clients are.
        entries: where they connect.
        raw: file for every single call.
        mode: a connection for each call, or one for each client.
        retries: further tries of a call.
        workers: how many clients; default 8.
        rate: calls per second of each; default 50.
        timeout: seconds that a try may take; default 5.

    Raises ToolError when the load does not start, or ends early.
    """
    command = [
        *("ip", "netns", "exec", gateway.lab.client_namespace),
        *(sys.executable, "-m", "lab.load", "--mode", mode, "--retries", str(retries)),
        *("--workers", str(workers), "--rate", str(rate), "--raw", str(raw)),
        *("--timeout", str(timeout)),
        *(word for entry in entries for word in ("--target", entry)),
    ]
    raw.unlink(missing_ok=True)
    with subprocess.Popen(  # noqa: S603  (our own program)
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as load:
        try:
            last = time.monotonic() + _START_SECONDS
            while not raw.exists() or raw.read_text(encoding="utf-8").count("\n") < workers:
                if load.poll() is not None or time.monotonic() > last:
                    raise ToolError("the load does not start.", do="see python -m lab status.")
                time.sleep(0.1)
            time.sleep(_LEAD_SECONDS)
            yield
        finally:
            load.send_signal(signal.SIGTERM)
            _, complaints = load.communicate(timeout=60)
    if load.returncode:
        raise ToolError("the load failed:", do="see below.", output=complaints)
