"""Breaks a gateway that runs in a lab, under load, and writes down what its clients saw."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab import faults
from lab.rack import VERSIONS, Rack
from lab.results import Measurement, Result
from tools.toolbox import ROOT, ToolError

if TYPE_CHECKING:
    from lab.load import Mode
    from lab.machine import Machine
    from lab.running import Running, Site

MODES: tuple[Mode, ...] = ("new", "lasting")
"""How clients may connect."""

_LEAD_SECONDS = 2.0
_START_SECONDS = 20.0
_RELOADS = 8
_DRAIN_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a fault did.

    Attributes:
        victims: machines whose service it broke.
        undo: takes it back; default: nothing is to be taken back.
        started: instant of CLOCK_MONOTONIC at which a new service started. Default: none did.
        newcomer: the machine of the new service.

    """

    victims: Sequence[str] = ()
    undo: Callable[[], object] = lambda: None
    started: float | None = None
    newcomer: str = ""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to break a gateway.

    Attributes:
        act: breaks a site.
        hold: seconds until it is taken back; default 4.
        everywhere: whether clients know an entry of each site; default: all of the broken one.
        timeout: seconds that clients give a try; default 5.
        modes: which connections show it; default both.
        hosts: whether it is one of hosts that are kept, or of clouds; default both.

    """

    act: Callable[[Running, Site], Effect]
    hold: float = 4.0
    everywhere: bool = False
    timeout: float = 5.0
    modes: Sequence[Mode] = MODES
    hosts: bool | None = None


def _signal(machine: Machine, name: str, unit: str, whom: str = "main") -> None:
    machine.run("systemctl", "kill", f"--kill-whom={whom}", f"--signal={name}", unit)


def _service_killed(gateway: Running, site: Site) -> Effect:
    """Return when the process is gone: until its kernel has let go of it, it takes connections."""
    victim = site.services[0]
    script = (
        'pid=$(systemctl show --property=MainPID --value "$1"); '
        'systemctl kill --kill-whom=main --signal=KILL "$1"; '
        'while [ -e "/proc/$pid" ]; do sleep 0.001; done'
    )
    gateway.machine(victim).run("sh", "-c", script, "sh", f"{gateway.service}.service")
    return Effect(victims=[victim])


def _service_hangs(gateway: Running, site: Site) -> Effect:
    victim, unit = site.services[0], f"{gateway.service}.service"
    machine = gateway.machine(victim)
    _signal(machine, "STOP", unit)
    return Effect(victims=[victim], undo=lambda: _signal(machine, "CONT", unit))


def _vanishes(gateway: Running, name: str) -> Effect:
    machine = gateway.machine(name)
    machine.kill()
    return Effect(victims=[name], undo=machine.start)


def _service_vanishes(gateway: Running, site: Site) -> Effect:
    return _vanishes(gateway, site.services[0])


def _balancer(gateway: Running, site: Site) -> str:
    """Return a balancer that clients are led to: the one with the shared address, if one has it."""
    address, _, _ = site.entries[0].partition(":")
    having = [
        name
        for name in site.balancers
        if f" {address}/" in gateway.machine(name).run("ip", "-oneline", "address")
    ]
    return (having or site.balancers)[0]


def _balancer_vanishes(gateway: Running, site: Site) -> Effect:
    return _vanishes(gateway, _balancer(gateway, site))


def _rolling_change(gateway: Running, _site: Site) -> Effect:
    """Deploy the other version of the service."""
    rack = Rack(gateway.lab)
    rack.deploy(next(one for one in VERSIONS if one != rack.version()))
    return Effect()


def _drain(gateway: Running, site: Site) -> Effect:
    """Take a machine out of the balancers' list, then stop its service, as for an upgrade."""
    victim, name = site.services[0], gateway.service
    machine = gateway.machine(victim)
    machine.run("consul", "maint", "-enable", f"-service={name}", "-reason=lab")
    time.sleep(_DRAIN_SECONDS)
    machine.run("systemctl", "stop", f"{name}.service")

    def undo() -> None:
        machine.run("systemctl", "start", f"{name}.service")
        machine.run("consul", "maint", "-disable", f"-service={name}")

    return Effect(victims=[victim], undo=undo)


