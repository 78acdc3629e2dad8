"""The IDL as Python has it: `INTERFACE.Gateway`, `INTERFACE.Echo` and so on."""

from __future__ import annotations

import io
from importlib import resources
from types import ModuleType

import thriftpy2


def _load() -> ModuleType:
    # By its text, not by its path: in a bundle there is no such file.
    text = resources.files(__package__).joinpath("gateway.thrift").read_text(encoding="utf-8")
    return thriftpy2.load_fp(io.StringIO(text), "gateway_thrift")


INTERFACE = _load()
