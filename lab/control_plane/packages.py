"""The Debian packages that a control plane is made of."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tools.toolbox import ToolError

PACKAGES = (
    *("python3-keystone", "python3-glance", "glance-common", "python3-placement"),
    *("python3-nova", "nova-common", "python3-neutron", "neutron-common"),
    *("python3-heat", "heat-common", "python3-octavia", "octavia-common"),
    *("python3-gnocchi", "gnocchi-common", "python3-aodh", "aodh-common"),
    *("mariadb-server", "rabbitmq-server", "uwsgi-core", "uwsgi-plugin-python3"),
    *("python3-pymysql", "openssl"),
)
"""Debian packages that it is made of; some 200 with what they need, three minutes once."""


def install() -> None:
    """Install the Debian packages, without their services being started.

    Raises:
        ToolError: this is not root, or apt fails.

    """
    if not missing():
        return
    policy = Path("/usr/sbin/policy-rc.d")
    own = not policy.exists()
    if own:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        names = (*(f"{name}-common" for name in ("keystone", "glance", "nova", "neutron", "heat")),
                 "octavia-common", "placement-common", "gnocchi-common", "aodh-common")  # fmt: skip
        answers = "".join(
            f"{package} {package.removesuffix('-common')}/{question} boolean false\n"
            for package in names
            for question in ("configure_db", "configure_ksat", "configure_rabbit")
        )
        apt = ("apt-get", "-q", "-y", "-o", "Dpkg::Use-Pty=0")
        for command, given in (
            (("debconf-set-selections",), answers),
            ((*apt, "update"), ""),
            ((*apt, "install", "--no-install-recommends", *PACKAGES), ""),
        ):
            done = subprocess.run(  # noqa: S603  (Debian's own)
                command, check=False, input=given, text=True,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            if done.returncode:
                raise ToolError(
                    f"`{command[0]}` failed with code {done.returncode}:",
                    do="see that this is root and reaches its Debian mirror; then try again.",
                    output=done.stdout,
                )
    finally:
        if own:
            policy.unlink()


def missing() -> list[str]:
    """Return the packages that are not installed."""
    return [name for name, version in _installed().items() if not version]


def _installed() -> dict[str, str]:
    """Return the version of each package; an empty one where it is not installed."""
    form = "${Package} ${db:Status-Status} ${Version}\n"
    asked = subprocess.run(  # noqa: S603  (Debian's own)
        ["/usr/bin/dpkg-query", "--show", f"--showformat={form}", *PACKAGES],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    rows = (line.split() for line in asked.stdout.splitlines())
    found = {row[0]: row[-1] for row in rows if row[1] == "installed"}
    return {name: found.get(name, "") for name in PACKAGES}


def versions() -> str:
    """Return what is installed, in words: databases are made by it."""
    return " ".join(f"{name}={version}" for name, version in _installed().items())
