"""What a construct is called in the clouds: its path in the tree, in characters that all accept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crossgate.model.names import shortened
from crossgate.terraform.engine import path_of

if TYPE_CHECKING:
    from crossgate.terraform.engine import Construct

NAME_LIMIT = 63


def name_of(construct: Construct, *more: str) -> str:
    """Return the name of a construct in the clouds: stack and ids, joined by hyphens.

    Longer than 63 characters is cut and marked with a hash of the whole; a cloud with a smaller
    limit cuts further.

    Args:
        construct: the construct.
        more: ids below it, for a construct that is still to be made.

    """
    path = "/".join((path_of(construct), *more))
    text = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")
    return shortened(text, NAME_LIMIT)
