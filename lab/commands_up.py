"""`lab up` and `lab status`: the gateway brought up in the lab, and how it is."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from lab import cgroup
from lab.control_plane import packages
from lab.lab import SITES, Lab
from lab.rack import HOST_SITES, VERSIONS, Rack
from lab.running import Running, Site
from tools.toolbox import ToolError

if TYPE_CHECKING:
    from lab.clouds import Clouds, Place

app = typer.Typer(no_args_is_help=True)
console = Console(highlight=False)

SERVICE = "api"
"""The service of the lab's stack."""


class Stack(Enum):
    """What can be brought up."""

    GATEWAY = "gateway"
    INHOUSE = "inhouse"


_SHOW = """\
import socket
asked = socket.socket(socket.AF_UNIX)
asked.connect("/run/haproxy/admin.sock")
asked.sendall(b"show servers state\\n")
print(b"".join(iter(lambda: asked.recv(65536), b"")).decode())
"""
_AGENT = "http://127.0.0.1:8500"
_ALIVE = 1  # MemberStatus of serf, which Consul's API passes on
_UP = "2"  # srv_op_state in "show servers state", HAProxy's management guide


def bring_up(lab: Lab, progress: Progress, *, openstack: bool = False) -> Running:
    """Deploy the lab's stack, boot what the clouds received, and wait until clients are served.

    Args:
        lab: the lab.
        progress: where it is shown how far that is.
        openstack: start a control plane of OpenStack, and deploy to it too; default: AWS alone.

    """
    # Not before: the clouds' libraries take a second to import.
    from lab.clouds import Clouds  # noqa: PLC0415

    task = progress.add_task("", total=None)

    def begin(phase: str) -> None:
        progress.update(task, description=phase)

    def say(phase: str, seconds: float) -> None:
        progress.console.print(f"{phase}: {seconds:.0f} s")

    clouds = Clouds(lab, say=say)
    if openstack:
        # As above; and it ends with the lab's control groups.
        from lab.control_plane.plane import ControlPlane  # noqa: PLC0415

        begin("starting OpenStack's control plane")
        groups = cgroup.make(lab.name, "openstack")
        plane = ControlPlane(lab.registry.folder / "openstack", groups=groups, say=say)
        plane.start()
        clouds.project = plane.project
    begin("deploying the stack to the clouds, booting machines from the user data that they hold")
    clouds.deploy()
    gateway = running(clouds)
    gateway.save()
    begin("waiting until every machine of the service answers")
    began = time.monotonic()
    gateway.wait_whole()
    say("service", time.monotonic() - began)
    return gateway


def running(clouds: Clouds) -> Running:
    """Return the gateway whose machines these are."""
    sites = [_site(place, clouds.machines) for place in clouds.places.values()]
    return Running(clouds.lab, SERVICE, sites)


def _site(place: Place, there: Collection[str]) -> Site:
    def named(role: str) -> list[str]:
        return sorted(name for name in there if name.startswith(f"{place.name}-{role}"))

    return Site(
        name=place.name,
        entries=place.entries,
        services=named("api"),
        servers=named("disc"),
        balancers=named("edge"),
    )


def bring_up_hosts(lab: Lab, progress: Progress) -> Running:
    """Boot hosts with nothing but sshd, deploy the in-house gateway, wait until it serves.

    Args:
        lab: the lab, of the sites of `lab.rack`.
        progress: where it is shown how far that is.

    """
    rack = Rack(lab)
    with _phase(progress, "hosts"):
        rack.boot()
    with _phase(progress, "deploy over SSH"):
        rack.deploy(VERSIONS[0])
    with _phase(progress, "service"):
        gateway = rack.running()
        gateway.save()
        gateway.wait_whole()
    return gateway


@contextlib.contextmanager
def _phase(progress: Progress, name: str) -> Iterator[None]:
    task = progress.add_task(name, total=None)
    began = time.monotonic()
    yield
    progress.remove_task(task)
    progress.console.print(f"{name}: {time.monotonic() - began:.0f} s")


