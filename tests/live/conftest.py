from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.machine import Network

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """Return a switch of this module's own."""
    with Network() as network:
        yield network
