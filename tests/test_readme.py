"""The smallest stack of the README runs as it stands there."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from crossgate import gateway_file
from tools.toolbox import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.mark.docs
def test_the_smallest_stack_synthesizes_as_it_stands(tmp_path):
    program = next(block for block in blocks("python") if "app.synth()" in block)
    (tmp_path / "main.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "main.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    made = json.loads((tmp_path / "cdktf.out/stacks/gateway/cdk.tf.json").read_text())
    assert len(made["resource"]["aws_autoscaling_group"]) == 3


def test_the_file_of_the_readme_is_right(tmp_path):
    (text,) = blocks("json")
    (tmp_path / "gateway.json").write_text(text)
    read = gateway_file.read(tmp_path / "gateway.json")
    assert list(read.clouds) == ["aws", "nova"]


def test_every_page_that_the_readme_names_is_there():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        if not link.startswith("http"):
            assert (ROOT / link).exists(), link
