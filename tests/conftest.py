from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossgate import App, Service, TerraformStack, ThriftCheck

Synth = Callable[[], dict[str, Any]]


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(outdir=str(tmp_path / "cdktf.out"))


@pytest.fixture
def stack(app: App) -> TerraformStack:
    return TerraformStack(app, "test")


@pytest.fixture
def synth(app: App, stack: TerraformStack, tmp_path: Path) -> Synth:
    """Write the stack's JSON and return what is in it."""

    def written() -> dict[str, Any]:
        app.synth()
        path = tmp_path / "cdktf.out" / "stacks" / "test" / "cdk.tf.json"
        made: dict[str, Any] = json.loads(path.read_text())
        return made

    return written


@pytest.fixture
def api() -> Service:
    return Service(
        name="api",
        port=9190,
        protocol="thrift",
        image="registry.example.org/api:1.4",
        check=ThriftCheck(call="ping"),
    )
