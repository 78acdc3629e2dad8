"""Hosts with nothing but sshd, for the tests of in-house servers, and what was on them before."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lab import rack
from lab.lab import Lab

if TYPE_CHECKING:
    from lab.machine import Machine

MISSING = ("libjansson4", "libnftables1", "nftables")
"""What the image lacks and Debian brings: the hosts install it themselves."""

# What any machine changes by itself, and what a login or a user that came and went leaves behind.
UNSTABLE = re.compile(
    r"/(proc|sys|dev|run|tmp)(/|$)|/var/(log|tmp|cache)/|/var/lib/(apt|dpkg|systemd|haproxy)/"
    r"|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-$|/etc/\.pwd\.lock$|\.cache|/home/"
)


class Rack(rack.Rack):
    """Hosts, with what was on each before anything was deployed."""

    before: dict[str, set[str]]


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
def booted(name: str, numbers: Sequence[int]) -> Iterator[Rack]:
    """Boot hosts, and a file server that they reach."""
    with Lab.create(rack.HOST_SITES, name=name) as lab:
        made = Rack(lab)
        made.boot(numbers)
        made.before = {host: found(machine) for host, machine in lab.machines().items()}
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
