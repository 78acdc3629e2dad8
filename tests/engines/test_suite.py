"""The tests that depend on the engine, run on the engine that this run is not on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from crossgate.terraform.engine import ENGINE
from tools.toolbox import ROOT

pytestmark = pytest.mark.terraform

(OTHER,) = {"cdktf", "cdktn"} - {ENGINE}
TESTS = ROOT / "tests"
# Pure Python, the tools' own, or Terraform's: there the engine changes nothing.
ENGINE_FREE = {"boot", "deploy", "elsewhere", "lab", "live", "model", "schemas", "tools", "typing"}
ALSO_FREE = {"test_crossgate_node.py", "test_layout.py", "test_readme.py"}
QUICK = "not terraform and not live and not root and not lab and not process and not docs"
LEAST = 400


def dependent() -> list[Path]:
    """Return the folders and files whose tests depend on the engine, new ones included."""
    folders = [path for path in sorted(TESTS.iterdir()) if any(path.rglob("test_*.py"))]
    files = sorted(TESTS.glob("test_*.py"))
    return [path for path in (*folders, *files) if path.name not in ENGINE_FREE | ALSO_FREE]


def test_all_pass_on_the_other_engine_and_none_is_skipped(tmp_path):
    report = tmp_path / "report.xml"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-m", QUICK, "-p", "no:cacheprovider"),
            *("--junitxml", report, *dependent()),
        ],
        env=os.environ | {"CROSSGATE_ENGINE": OTHER},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr
    cases = ET.parse(report).getroot().findall(".//testcase")  # noqa: S314  # pytest wrote it
    outcomes = Counter(case[0].tag if len(case) else "passed" for case in cases)
    assert set(outcomes) == {"passed"}, outcomes
    assert outcomes["passed"] > LEAST
    assert "tests.engines.test_chosen" in {case.get("classname") for case in cases}
