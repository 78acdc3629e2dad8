"""Hosts with nothing but sshd, for the tests of in-house servers."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import container
from lab.lab import Lab
from lab.machine import Machine, Order

FILES = "http://10.98.0.2:8080"
"""Where hosts find the service, and the packages that the image lacks."""

MISSING = ("libjansson4", "libnftables1", "nftables")
"""What the image lacks and Debian brings: the hosts install it themselves."""

# What any machine changes by itself, and what a login or a user that came and went leaves behind.
UNSTABLE = re.compile(
    r"/(proc|sys|dev|run|tmp)(/|$)|/var/(log|tmp|cache)/|/var/lib/(apt|dpkg|systemd|haproxy)/"
    r"|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-$|/etc/\.pwd\.lock$|\.cache|/home/"
)


@dataclass
class Rack:
    """Hosts with nothing but sshd, and whoever deploys to them."""

    lab: Lab
    folder: Path
    key: Path
    before: dict[str, set[str]] = field(default_factory=dict)

    def machine(self, number: int) -> Machine:
        return self.lab.machine(f"h{number}")

    def hosts(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
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


def found(machine: Machine) -> set[str]:
    """Return what is on a machine: files, units that start by themselves, users, packages."""
    files = machine.run("find", "/", "-xdev", "!", "-path", "/proc/*").splitlines()
    units = machine.run("systemctl", "list-unit-files", "--state=enabled", "--no-legend")
    users = machine.run("cut", "-d:", "-f1", "/etc/passwd", "/etc/group")
    packages = machine.run("dpkg-query", "-W", "-f=${db:Status-Abbrev} ${Package}\n")
    return {
        *(path for path in files if not UNSTABLE.search(path)),
        *(f"unit {line.split()[0]}" for line in units.splitlines() if line),
        *(f"user {name}" for name in users.splitlines()),
        *(f"package {name}" for name in packages.splitlines()),
    }


@contextmanager
def booted(name: str, folder: Path, numbers: Sequence[int]) -> Iterator[Rack]:
    """Boot hosts, and a file server that they reach."""
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public = key.with_suffix(".pub").read_text().strip()
    files = folder / "files"
    files.mkdir()
    sources = {"/etc/apt/sources.list": f"deb [trusted=yes] {FILES} ./\n".encode()}
    with Lab.create({"rack": "10.40.0.0/16", "clients": "10.98.0.0/24"}, name=name) as lab:
        container.spawn(
            name,
            "files",
            ["ip", "netns", "exec", lab.client_namespace, sys.executable, "-m", "http.server",
             "--directory", str(files), "8080"],
            folder / "files.log",
        )  # fmt: skip
        lab.boot_all(
            Order(
                name=f"h{number}",
                site="rack",
                address=f"10.40.0.{number}",
                authorized_key=public,
                files=sources,
            )
            for number in numbers
        )
        made = Rack(lab=lab, folder=folder, key=key)
        for host, machine in lab.machines().items():
            machine.wait_port(22)
            made.before[host] = found(machine)
        yield made


def offer_packages(folder: Path) -> None:
    """Make a repository of what the image lacks, so that hosts without internet install it."""
    subprocess.run(["apt-get", "-q", "download", *MISSING], cwd=folder, check=True)
    entries = []
    for package in sorted(folder.glob("*.deb")):
        data = package.read_bytes()
        about = subprocess.run(
            ["dpkg-deb", "--field", str(package)], check=True, capture_output=True, text=True
        ).stdout
        digest = hashlib.sha256(data).hexdigest()
        entries.append(f"{about}Filename: ./{package.name}\nSize: {len(data)}\nSHA256: {digest}\n")
    (folder / "Packages").write_text("\n".join(entries))
