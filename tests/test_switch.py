"""Another balancer in an example stack is one line of it."""

from __future__ import annotations

import json
import re
import types
from pathlib import Path

import pytest

from crossgate import App, Artifact, Fabio, Gateway, TerraformStack
from tools import demo
from tools.toolbox import ROOT

STACK = ROOT / "stacks" / "gateway.py"
FABIO = Fabio(program=Artifact(url="https://mirror.example.org/fabio", sha256="0" * 64))


def switched(line: str, **names: object) -> types.ModuleType:
    """Return the example stack as it is when one line of it is another."""
    name, _, _ = line.partition(" ")
    text, found = re.subn(rf"^{name} = .*$", line, STACK.read_text(), flags=re.MULTILINE)
    assert found == 1
    module = types.ModuleType("switched")
    module.__dict__.update(names)
    exec(compile(text, STACK, "exec"), module.__dict__)  # noqa: S102  (the project's own stack)
    return module


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Where the JSON of the two-cloud gateway with Fabio is."""
    app = App(outdir=str(tmp_path))
    switched("BALANCER = FABIO", FABIO=FABIO).GatewayStack(app, "gateway")
    app.synth()
    return tmp_path / "stacks/gateway/cdk.tf.json"


def test_fabio_is_one_line(made):
    text = made.read_text()
    assert "fabio.properties" in text
    assert "urlprefix-gateway-gw-edge=:9000 proto=tcp" in text
    assert "haproxy.cfg" not in text


def test_fabio_is_one_key_of_the_file(made, tmp_path):
    said = json.loads((ROOT / "stacks" / "gateway.json").read_text())
    program = {"url": "https://mirror.example.org/fabio", "sha256": "0" * 64}
    said["balancer"] = {"type": "fabio", "program": program}
    file = tmp_path / "gateway.json"
    file.write_text(json.dumps(said))
    app = App(outdir=str(tmp_path / "from_file"))
    Gateway.from_file(TerraformStack(app, "gateway"), "gw", file)
    app.synth()
    other = tmp_path / "from_file/stacks/gateway/cdk.tf.json"
    assert json.loads(other.read_text()) == json.loads(made.read_text())


@pytest.mark.terraform
def test_the_providers_plan_it(made, tmp_path):
    folder = tmp_path / "planned"
    folder.mkdir()
    demo.initialize(folder, made)
    demo.validate(folder)
    planned = demo.plan(folder)
    assert {name.split(" ")[0] for name in planned.resources} >= {"aws", "nova"}
