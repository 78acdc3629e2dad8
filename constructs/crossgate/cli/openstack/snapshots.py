"""The snapshots in a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.cli.following import UnansweredError
from crossgate.cli.openstack.login import ERRORS, log_in, sentence

if TYPE_CHECKING:
    from crossgate.cli.synthesized import Cloud


def snapshots(cloud: Cloud, container: str, prefix: str) -> list[str]:
    """Return the names of what a container keeps below a prefix.

    Raises:
        UnansweredError: it could not be asked.

    """
    try:
        swift = log_in(cloud.provider).connection.object_store
        kept = swift.objects(container, prefix=prefix)
        return [one.name.removeprefix(prefix) for one in kept]
    except ERRORS as error:
        raise UnansweredError(sentence(error)) from error
