"""A service on a real machine: systemd gives the program just what was written."""

from __future__ import annotations

import json

import pytest

from crossgate.boot.document import Document
from crossgate.boot.service import service_document
from crossgate.model.service import Limits, Service, ServiceFile
from crossgate.model.text import Reference, Text
from tests.live.conftest import network as network  # noqa: PLC0414  # a fixture is found by name
from tests.live.machine import Machine, until

pytestmark = [pytest.mark.live, pytest.mark.root]

SECRET = Reference("${local.secret}")
AWKWARD = [
    "", " ", "a b", "  lead and trail  ", "100%", "%n %% %h", "$HOME ${HOME} $$ $", "{{ x }}", ";",
    "a;b", "'", '"', "it's \"quoted\"", "\\", "\\n", "\\\\x41", "`id`", "a\nb", "\n", "tab\there",
    "#hash", "=", "é 😀 \u2028", "-", "*", "a\\\nb", "|&<>()", "~", "\\", "!",
]  # fmt: skip
HELD = 'p"a$s\\s`\nword'
DUMP = """
import json, os, resource, sys, time
with open(os.environ["STATE_DIRECTORY"] + "/new", "w") as out:
    json.dump({
        "arguments": sys.argv[1:],
        "environment": dict(os.environ),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "user": os.getuid(),
        "folder": os.getcwd(),
        "writable": os.access("/usr", os.W_OK) or os.access("/etc", os.W_OK),
    }, out)
os.rename(out.name, os.environ["STATE_DIRECTORY"] + "/out.json")
time.sleep(600)
"""
DUMPER = Service(
    name="dumper",
    port=7000,
    files=[ServiceFile("/srv/dumper/dump.py", DUMP)],
    command=["/usr/bin/python3", "/srv/dumper/dump.py", *AWKWARD, "a\rb\x1b\x7f"],
    environment={f"V{n}": text for n, text in enumerate(AWKWARD)}
    | {"SECRET": Text.of("user:", SECRET)},
    limits=Limits(files=4321),
)


@pytest.fixture(scope="module")
def machine(network, tmp_path_factory):
    document = Document.merge(service_document(DUMPER))
    known = {SECRET: HELD}
    folder = tmp_path_factory.mktemp("machines")
    with Machine(
        network, folder, "dumper", "10.71.0.71", document, programs={}, known=known
    ) as machine:
        yield machine


@pytest.fixture(scope="module")
def found(machine):
    def read():
        try:
            return json.loads(machine.read("/var/lib/dumper/out.json"))
        except FileNotFoundError:
            return None

    return until(read, seconds=20, what="the service ran")


def test_arguments_arrive_as_they_were_written(found):
    assert found["arguments"] == [*AWKWARD, "a\rb\x1b\x7f"]


def test_variables_arrive_as_they_were_written(found):
    arrived = [found["environment"].get(f"V{n}") for n in range(len(AWKWARD))]
    assert arrived == AWKWARD


def test_a_secret_arrives_whatever_it_holds(found):
    assert found["environment"]["SECRET"] == "user:" + HELD


def test_it_runs_as_a_user_of_its_own_that_can_write_only_its_state(found):
    assert found["user"] != 0
    assert found["folder"] == "/var/lib/dumper"
    assert not found["writable"]


def test_the_limit_of_open_files_holds(found):
    assert found["files"] == 4321


def test_others_cannot_read_the_environment(machine, found):
    shown = machine.run("stat", "--format=%a %U:%G", "/etc/crossgate/dumper.env")
    assert shown == "600 root:root\n"


def test_the_files_of_the_service_belong_to_its_group(machine, found):
    shown = machine.run("stat", "--format=%a %U:%G", "/srv/dumper/dump.py")
    assert shown == "640 root:dumper\n"


def test_a_service_that_is_killed_is_back_after_two_seconds(machine, found):
    machine.run("systemctl", "kill", "--signal=KILL", "dumper.service")
    until(
        lambda: machine.run("systemctl", "show", "--value", "-p", "NRestarts", "dumper") == "1\n",
        seconds=10,
        what="it is started again",
    )


def test_the_boot_script_may_run_again(machine, found):
    machine.run("sh", "/var/lib/crossgate/boot.sh")
    assert machine.run("systemctl", "is-enabled", "dumper.service") == "enabled\n"
