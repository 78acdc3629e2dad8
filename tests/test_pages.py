"""The examples of docs/groups and of pages like them synthesize, going on from the README's."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tools.toolbox import ROOT

PAGES = [
    *sorted((ROOT / "docs" / "groups").glob("*.md")),
    ROOT / "docs" / "checks.md",
    ROOT / "docs" / "listeners.md",
    ROOT / "docs" / "snapshots.md",
    ROOT / "docs" / "spill-over.md",
    ROOT / "docs" / "watching.md",
]
IMPORTS = "from datetime import time, timedelta\nfrom crossgate import *\n"


def python(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.docs
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_synthesize(page, tmp_path):
    (smallest,) = (
        block
        for block in python((ROOT / "README.md").read_text(encoding="utf-8"))
        if "app.synth()" in block
    )
    examples = python(page.read_text(encoding="utf-8"))
    assert examples
    program = IMPORTS + smallest.replace("app.synth()", "\n".join([*examples, "app.synth()"]))
    (tmp_path / "main.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "main.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    made = json.loads((tmp_path / "cdktf.out/stacks/gateway/cdk.tf.json").read_text())
    groups = ("aws_autoscaling_group", "openstack_orchestration_stack_v1")
    assert sum(len(made["resource"].get(kind, {})) for kind in groups) > 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_page_that_a_page_names_is_there(page):
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link
