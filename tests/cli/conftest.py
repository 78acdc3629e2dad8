from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossgate import App, TerraformStack
from crossgate.cli.synthesized import Cloud, Stack, read
from stacks.gateway import GatewayStack

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the example gateway is synthesized."""
    out = tmp_path_factory.mktemp("gateway") / "cdktf.out"
    out.mkdir()
    app = App(outdir=str(out))
    GatewayStack(app, "gateway")
    app.synth()
    return out


@pytest.fixture
def changed(gateway: Path, tmp_path: Path) -> Callable[[Change], Path]:
    """Return a copy of the example's output in which something was changed."""

    def copy(change: Change) -> Path:
        made = json.loads((gateway / "stacks/gateway/cdk.tf.json").read_text())
        made["terraform"]["backend"] = {"local": {"path": str(tmp_path / "nowhere.tfstate")}}
        change(made)
        folder = tmp_path / "cdktf.out" / "stacks" / "gateway"
        folder.mkdir(parents=True)
        (folder / "cdk.tf.json").write_text(json.dumps(made))
        return tmp_path / "cdktf.out"

    return copy


def cloud(stack: Stack, name: str) -> Cloud:
    (found,) = (one for one in stack.clouds if one.name == name)
    return found


@pytest.fixture(scope="session")
def nova(gateway: Path) -> Cloud:
    return cloud(read(gateway), "nova")


@pytest.fixture(scope="session")
def aws(gateway: Path) -> Cloud:
    return cloud(read(gateway), "aws")


def synthesized(tmp_path: Path, build: Callable[[TerraformStack], object]) -> Stack:
    """Return a stack of the test's own, synthesized and read."""
    out = tmp_path / "own"
    app = App(outdir=str(out))
    stack = TerraformStack(app, "own")
    build(stack)
    app.synth()
    return read(out)
