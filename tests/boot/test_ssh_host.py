"""The script of an SSH host, run by a real shell on records of its own."""

from __future__ import annotations

import subprocess

import pytest

from crossgate.boot.document import Command, Document, File, Unit
from crossgate.boot.ssh_host import host_script
from crossgate.boot.ssh_runtime import STATE
from crossgate.errors import ConfigError
from crossgate.model.text import Reference, Text
from tools.toolbox import program

SECRET = Reference("${local.secret}")


def rendered(document: Document, **more) -> str:
    return host_script(document, host="10.0.0.11", owner="test/api", **more).sample(8)


def staged(document: Document, tmp_path) -> dict[str, str]:
    """Return what the script writes down before it compares: path in the staging area to text."""
    text = rendered(document).replace(f"records={STATE}", f"records={tmp_path}")
    head, _, _ = text.partition("trap finish EXIT\n")
    run = f'{head}\nmkdir -p "$stage"\ndocument\n'
    done = subprocess.run(["/bin/sh"], input=run, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    stage = tmp_path / "stage"
    return {
        str(path.relative_to(stage)): path.read_bytes().decode()
        for path in stage.rglob("*")
        if path.is_file()
    }


def concerned(document: Document, tmp_path) -> dict[str, list[str]]:
    lines = staged(document, tmp_path).get("concerns", "").splitlines()
    return {line.split()[0]: line.split()[1:] for line in lines}


def test_shellcheck_finds_nothing(document):
    done = subprocess.run(
        [program("shellcheck"), "--norc", "-"],
        input=rendered(document, ports=[9190, 8301]),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stdout == ""


@pytest.mark.parametrize(
    "text",
    ["", "a", "a\n", "\n\n", "$HOME `id` \"x\" \\ 'y'\n", "%s %% ${x} %{y}", "é 😀\n", "-n", "\\c"],
)
def test_a_file_holds_what_was_written(text, tmp_path):
    made = staged(Document(label="a", files=[File("/a/b", text)]), tmp_path)
    assert made["parts/a/1"] == text


def test_a_file_holds_what_its_references_hold(tmp_path):
    text = Text.of('x "', SECRET, '" $y\n')
    made = staged(Document(label="a", files=[File("/a/b", text)]), tmp_path)
    assert made["parts/a/1"] == text.sample(8)


def test_mode_owner_and_path_are_written_down(tmp_path):
    document = Document(label="a", files=[File("/a/b", "x", mode=0o640, owner="root:api")])
    assert staged(document, tmp_path)["parts/a/files"] == "0640 root:api 1 /a/b\n"


def test_parts_of_one_label_are_one_part(tmp_path):
    document = Document.merge(
        Document(label="a", files=[File("/a", "1")]), Document(label="a", files=[File("/b", "2")])
    )
    assert staged(document, tmp_path)["order"] == "a\n"


def test_labels_that_would_be_one_name_stay_apart(tmp_path):
    document = Document.merge(
        Document(label="a b", files=[File("/a", "1")]),
        Document(label="a/b", files=[File("/b", "2")]),
    )
    assert len(staged(document, tmp_path)["order"].splitlines()) == 2


def test_a_unit_concerns_its_own_part_only(tmp_path):
    document = Document.merge(
        Document(label="one", units=[Unit("one.service", "1")]),
        Document(label="two", units=[Unit("two.service", "2 names one")]),
    )
    found = concerned(document, tmp_path)
    assert found == {"one.service": ["one"], "two.service": ["two"]}


def test_a_part_without_units_concerns_the_units_that_name_it(tmp_path):
    document = Document.merge(
        Document(label="tool", before=[Command("install tool 1.0")]),
        Document(label="one", units=[Unit("one.service", "ExecStart=/usr/bin/tool --x")]),
        Document(label="two", units=[Unit("two.service", "ExecStart=/usr/bin/tool-box")]),
    )
    found = concerned(document, tmp_path)
    assert found == {"one.service": ["tool", "one"], "two.service": ["two"]}


def test_a_drop_in_concerns_the_unit_that_it_extends(tmp_path):
    path = "/etc/systemd/system/haproxy.service.d/x.conf"
    made = staged(Document(label="a", files=[File(path, "[Service]\n")]), tmp_path)
    assert made["extends"] == "haproxy.service a\n"


def test_commands_are_kept_with_their_way_of_trying(tmp_path):
    document = Document(
        label="a",
        before=[Command("echo 'one'"), Command("curl x", retry=True)],
        leave=[Command("maint on")],
        rejoin=[Command("maint off")],
    )
    made = staged(document, tmp_path)
    assert made["parts/a/before"] == "echo 'one'\nretry curl x\n"
    assert (made["parts/a/leave"], made["parts/a/rejoin"]) == ("maint on\n", "maint off\n")


def test_a_word_that_is_no_mode_is_refused_with_the_host(tmp_path):
    text = rendered(Document(label="a")).replace(f"records={STATE}", f"records={tmp_path}")
    done = subprocess.run(
        ["/bin/sh", "-s", "upgrade"], input=text, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == "crossgate: 10.0.0.11: apply, check or remove?\n"


def test_what_parts_say_of_leaving_and_of_leftovers_is_merged():
    merged = Document.merge(
        Document(label="a", leave=[Command("a off")], makes=["/opt/a"]),
        Document(label="b", leave=[Command("b off")], rejoin=[Command("b on")], makes=["/opt/a"]),
    )
    assert [command.line for command in merged.leave] == ["a off", "b off"]
    assert [command.line for command in merged.rejoin] == ["b on"]
    assert merged.makes == ("/opt/a",)


@pytest.mark.parametrize("path", ["/opt", "opt/a", "/opt/../etc", "/"])
def test_a_leftover_is_a_path_below_a_folder(path):
    with pytest.raises(ConfigError, match="makes"):
        Document(label="a", makes=[path])
