"""The snapshots in a container."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from crossgate.cli.following import UnansweredError
from crossgate.cli.openstack.login import ERRORS, log_in, sentence

if TYPE_CHECKING:
    from crossgate.cli.synthesized import Cloud


def snapshots(cloud: Cloud, container: str, prefix: str) -> list[str]:
    """Return the names of what a container keeps below a prefix.

    Raises:
        UnansweredError: it could not be asked.

    """
    found: list[str] = []
    last = ""
    try:
        swift = log_in(cloud.provider).connection.object_store
        while True:
            query = urlencode({"format": "json", "prefix": prefix, "marker": last})
            answer = swift.get(f"/{quote(container, safe='')}?{query}")
            if not answer.ok:
                raise UnansweredError(f"Swift answers {answer.status_code} for {container}")
            page = answer.json() if answer.text.strip() else []
            if not page:
                return found
            last = page[-1]["name"]
            found += [one["name"][len(prefix) :] for one in page]
    except ERRORS as error:
        raise UnansweredError(sentence(error)) from error
