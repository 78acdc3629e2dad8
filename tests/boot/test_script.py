"""The boot script: run by a real shell, it stops loudly at the first thing that fails."""

from __future__ import annotations

import subprocess

import pytest

from crossgate.boot.document import Command, Document, File, Unit
from crossgate.boot.script import boot_script


def run(document: Document) -> subprocess.CompletedProcess[str]:
    text = boot_script(document).sample()
    return subprocess.run(["/bin/sh"], input=text, check=False, capture_output=True, text=True)


def commands(*lines: str) -> Document:
    return Document(label="a", before=[Command(line) for line in lines])


def test_commands_run_in_order_and_the_end_is_said():
    done = run(commands("echo one", "echo two"))
    assert done.returncode == 0
    assert done.stdout.split("\n")[-4:] == [
        "crossgate: command 2 of 2 before units start", "two", "crossgate: done", "",
    ]  # fmt: skip


def test_stops_at_the_first_failure_and_says_where():
    done = run(commands("echo one", "(exit 7)", "echo three"))
    assert done.returncode == 7
    assert "three" not in done.stdout
    assert "boot failed at: command 2 of 3 before units start (exit status 7)" in done.stderr


def test_stops_at_a_variable_that_is_not_set():
    done = run(commands('echo "$nobody_set_this"'))
    assert done.returncode != 0
    assert "boot failed at: command 1 of 1" in done.stderr


def test_a_step_that_needs_the_network_is_tried_again(tmp_path):
    # The first try makes the folder and fails, the second one finds it.
    line = f"sh -c 'test -d {tmp_path}/there || {{ mkdir {tmp_path}/there; exit 1; }}'"
    done = run(Document(label="a", before=[Command(line, retry=True)]))
    assert done.returncode == 0
    assert "failed, again in 1 s" in done.stderr


@pytest.mark.root
def test_packages_that_are_there_need_no_network():
    done = run(Document(label="a", packages=["dpkg", "coreutils"]))
    assert done.returncode == 0
    assert "apt" not in done.stderr
    assert done.stdout.split("\n")[0] == "crossgate: packages dpkg coreutils"


def test_units_are_enabled_and_started_in_one_go():
    document = Document(
        label="a",
        units=[Unit("a.service", "x"), Unit("b.service"), Unit("c.timer", "x", enable=False)],
    )
    text = boot_script(document).sample()
    assert "\nsystemctl --quiet enable a.service b.service\n" in text
    assert "\nsystemctl --no-block restart a.service b.service\n" in text


def test_things_happen_in_the_order_that_the_document_promises(everything):
    text = boot_script(everything).sample()
    steps = [line for line in text.split("\n") if line.startswith("begin ")]
    kinds = [" ".join(step.split()[1:2] + step.split()[5:6]) for step in steps]
    order = [kind.split()[0] + (" after" if kind.endswith(" after") else "") for kind in kinds]
    assert list(dict.fromkeys(order)) == [
        "packages", "users", "owners", "command", "units", "command after", '"done"',
    ]  # fmt: skip


def test_an_owner_is_set_once_the_users_are_there():
    document = Document(label="a", files=[File("/a", "x", mode=0o640, owner="root:api")])
    assert "\nown root:api 0640 /a\n" in boot_script(document).sample()
