from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent.parent
ENGINES = ["cdktf", "cdktn"]

STACK = """
import sys
from crossgate.clouds.aws.bindings.network import Vpc
from crossgate.clouds.aws.bindings.provider import AwsProvider
from crossgate.terraform.app import App
from crossgate.terraform.engine import ENGINE, TerraformOutput, TerraformStack
app = App(outdir=sys.argv[1])
stack = TerraformStack(app, "test")
east = AwsProvider(stack, "aws", region="us-east-1", alias="east")
vpc = Vpc(stack, "vpc", cidr_block="10.0.0.0/16", provider=east)
Vpc(stack, "peer", cidr_block=vpc.cidr_block, tags=vpc.tags_all, provider=east, depends_on=[vpc])
TerraformOutput(stack, "both", value=[vpc.id, vpc.arn])
app.synth()
print(ENGINE)
"""


def run(code: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a Python of its own, without what the tests' own environment says."""
    left_out = ("CROSSGATE_", "JSII_", "NODE_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=inherited | {"PYTHONPATH": str(ROOT / "constructs")} | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine_writes_the_same_stack(engine: str, tmp_path: Path) -> None:
    done = run(STACK, str(tmp_path), CROSSGATE_ENGINE=engine)

    assert (done.stdout.strip(), done.stderr) == (engine, "")
    made = json.loads((tmp_path / "stacks" / "test" / "cdk.tf.json").read_text())
    for block in made["resource"]["aws_vpc"].values():
        del block["//"]
    assert made["resource"] == {
        "aws_vpc": {
            "vpc": {
                "cidr_block": "10.0.0.0/16",
                "provider": "aws.east",
            },
            "peer": {
                "cidr_block": "${aws_vpc.vpc.cidr_block}",
                "depends_on": ["aws_vpc.vpc"],
                "provider": "aws.east",
                "tags": "${aws_vpc.vpc.tags_all}",
            },
        }
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_the_engine_that_the_app_has_imported_wins(engine: str) -> None:
    other = ENGINES[1 - ENGINES.index(engine)]
    code = f"import {engine}\nfrom crossgate.terraform.engine import ENGINE\nprint(ENGINE)"

    assert run(code, CROSSGATE_ENGINE=other).stdout.strip() == engine


def test_cdktf_is_taken_where_nothing_else_is_said() -> None:
    code = "from crossgate.terraform.engine import ENGINE\nprint(ENGINE)"

    assert run(code).stdout.strip() == "cdktf"


def test_an_unknown_engine_is_refused() -> None:
    done = run("import crossgate.terraform.engine", CROSSGATE_ENGINE="pulumi")

    assert "ConfigError: CROSSGATE_ENGINE: names no engine\n  got:  'pulumi'" in done.stderr
    assert "want: cdktf or cdktn" in done.stderr


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "ConfigError: no engine is installed\n  want: cdktf or cdktn\n  do:   pip install"),
        (
            {"CROSSGATE_ENGINE": "cdktn"},
            "CROSSGATE_ENGINE: the engine is not installed\n  got:  'cdktn'",
        ),
    ],
)
def test_a_missing_engine_is_said_clearly(variables: dict[str, str], message: str) -> None:
    hide = """
import importlib.abc, sys
class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in {"cdktf", "cdktn"}:
            raise ModuleNotFoundError(name, name=name)
real = [f for f in sys.meta_path]
sys.meta_path.insert(0, Hidden())
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name in {"cdktf", "cdktn"} else found(name, *a)
import crossgate.terraform.engine
"""
    done = run(hide, **variables)

    assert message in done.stderr
