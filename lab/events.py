"""The ways in which a trial breaks a gateway."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossgate.discovery.consul.acl import MANAGEMENT_TOKEN
from crossgate.discovery.consul.settings import DATA_DIRECTORY
from crossgate.discovery.consul.snapshots import RESTORE
from lab import faults
from lab.rack import VERSIONS, Rack
from tools.toolbox import ToolError

if TYPE_CHECKING:
    from lab.load import Mode
    from lab.machine import Machine
    from lab.running import Running, Site

MODES: tuple[Mode, ...] = ("new", "lasting")
"""How clients may connect."""

_RELOADS = 8
_DRAIN_SECONDS = 2.0
_LOOK_SECONDS = 0.5
_VOTES_SECONDS = 180.0


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
        several: whether it takes another site, where clients are led; default False.

    """

    act: Callable[[Running, Site], Effect]
    hold: float = 4.0
    everywhere: bool = False
    timeout: float = 5.0
    modes: Sequence[Mode] = MODES
    hosts: bool | None = None
    several: bool = False


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


def _leader(gateway: Running, site: Site) -> Machine:
    leader = gateway.leader(site)
    if leader is None:
        raise ToolError(f"{site.name} has no Consul leader.", do="see python -m lab status.")
    return gateway.machine(leader)


def _leader_killed(gateway: Running, site: Site) -> Effect:
    _signal(_leader(gateway, site), "KILL", "consul.service")
    return Effect()


def _leader_replaced(gateway: Running, site: Site) -> Effect:
    """Take the leader away with its disk, boot another server, and wait until that one votes.

    Raises ToolError when fewer than a quorum vote meanwhile, or it never does.
    """
    leader, before = _leader(gateway, site), gateway.voters(site)
    gateway.lab.destroy(leader.order.name)
    gateway.lab.boot(leader.order)
    last = time.monotonic() + _VOTES_SECONDS
    while (now := gateway.voters(site)) == before or len(now) != len(before):
        # Nobody may have answered just then.
        if 0 < len(now) <= len(before) // 2 or time.monotonic() > last:
            raise ToolError(
                f"of {len(before)} Consul servers in {site.name} {len(now)} vote.",
                do="see python -m lab status.",
            )
        time.sleep(_LOOK_SECONDS)
    return Effect()


def _exchange(gateway: Running, _site: Site) -> Effect:
    """Deploy other tokens, keys and certificates for all of Consul."""
    rack = Rack(gateway.lab)
    rack.deploy(rack.version(), rotation=rack.rotation() + 1)
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


def _services_gone(gateway: Running, site: Site) -> Effect:
    """Kill the service on all machines of a site at about the same time."""
    unit = f"{gateway.service}.service"
    machines = [gateway.machine(name) for name in site.services]

    def end(machine: Machine) -> None:
        # Stopped first, for systemd would start it again; it has its drain for that.
        machine.run("systemctl", "stop", "--no-block", unit)
        _signal(machine, "KILL", unit)

    with ThreadPoolExecutor() as pool:
        list(pool.map(end, machines))
    return Effect(
        victims=site.services,
        undo=lambda: [one.run("systemctl", "start", unit) for one in machines],
    )


def _servers_restored(gateway: Running, site: Site) -> Effect:
    """Take all that the Consul servers hold away, and bring it back from a snapshot.

    Raises ToolError when what was written before is missing then, or nobody leads.
    """
    machines = [gateway.machine(name) for name in site.servers]
    managed = ("env", f"CONSUL_HTTP_TOKEN_FILE={MANAGEMENT_TOKEN}", "consul", "kv")
    machines[0].run(*managed, "put", "lab/kept", "yes")
    for machine in machines:
        machine.run("systemctl", "start", "crossgate-snapshot.service")
    for machine in machines:
        machine.run("systemctl", "stop", "consul.service")
    for machine in machines:
        machine.run("find", DATA_DIRECTORY, "-mindepth", "1", "-delete")
    for machine in machines:
        machine.run("systemctl", "start", "--no-block", "consul.service")
    last = time.monotonic() + _VOTES_SECONDS
    while gateway.leader(site) is None and time.monotonic() < last:
        time.sleep(_LOOK_SECONDS)
    machines[0].run(RESTORE, "--yes")
    if (said := machines[0].run(*managed, "get", "lab/kept", check=False)) != "yes\n":
        raise ToolError(
            f"{site.name} has lost what was written before: {said}", do="see python -m lab status."
        )
    return Effect()


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
    "leader-replaced": Fault(act=_leader_replaced, hold=2.0, modes=["new"], hosts=False),
    "agent-killed": Fault(act=_agent_killed),
    "servers-gone": Fault(act=_servers_gone, hold=60.0),
    "servers-restored": Fault(act=_servers_restored, hold=5.0, modes=["new"], hosts=True),
    "balancer-killed": Fault(act=_balancer_killed),
    "balancer-vanishes": Fault(act=_balancer_vanishes, hold=6.0, timeout=2.0, hosts=True),
    "rolling-change": Fault(act=_rolling_change, hold=2.0, hosts=True),
    "exchange": Fault(act=_exchange, hold=10.0, hosts=True),
    "cloud-cut": Fault(act=_cloud_cut, hold=8.0, everywhere=True, timeout=1.0, hosts=False),
    "services-gone": Fault(act=_services_gone, hold=6.0, hosts=False, several=True),
    # No lasting connection moves to a new server by itself.
    "replaced": Fault(act=_replaced, hold=0.0, modes=["new"], hosts=False),
}
"""By the key of `lab.targets.TARGETS`, in the order in which they are tried."""


def faults_of(gateway: Running, site: Site) -> list[str]:
    """Return the keys of the faults that a site of a gateway can have."""
    alone = len(gateway.sites) == 1
    return [
        key
        for key, fault in FAULTS.items()
        if fault.hosts in (None, site.hosts) and not (fault.several and alone)
    ]


def modes_of(key: str) -> Sequence[Mode]:
    """Return the connections that show a fault; ToolError when there is no such fault."""
    if key not in FAULTS:
        raise ToolError(f"no fault {key!r}.", do=f"name one of {', '.join(FAULTS)}.")
    return FAULTS[key].modes
