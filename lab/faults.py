"""Faults that a lab can be given, and their undoing; what is broken now is written down.

That a machine vanishes, is powered off or comes back is its own: `Machine.kill`, `stop`, `start`.
A machine that starts again has a new link, without the faults of its old one.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lab import cgroup, container
from lab.command import said
from lab.fault import Fault, Kind
from lab.machine import Machine, until
from lab.registry import line
from tools.toolbox import ROOT, ToolError

if TYPE_CHECKING:
    from lab.lab import Lab

_FILLING = "var/lib/lab-fills-the-disk"
_MEBI = 1024 * 1024
_LOSS_MOST = 100


def cut(lab: Lab, place: str, other: str | None = None) -> Fault:
    """Cut a machine off, or a site from another or from all others.

    Packets vanish, in both directions: no connection is reset, no link goes down. Within a site
    that is cut off all goes on.

    Raises ToolError when there is no such place, or only one of two is a site.
    """
    fault = Fault(kind="cut", place=place, other=other or "")
    if place in lab.network.sites:
        if other == place or (other is not None and other not in lab.network.sites):
            raise ToolError(
                f"{place} cannot be cut from {other}.",
                do=f"name another site of {', '.join(lab.network.sites)}.",
            )
    elif other is not None:
        raise ToolError(
            f"{place} is cut off from all or from nothing.", do=f"leave {other} out, or cut sites."
        )
    else:
        lab.machine(place)
    _begin(lab, fault)
    return fault


def slow(lab: Lab, place: str, *, delay: float = 0, loss: float = 0) -> Fault:
    """Make each round trip with a machine, or with a site from elsewhere, take longer or fail.

    Packets on their way there are delayed, those from there are not. A place that is slow already
    is so in the new way.

    Args:
        lab: the lab.
        place: name of a machine or of a site.
        delay: milliseconds that are added. Default 0.
        loss: per cent of packets that are lost. Default 0.

    """
    if place not in lab.network.sites:
        lab.machine(place)
    if delay < 0 or not 0 <= loss <= _LOSS_MOST or delay + loss == 0:
        raise ToolError(
            f"{place} cannot be slow by {delay:g} ms with {loss:g} % lost.",
            do="give a delay above 0, a loss of 1 to 100 per cent, or both.",
        )
    fault = Fault(kind="slow", place=place, delay=delay, loss=loss)
    mend(lab, place, kind="slow")
    _begin(lab, fault)
    return fault


def fill(lab: Lab, machine: str, *, free: int = 0) -> Fault:
    """Fill a machine's disk until so many MiB are free; default 0."""
    lab.machine(machine)
    mend(lab, machine, kind="fill")
    fault = Fault(kind="fill", place=machine, free=free)
    _begin(lab, fault)
    return fault


def mend(lab: Lab, place: str | None = None, *, kind: Kind | None = None) -> list[Fault]:
    """Undo the faults of a place, or all; return them.

    Args:
        lab: the lab.
        place: name of a machine or of a site; a cut between two sites is of both. Default: all.
        kind: `cut`, `slow` or `fill`; default: all.

    """
    with lab.registry.faults() as faults:
        gone = [
            fault
            for fault in faults
            if place in (None, fault.place, fault.other) and kind in (None, fault.kind)
        ]
        for fault in gone:
            faults.remove(fault)
            _undo(lab, fault, faults)
    return gone


def _begin(lab: Lab, fault: Fault) -> None:
    with lab.registry.faults() as faults:
        if fault in faults:
            return
        faults.append(fault)
        lab.registry.write_faults(faults)
        match fault.kind:
            case "cut":
                _apply_cut(lab, fault, faults, cut=True)
            case "slow":
                _slow_down(lab, fault)
            case "fill":
                _fill(lab.machine(fault.place), fault.free)


def _undo(lab: Lab, fault: Fault, others: list[Fault]) -> None:
    gone = fault.place not in {**lab.network.sites, **lab.machines()}
    match fault.kind:
        case "cut":
            if not gone:
                _apply_cut(lab, fault, others, cut=False)
        case "slow":
            cgroup.end(lab.name, line(fault.place))
            for kind in ("root", "clsact"):
                said(*_tc(lab), "qdisc", "del", "dev", _interface(lab, fault.place), kind)
        case "fill":
            if not gone:
                (lab.machine(fault.place).root / _FILLING).unlink(missing_ok=True)


def _apply_cut(lab: Lab, fault: Fault, faults: list[Fault], *, cut: bool) -> None:
    if fault.place not in lab.network.sites:
        lab.network.cut_off(fault.place, cut=cut)
        return
    pairs = set()
    for one in faults:
        if one.kind == "cut" and one.place in lab.network.sites:
            others = [one.other] if one.other else set(lab.network.sites) - {one.place}
            pairs |= {
                (a, b)
                for other in others
                for a in lab.registry.ranges(one.place)
                for b in lab.registry.ranges(other)
            }
    lab.network.cut_between(sorted(pairs))


def _tc(lab: Lab) -> tuple[str, ...]:
    return ("tc", "-netns", lab.network.router)


def _interface(lab: Lab, place: str) -> str:
    return f"br-{place}" if place in lab.network.sites else f"v-{place}"


def _slow_down(lab: Lab, fault: Fault) -> None:
    interface = _interface(lab, fault.place)
    told = said(
        *_tc(lab), "qdisc", "replace", "dev", interface, "root", "netem", "limit", "10000",
        "delay", f"{fault.delay}ms", "loss", f"{fault.loss}%",
    )  # fmt: skip
    if not told:
        return
    # A kernel without netem: a program of ours stands in.
    command = [
        "ip", "netns", "exec", lab.network.router, "env", f"PYTHONPATH={ROOT}",
        sys.executable, "-m", "lab.delay", interface, "--tap", f"t-{fault.place}",
        "--delay", str(fault.delay), "--loss", str(fault.loss),
    ]  # fmt: skip
    log = lab.registry.folder / f"{line(fault.place)}.log"
    container.spawn(lab.name, line(fault.place), command, log)
    try:
        until(
            lambda: "mirred" in said(*_tc(lab), "filter", "show", "dev", interface, "egress"),
            seconds=10,
            what=f"{fault.place} is slow",
        )
    except ToolError as error:
        raise ToolError(
            f"{fault.place} cannot be made slow: {told.strip()}",
            do="see that this kernel has sch_netem, or tun and act_mirred.",
            output=log.read_text(errors="replace"),
        ) from error


def _fill(machine: Machine, free: int) -> None:
    disk = os.statvfs(machine.root)
    size = disk.f_bavail * disk.f_frsize - free * _MEBI
    if size > 0:
        with Path(machine.root, _FILLING).open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