@app.command()
def up(
    stack: Annotated[
        Stack, typer.Argument(help="gateway: the one of both clouds; inhouse: the one on hosts.")
    ] = Stack.GATEWAY,
    *,
    openstack: Annotated[
        bool | None, typer.Option(help="With OpenStack; default: if its packages are there.")
    ] = None,
) -> None:
    """Bring a gateway up that serves Thrift: deployed, and booted from user data or over SSH."""
    began = time.monotonic()
    if stack is Stack.INHOUSE:
        _show(Lab.create(HOST_SITES, console=console), bring_up_hosts, began)
        return
    lacking = packages.missing()
    if openstack is None and lacking:
        console.print(
            f"{len(lacking)} of OpenStack's Debian packages are not here: AWS comes up alone. To "
            "have both clouds: python -m lab.control_plane install"
        )
    both = not lacking if openstack is None else openstack
    sites = SITES if both else {name: SITES[name] for name in ("aws", "clients")}
    lab = Lab.create(sites, console=console)
    _show(lab, lambda lab, progress: bring_up(lab, progress, openstack=both), began)


def _show(lab: Lab, bring: Callable[[Lab, Progress], Running], began: float) -> None:
    """Bring a gateway up and say what can be done with it."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            gateway = bring(lab, progress)
    except BaseException:
        console.print("What came up is still there to be looked at: python -m lab status, down.")
        raise
    console.print(f"\n[bold]Up in {time.monotonic() - began:.0f} s.[/] Clients call:")
    for site in gateway.sites:
        console.print(f"  {site.name}: {', '.join(site.entries)}")
    first = gateway.sites[0]
    targets = " ".join(f"--target {entry}" for entry in first.entries)
    console.print(
        "\nBreak it, in a second terminal, while this one calls:\n"
        f"  python -m lab load {targets}\n"
        f"  python -m lab kill {first.services[0]}      then: start {first.services[0]}\n"
        f"  python -m lab cut {first.servers[0]}       then: mend\n"
        "  python -m lab status\n"
        "  python -m lab trial                all faults, measured; then: report\n"
        "  python -m lab down"
    )


@app.command()
def status() -> None:
    """Show who is there, who leads, where the balancers send calls and who answers."""
    lab = Lab.open()
    with lab.registry.faults() as faults:
        broken = [str(fault) for fault in faults]
    parts: list[Table | str] = []
    roles: dict[str, str] = {}
    try:
        gateway = Running.of(lab)
    except ToolError as error:
        parts.append(str(error))
    else:
        for site in gateway.sites:
            roles |= dict.fromkeys(site.services, "service")
            roles |= dict.fromkeys(site.servers, "Consul server")
            roles |= dict.fromkeys(site.balancers, "balancer")
            parts.append(_site_table(gateway, site))
    parts.insert(0, _machines(lab, roles))
    parts.append(f"Broken on purpose: {'; '.join(broken) or 'nothing'}.")
    console.print(Group(*parts))


def _machines(lab: Lab, roles: Mapping[str, str]) -> Table:
    table = Table(title=f"Machines of the lab {lab.name}")
    for heading in ("machine", "site", "address", "what", "is"):
        table.add_column(heading)
    for name, machine in lab.machines().items():
        state = "up" if machine.running else "[red]off[/]"
        order = machine.order
        table.add_row(name, order.site, order.address, roles.get(name, ""), state)
    return table


def _site_table(gateway: Running, site: Site) -> Table:
    table = Table(title=f"The gateway in {site.name}", show_header=False)
    table.add_row("Consul leader", gateway.leader(site) or "[red]none[/]")
    known = members(gateway, site)
    table.add_row("Consul members", f"{sum(known.values())} alive of {len(known)}")
    for name in site.balancers:
        table.add_row(f"backends of {name}", _backends(gateway, name))
    said = gateway.seen(site.entries)
    answered = ", ".join(f"{name} ({count})" for name, count in sorted(said["servers"].items()))
    table.add_row("who serves", f"{answered or '[red]nobody[/]'}; {said['failed']} calls failed")
    return table


def members(gateway: Running, site: Site) -> Mapping[str, bool]:
    """Return the members of a site's cluster and whether they are alive, as one of them says."""
    for name in (*site.servers, *site.services, *site.balancers):
        machine = gateway.machine(name)
        if machine.running:
            said = machine.run("curl", "-s", f"{_AGENT}/v1/agent/members", check=False)
            if said.startswith("["):
                return {one["Name"]: one["Status"] == _ALIVE for one in json.loads(said)}
    return {}


def _backends(gateway: Running, name: str) -> str:
    machine = gateway.machine(name)
    if not machine.running:
        return "[red]off[/]"
    said = machine.run("python3", "-c", _SHOW, check=False)
    rows = [line.split() for line in said.splitlines() if line[:1].isdecimal() and " " in line]
    shown = [f"{row[3]} {'up' if row[5] == _UP else '[red]down[/]'}" for row in rows]
    return ", ".join(shown) or "none"
