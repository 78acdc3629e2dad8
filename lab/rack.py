"""The in-house half of the lab: hosts with nothing but sshd, and the gateway deployed to them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossgate.discovery.consul.programs.consul_tokens import NUMBER
from crossgate.discovery.consul.settings import CONFIG_DIRECTORY
from lab import container
from lab.command import output
from lab.deploy import Deployed, deploy
from lab.image import USER
from lab.network import entered
from lab.registry import Order
from lab.running import Running, Site
from lab.thrift.bundle import build
from stacks.lab_inhouse import RACK
from tools.toolbox import environment

if TYPE_CHECKING:
    from lab.lab import Lab
    from lab.machine import Machine

HOST_SITES = {RACK: "10.40.0.0/16", "clients": "10.98.0.0/24"}
"""The sites of a lab of hosts."""

FILES = "http://10.98.0.2:8080"
"""Where hosts find the service, and the packages that the image lacks."""

HOSTS = range(11, 18)
"""Last parts of the hosts' addresses; a host is called `h` and this number."""

VIP = "10.40.0.100"
"""The address that the balancers share."""

VERSIONS = ("1.4", "1.5")
"""Of the service: the one that is deployed first, and the other."""

_PORT = 9000
_STACK = "inhouse"
_SERVICE = "api"
_PROGRAM = Path(__file__).with_name("program.py")


class Rack:
    """The hosts of a lab that is up, and who deploys to them.

    Args:
        lab: of the sites `HOST_SITES`.

    Attributes:
        lab: the same.
        folder: what belongs to it on this machine: the key, the files that hosts fetch, the state.
        key: the private key that lets `operator` in.

    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.folder = lab.registry.folder / RACK
        self.key = self.folder / "key"

    def boot(self, numbers: Sequence[int] = HOSTS) -> None:
        """Boot the hosts, and serve them files; return when each lets the key in."""
        files = self.folder / "files"
        files.mkdir(parents=True)
        output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key))
        public = self.key.with_suffix(".pub").read_text(encoding="utf-8").strip()
        serve = (sys.executable, "-m", "http.server", "--directory", str(files), "8080")
        container.spawn(
            self.lab.name,
            "files",
            ["ip", "netns", "exec", self.lab.client_namespace, *serve],
            self.folder / "files.log",
        )
        sources = {"/etc/apt/sources.list": f"deb [trusted=yes] {FILES} ./\n".encode()}
        machines = self.lab.boot_all(
            Order(
                name=f"h{number}",
                site=RACK,
                address=f"10.40.0.{number}",
                authorized_key=public,
                files=sources,
            )
            for number in numbers
        )
        for machine in machines:
            machine.wait_port(22)

    def machine(self, number: int) -> Machine:
        """Return the host with this number."""
        return self.lab.machine(f"h{number}")

    def hosts(self, numbers: Sequence[int] = HOSTS) -> list[dict[str, Any]]:
        """Return what an in-house cloud says of them."""
        return [
            {
                "address": f"10.40.0.{number}",
                "cpu": 1,
                "memory": 1,
                "host_key": self.machine(number).host_key,
                "rack": "ab"[number % 2],
            }
            for number in numbers
        ]

    def deploy(self, version: str, *, rotation: int | None = None) -> Deployed:
        """Deploy the gateway with a version of the service, by the real CLI over SSH.

        Args:
            version: of the service.
            rotation: of all that Consul keeps secret; default: the one that is there.

        Raises:
            ToolError: the deploy failed.

        """
        bundle = build(version, self.folder / "files")
        given: Mapping[str, object] = {
            "hosts": self.hosts(),
            "user": USER,
            "key": str(self.key),
            "vip": f"{VIP}/16",
            "url": f"{FILES}/{bundle.path.name}",
            "sha256": bundle.sha256,
            "clients": HOST_SITES["clients"],
            "rotation": rotation or self.rotation(),
        }
        with entered(self.lab.client_namespace):
            return deploy(_PROGRAM, _STACK, self.folder / "gateway", environment(), {RACK: given})

    def version(self) -> str:
        """Return the version of the service that its machines run."""
        running = self.running()
        versions: Mapping[str, int] = running.seen(running.entries)["versions"]
        return next(iter(versions), "")

    def rotation(self) -> int:
        """Return how often all that Consul keeps secret has been exchanged, and one."""
        path = f"{CONFIG_DIRECTORY}/agent.json"
        said = self.machine(HOSTS[0]).run("sh", "-c", f"test ! -e {path} || cat {path}")
        return int(json.loads(said)["node_meta"][NUMBER]) if said else 1

    def running(self) -> Running:
        """Return the gateway that runs on the hosts, as they say themselves who is what."""
        roles: dict[str, list[str]] = {"haproxy": [], _SERVICE: [], "consul": []}
        for name, machine in self.lab.machines().items():
            # The first that is there: every host has an agent of Consul.
            said = machine.run("ls", "/etc/systemd/system", "/etc/systemd/system/haproxy.service.d",
                               check=False)  # fmt: skip
            words = said.split()
            if "crossgate.conf" in words:
                roles["haproxy"].append(name)
            elif f"{_SERVICE}.service" in words:
                roles[_SERVICE].append(name)
            else:
                roles["consul"].append(name)
        site = Site(
            name=RACK,
            entries=[f"{VIP}:{_PORT}"],
            services=roles[_SERVICE],
            servers=roles["consul"],
            balancers=roles["haproxy"],
            hosts=True,
        )
        return Running(self.lab, _SERVICE, [site])
