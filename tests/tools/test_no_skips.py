"""The pytest plug-in that lets nothing be skipped in CI."""

import os
import subprocess
import sys

import pytest

from tools.toolbox import ROOT

pytestmark = pytest.mark.process

SKIPPING = """
import pytest

@pytest.mark.skip(reason="no time")
def test_skipped():
    raise AssertionError

@pytest.mark.xfail(reason="known")
def test_expected_to_fail():
    raise AssertionError

def test_passing():
    pass
"""
SKIPPING_WHOLE = "import pytest\npytest.skip('nothing here', allow_module_level=True)\n"


def run(folder, text, **environment):
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    plain = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tools.no_skips", "-p", "no:cacheprovider"],
        cwd=folder,
        env=plain | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_skipped_test_fails_in_ci(tmp_path):
    done = run(tmp_path, SKIPPING, CI="true")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 passed, 1 xfailed, 1 error" in done.stdout
    assert "Nothing may be skipped in CI" in done.stdout
    assert "no time" in done.stdout


def test_a_skipped_module_fails_in_ci(tmp_path):
    done = run(tmp_path, SKIPPING_WHOLE, CI="true")
    assert done.returncode == pytest.ExitCode.INTERRUPTED
    assert "nothing here" in done.stdout


def test_a_skip_is_a_skip_elsewhere(tmp_path):
    done = run(tmp_path, SKIPPING)
    assert done.returncode == pytest.ExitCode.OK
    assert "1 passed, 1 skipped, 1 xfailed" in done.stdout
