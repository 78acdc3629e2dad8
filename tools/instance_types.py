"""Write the list of EC2 instance types that botocore knows (part of `make bindings`)."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, cast

import botocore.session

if TYPE_CHECKING:
    from botocore.model import StringShape

TARGET = Path("constructs/crossgate/clouds/aws/instance_types.txt")


def listing() -> str:
    """Return one line for each family: its name, a colon, its sizes."""
    model = botocore.session.get_session().get_service_model("ec2")
    shape = cast("StringShape", model.shape_for("InstanceType"))
    names = sorted(name.split(".", 1) for name in shape.enum)
    families = groupby(names, key=lambda name: name[0])
    lines = (f"{family}: {' '.join(size for _, size in sizes)}" for family, sizes in families)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(listing(), encoding="ascii")