def _powered_off(gateway: Running, site: Site) -> Effect:
    """Power a machine off as a cloud does that takes it away: its own systemd stops everything."""
    victim = site.services[0]
    machine = gateway.machine(victim)
    machine.stop()
    return Effect(victims=[victim], undo=machine.start)


def _reload(gateway: Running, site: Site) -> Effect:
    for _ in range(_RELOADS):
        gateway.machine(site.balancers[0]).run("systemctl", "reload", "haproxy.service")
    return Effect()


def _template_killed(gateway: Running, site: Site) -> Effect:
    for name in site.balancers:
        _signal(gateway.machine(name), "KILL", "consul-template-*.service")
    return Effect()


def _leader_killed(gateway: Running, site: Site) -> Effect:
    leader = gateway.leader(site)
    if leader is None:
        raise ToolError(
            f"{site.name} has no Consul leader to kill.", do="see python -m lab status."
        )
    _signal(gateway.machine(leader), "KILL", "consul.service")
    return Effect()


def _agent_killed(gateway: Running, site: Site) -> Effect:
    for name in site.balancers:
        _signal(gateway.machine(name), "KILL", "consul.service")
    return Effect()


def _servers_gone(gateway: Running, site: Site) -> Effect:
    machines = [gateway.machine(name) for name in site.servers]
    for machine in machines:
        _signal(machine, "KILL", "consul.service", whom="all")
        machine.run("systemctl", "stop", "consul.service")

    def undo() -> None:
        for machine in machines:
            machine.run("systemctl", "start", "--no-block", "consul.service")

    return Effect(undo=undo)


def _balancer_killed(gateway: Running, site: Site) -> Effect:
    name = _balancer(gateway, site)
    _signal(gateway.machine(name), "KILL", "haproxy.service", whom="all")
    return Effect()


def _cloud_cut(gateway: Running, site: Site) -> Effect:
    faults.cut(gateway.lab, site.name)
    return Effect(
        victims=site.services, undo=lambda: faults.mend(gateway.lab, site.name, kind="cut")
    )


def _replaced(gateway: Running, site: Site) -> Effect:
    """Take a machine away with its disk, and boot another one from the same user data."""
    name = site.services[-1]
    order = gateway.machine(name).order
    gateway.lab.destroy(name)
    started = time.monotonic()
    gateway.lab.boot(order)
    return Effect(victims=[name], started=started, newcomer=name)


FAULTS: Mapping[str, Fault] = {
    "service-killed": Fault(act=_service_killed),
    "service-hangs": Fault(act=_service_hangs),
    "service-vanishes": Fault(act=_service_vanishes),
    "drain": Fault(act=_drain, hold=2.0),
    "powered-off": Fault(act=_powered_off, hold=2.0),
    "reload": Fault(act=_reload, hold=2.0),
    "template-killed": Fault(act=_template_killed),
    "leader-killed": Fault(act=_leader_killed, hold=8.0),
    "agent-killed": Fault(act=_agent_killed),
    "servers-gone": Fault(act=_servers_gone, hold=60.0),
    "balancer-killed": Fault(act=_balancer_killed),
    "balancer-vanishes": Fault(act=_balancer_vanishes, hold=6.0, timeout=2.0, hosts=True),
    "rolling-change": Fault(act=_rolling_change, hold=2.0, hosts=True),
    "cloud-cut": Fault(act=_cloud_cut, hold=8.0, everywhere=True, timeout=1.0, hosts=False),
    # No lasting connection moves to a new server by itself.
    "replaced": Fault(act=_replaced, hold=0.0, modes=["new"], hosts=False),
}
"""By the key of `lab.targets.TARGETS`, in the order in which they are tried."""


def faults_of(site: Site) -> list[str]:
    """Return the keys of the faults that a site can have."""
    return [key for key, fault in FAULTS.items() if fault.hosts in (None, site.hosts)]


def modes_of(key: str) -> Sequence[Mode]:
    """Return the connections that show a fault; ToolError when there is no such fault."""
    if key not in FAULTS:
        raise ToolError(f"no fault {key!r}.", do=f"name one of {', '.join(FAULTS)}.")
    return FAULTS[key].modes


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
        if key not in faults_of(where):
            raise ToolError(
                f"{where.name} cannot have the fault {key!r}.",
                do=f"name one of {', '.join(faults_of(where))}.",
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
