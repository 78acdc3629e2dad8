from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lab.clouds import Clouds
from lab.commands_up import members, running
from lab.lab import Lab
from lab.machine import until
from stacks.lab import AWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.running import Running

SITES = {AWS: "10.20.0.0/16", "clients": "10.99.0.0/24"}


@pytest.fixture(scope="session")
def clouds() -> Iterator[Clouds]:
    """Return AWS with the gateway that booted there, for all tests of it: deploying takes long."""
    with Lab.create(SITES, name=f"a{os.getpid()}") as lab:
        clouds = Clouds(lab)
        try:
            clouds.deploy()
            clouds.boot()
            # cloud-init does not wait for what it starts: servers elect, agents join, checks pass.
            running(clouds).wait_whole()
            yield clouds
        finally:
            clouds.stop()


@pytest.fixture(scope="session")
def gateway(clouds: Clouds) -> Running:
    """Return the same, as soon as it is whole and nobody lists a machine that has vanished.

    A vanished one stays listed for days, and after a reload the balancers send it calls until their
    checks have failed: docs/break-it-yourself.md, "What limits the figures".
    """
    made = running(clouds)
    made.save()
    made.wait_whole()
    site = made.site()
    for name, alive in members(made, site).items():
        if not alive:
            made.machine(site.servers[0]).run("consul", "force-leave", "-prune", name)
    until(
        lambda: all(members(made, site).values()), seconds=30, what="only those alive are members"
    )
    return made
