"""How the engine's kernel is started: programs of their own, because each Python has one kernel."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import crossgate_node
from crossgate.terraform import ahead

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent.parent
ENGINES = ["cdktf", "cdktn"]
COUNT = """
import os, subprocess
def nodes():
    table = subprocess.run(["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True)
    rows = [line.split(None, 2) for line in table.stdout.splitlines()]
    below = {str(os.getpid())}
    for _ in range(3):
        below |= {pid for pid, parent, _ in rows if parent in below}
    return [args for pid, _, args in rows if pid in below and args.split()[0].endswith("/node")]
"""


def run(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a Python of its own, in an environment that says nothing of Node."""
    silent = {k: v for k, v in os.environ.items() if not k.startswith(("JSII_", "NODE_"))}
    return subprocess.run(
        [sys.executable, "-c", COUNT + code],
        env=silent | {"PYTHONPATH": str(ROOT / "constructs")} | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_one_node_runs_the_kernel(engine: str) -> None:
    done = run("import crossgate; print(len(nodes()))", CROSSGATE_ENGINE=engine)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_the_engine_alone_takes_two() -> None:
    done = run("import crossgate_node, cdktf; print(len(nodes()))")
    assert (done.stdout, done.stderr) == ("2\n", "")


def test_an_engine_that_is_imported_before_keeps_its_kernel() -> None:
    done = run("import cdktf; before = nodes(); import crossgate; print(nodes() == before)")
    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.parametrize("name", ["JSII_RUNTIME", "NODE_OPTIONS", "CROSSGATE_KERNEL"])
def test_nothing_of_it_stays_in_the_environment(name: str) -> None:
    done = run(f"import crossgate; print(os.environ.get({name!r}))")
    assert done.stdout == "None\n"


def test_options_of_the_user_stand() -> None:
    done = run(
        "import crossgate; print(len(nodes()), os.environ['NODE_OPTIONS'])",
        NODE_OPTIONS="--stack-trace-limit=7",
    )
    assert (done.stdout, done.stderr) == ("2 --stack-trace-limit=7\n", "")


def test_a_kernel_that_does_not_start_this_way_starts_the_usual_one() -> None:
    broken = """
real = subprocess.Popen
class Broken(real):
    def __init__(self, command, *more, **named):
        ours = str(command[-1]).endswith("kernel.js")
        super().__init__([command[0], "-e", ""] if ours else command, *more, **named)
subprocess.Popen = Broken
import crossgate
print(len(nodes()), crossgate.TerraformStack(crossgate.App(), "it").node.id)
"""
    assert run(broken).stdout == "2 it\n"


def test_what_goes_wrong_in_the_kernel_is_raised_in_python() -> None:
    done = run(
        "import crossgate; stack = crossgate.TerraformStack(crossgate.App(), 'it')\n"
        "crossgate.TerraformStack(stack.node.root, 'it')"
    )
    assert "There is already a Construct with name 'it'" in done.stderr


@pytest.mark.parametrize("collects", [True, False])
def test_the_garbage_collector_is_as_it_was(*, collects: bool) -> None:
    before = "" if collects else "import gc; gc.disable(); "
    done = run(f"{before}import crossgate, gc; print(gc.isenabled())")
    assert done.stdout == f"{collects}\n"


def test_the_launcher_keeps_messages_and_what_is_printed_apart(tmp_path: Path) -> None:
    crossgate_node.choose_node()
    program = tmp_path / "program.js"
    program.write_text(
        """
const fs = require("fs");
console.log("to the screen");
console.error("a complaint");
const asked = Buffer.alloc(64);
const length = fs.readSync(3, asked, 0, 64, null);
fs.writeSync(3, "answer to " + asked.toString("utf8", 0, length));
fs.writeSync(3, process.execArgv.includes("--preserve-symlinks") ? "linked\\n" : "copied\\n");
"""
    )
    done = subprocess.run(
        [os.environ["JSII_NODE"], ahead.LAUNCHER],
        env=os.environ | {"CROSSGATE_KERNEL": str(program)},
        input="a question\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "answer to a question\nlinked\n"
    printed = [json.loads(line) for line in done.stderr.splitlines()]
    assert [{name: base64.b64decode(text) for name, text in line.items()} for line in printed] == [
        {"stdout": b"to the screen\n"},
        {"stderr": b"a complaint\n"},
    ]
