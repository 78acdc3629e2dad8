"""Write the published JSON Schema of the gateway file (part of `make bindings`)."""

from __future__ import annotations

import json

from crossgate.gateway_file import json_schema
from tools.toolbox import ROOT

TARGET = ROOT / "docs" / "gateway.schema.json"


def text() -> str:
    """Return the schema as it is published."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
