from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.control_plane.plane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Return OpenStack's control plane, for all tests that need one: starting takes a minute."""
    with ControlPlane(tmp_path_factory.mktemp("openstack") / "plane") as plane:
        yield plane
