"""A gateway that runs in a lab: who does what, where clients enter, whether all is well."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.toolbox import ROOT, ToolError

if TYPE_CHECKING:
    from lab.lab import Lab
    from lab.machine import Machine
    from lab.registry import Registry

_FILE = "running.json"
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Site:
    """The part of a gateway that is in one cloud.

    Attributes:
        name: of the site, which is the cloud's.
        entries: where clients connect, `host:port`.
        services: names of the machines that run the service.
        servers: of the Consul servers.
        balancers: of the HAProxy nodes.
        hosts: whether its machines are hosts that are kept, which share the entry's address.

    """

    name: str
    entries: Sequence[str]
    services: Sequence[str]
    servers: Sequence[str]
    balancers: Sequence[str]
    hosts: bool = False


@dataclass(frozen=True)
class Running:
    """A gateway that runs in a lab.

    Attributes:
        lab: the lab.
        service: name of the service, which is its systemd unit's too.
        sites: its parts.

    """

    lab: Lab
    service: str
    sites: Sequence[Site]

    def save(self) -> None:
        """Write it down in the lab's folder, for commands that come later.

        Entries become a part of their site, so that a cut of the site takes them along.
        """
        for site in self.sites:
            for entry in site.entries:
                self.lab.registry.claim(site.name, entry.partition(":")[0])
        made = {"service": self.service, "sites": [asdict(site) for site in self.sites]}
        _path(self.lab.registry).write_text(json.dumps(made), encoding="utf-8")

    @classmethod
    def of(cls, lab: Lab) -> Running:
        """Return the gateway that runs in a lab; ToolError when none does."""
        try:
            text = _path(lab.registry).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise ToolError(
                f"no gateway runs in the lab {lab.name}.", do="bring one up: python -m lab up."
            ) from None
        made: dict[str, Any] = json.loads(text)
        return cls(lab, made["service"], [Site(**site) for site in made["sites"]])

    @cached_property
    def entries(self) -> Sequence[str]:
        """All entries, those of the first site first."""
        return [entry for site in self.sites for entry in site.entries]

    def site(self, name: str | None = None) -> Site:
        """Return a site, by default the first; ToolError when there is none of that name."""
        for site in self.sites:
            if name in (None, site.name):
                return site
        names = ", ".join(site.name for site in self.sites)
        raise ToolError(f"the gateway is not in {name}.", do=f"name one of {names}.")

    def machine(self, name: str) -> Machine:
        """Return a machine of it."""
        return self.lab.machine(name)

    def leader(self, site: Site) -> str | None:
        """Return the name of the Consul server that leads a site; None while there is none."""
        for name in site.servers:
            machine = self.machine(name)
            if not machine.running:
                continue
            said = machine.run("consul", "operator", "raft", "list-peers", check=False)
            for row in said.splitlines():
                # Node, ID, Address, State, ...
                words = row.split()
                if "leader" in words:
                    host = words[2].partition(":")[0]
                    return next(
                        (n for n in site.servers if self.machine(n).order.address == host), None
                    )
        return None

    def voters(self, site: Site) -> frozenset[str]:
        """Return the Consul servers that vote in a site, as the first that answers knows them."""
        for name in site.servers:
            machine = self.machine(name)
            if machine.running:
                asked = ("consul", "operator", "raft", "list-peers", "-stale")
                rows = [line.split() for line in machine.run(*asked, check=False).splitlines()]
                if found := frozenset(row[0] for row in rows if "true" in row):
                    return found
        return frozenset()

    def seen(self, entries: Sequence[str], *, seconds: float = _LOOK_SECONDS) -> Mapping[str, Any]:
        """Return what a short load on these entries sees: the summary of `lab.load`."""
        command = [
            *("ip", "netns", "exec", self.lab.client_namespace, sys.executable, "-m", "lab.load"),
            *("--seconds", str(seconds), "--rate", "40", "--work", "0", "--timeout", "2"),
            *(word for entry in entries for word in ("--target", entry)),
        ]
        done = subprocess.run(  # noqa: S603  (our own program)
            command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60
        )
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    def lacking(self, site: Site) -> str:
        """Return what a site lacks to be whole, in words; "" when nothing does."""
        for entry in site.entries:
            said = self.seen([entry])
            silent = sorted(set(site.services) - set(said["servers"]))
            if said["failed"] or silent:
                answered = ", ".join(sorted(said["servers"])) or "nobody"
                return f"{entry}: {said['failed']} calls failed, {answered} answered"
        if self.leader(site) is None:
            return "its Consul servers have no leader"
        return ""

    def wait_whole(self, *sites: Site, seconds: float = 120) -> None:
        """Return when every service machine answers at every entry, and Consul has leaders.

        Raises ToolError after so many seconds, saying what is lacking.
        """
        last = time.monotonic() + seconds
        for site in sites or self.sites:
            while lacking := self.lacking(site):
                if time.monotonic() > last:
                    raise ToolError(
                        f"{site.name} is not whole after {seconds:g} s: {lacking}.",
                        do="see python -m lab status.",
                    )


def _path(registry: Registry) -> Path:
    return registry.folder / _FILE
