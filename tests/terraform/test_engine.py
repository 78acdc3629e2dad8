from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crossgate.errors import ConfigError
from crossgate.terraform.engine import ENGINE, Construct, TerraformStack, claim, stack_of

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


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine != ENGINE])
def test_resources_and_checks_pass_on_the_engine_that_this_run_has_not(engine: str) -> None:
    asked = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    names = ["test_resource.py", "test_checks.py", "test_ledger.py"]
    done = subprocess.run(
        [*asked, *(f"tests/terraform/{name}" for name in names)],
        env=os.environ | {"CROSSGATE_ENGINE": engine},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " skipped" not in done.stdout


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


def test_a_claim_returns_the_path(stack: TerraformStack) -> None:
    assert claim(stack, "it") == "test/it"
    assert claim(Construct(stack, "group"), "it") == "test/group/it"


def test_a_claim_of_a_taken_id_is_refused(stack: TerraformStack) -> None:
    Construct(stack, "it")

    with pytest.raises(ConfigError) as refused:
        claim(stack, "it")
    assert str(refused.value) == (
        "test/it: the id is taken\n  got:  'it'\n"
        "  want: an id that no other child of test has\n"
        "  do:   give one of the two constructs another id"
    )


def test_the_stack_of_a_construct_is_the_nearest_above_it(stack: TerraformStack) -> None:
    assert stack_of(Construct(Construct(stack, "a"), "b")) is stack
    assert stack_of(stack) is stack
