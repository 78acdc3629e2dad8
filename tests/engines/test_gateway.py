"""`main.py` on each engine: one JSON, right by every provider's schema, and a quiet screen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.terraform.conformity import nonconforming, schemas
from tools.toolbox import ROOT

pytestmark = pytest.mark.terraform

ENGINES = ["cdktf", "cdktn"]
VERSIONS = {"cdktf": "0.21.", "cdktn": "0.24."}
MAIN = str(ROOT / "main.py")
IMPORTING_FIRST = f"import {{}}, runpy; runpy.run_path({MAIN!r}, run_name='__main__')"


def synthesized(folder: Path, *arguments: str, **variables: str) -> dict[str, Any]:
    """Run a program that says nothing, and return the JSON of the gateway."""
    left_out = ("CROSSGATE_", "CDKTF_", "JSII_", "NODE_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
    done = subprocess.run(
        [sys.executable, *arguments],
        env=inherited | {"PYTHONPATH": str(ROOT)} | variables,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    made: dict[str, Any] = json.loads(
        (folder / "cdktf.out" / "stacks" / "gateway" / "cdk.tf.json").read_text()
    )
    return made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Synthesize on each engine in turn, in one folder, so that no path differs."""
    folder = tmp_path_factory.mktemp("gateway")
    return {name: synthesized(folder, MAIN, CROSSGATE_ENGINE=name) for name in ENGINES}


@pytest.mark.parametrize("engine", ENGINES)
def test_the_engine_that_is_named_writes_it(made, engine):
    assert made[engine]["//"]["metadata"]["version"].startswith(VERSIONS[engine])


def test_but_for_its_version_each_engine_writes_the_same(made):
    def plain(engine: str) -> dict[str, Any]:
        whole: dict[str, Any] = json.loads(json.dumps(made[engine]))
        del whole["//"]["metadata"]["version"]
        return whole

    assert plain("cdktf") == plain("cdktn")


@pytest.mark.parametrize("engine", ENGINES)
def test_every_block_conforms_to_every_schema(made, engine):
    assert nonconforming(made[engine], schemas()) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_the_engine_that_the_app_imports_first_writes_it(made, engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    first = synthesized(folder, "-c", IMPORTING_FIRST.format(engine))
    assert first["//"]["metadata"]["version"].startswith(VERSIONS[engine])
    assert first["resource"] == made[engine]["resource"]
    assert first["locals"] == made[engine]["locals"]
