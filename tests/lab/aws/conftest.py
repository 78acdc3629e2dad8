from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lab.clouds import Clouds
from lab.commands_up import running
from lab.lab import Lab
from stacks.lab import AWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.running import Running

SITES = {AWS: "10.20.0.0/16", "clients": "10.99.0.0/24"}


@pytest.fixture(scope="package")
def clouds() -> Iterator[Clouds]:
    """Return AWS with the gateway that booted there, for all tests of it: deploying takes long."""
    with Lab.create(SITES, name=f"a{os.getpid()}") as lab:
        clouds = Clouds(lab)
        try:
            clouds.deploy()
            # cloud-init does not wait for what it starts: servers elect, agents join, checks pass.
            running(clouds).wait_whole()
            yield clouds
        finally:
            clouds.stop()


@pytest.fixture(scope="package")
def gateway(clouds: Clouds) -> Running:
    """Return the same, as soon as it is whole."""
    made = running(clouds)
    made.save()
    made.wait_whole()
    return made
