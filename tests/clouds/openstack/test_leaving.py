"""How a member of a group leaves before Nova ends it; tests/lab has real ones leave a real Heat."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from importlib.resources import files as resources
from pathlib import Path

import pytest
import yaml

from crossgate import Command, Document, Healing
from crossgate.clouds.openstack import leaving
from crossgate.clouds.openstack.programs import heat_leaving
from crossgate.clouds.openstack.programs.heat_keeper import cluster, heat
from crossgate.model.text import Text
from tests.clouds.openstack.ids import by_ids, group_spec
from tests.clouds.openstack.test_group import template
from tests.clouds.openstack.test_keeper import WATCH

TEMPLATE = yaml.safe_load(
    resources("crossgate.clouds.openstack.templates").joinpath("member.yaml").read_text()
)
LEAVES = Document(label="work", packages=("curl",), leave=(Command("/usr/local/bin/leave"),))
GIVEN = {"watch": WATCH, "service": "api", "document": LEAVES, "drain": timedelta(seconds=30)}


def farewell(stack, synth, healing=Healing(), **changes):  # noqa: B008  (a value)
    cloud = by_ids(stack, healing=healing)
    cloud.group(stack, "group", group_spec(cloud, stack, **(GIVEN | changes)))
    member = template(synth())["resources"]["group"]["properties"]["resource"]
    return member["properties"]["resource"]["properties"]["farewell"]


def test_heat_waits_for_the_drain_and_until_it_is_heard(stack, synth):
    assert farewell(stack, synth) == 50


def test_where_nobody_tells_it_heat_does_not_wait(stack, synth):
    assert farewell(stack, synth, healing=None) == 0


def test_what_has_nothing_to_leave_is_not_waited_for(stack, synth):
    assert farewell(stack, synth, document=Document(label="idle", packages=("curl",))) == 0


def test_the_farewell_comes_before_the_server_and_at_the_end_alone():
    found = TEMPLATE["resources"]["leaving"]
    assert (found["type"], found["depends_on"]) == ("OS::Heat::Delay", "server")
    assert found["properties"]["actions"] == ["DELETE"]


def test_the_machine_hears_it_and_leaves_as_its_document_says():
    document = leaving.hearing(group_spec(**GIVEN)).document
    written = {file.path: str(Text.of(file.text)) for _, file in document.written()}
    assert "\n/usr/local/bin/leave\n" in written["/usr/local/lib/crossgate/heat-leave"]
    settings = json.loads(written["/etc/crossgate/leaving.json"])
    assert settings["watch"] == [*WATCH.program, "recall", "leaving"]
    assert "crossgate-leaving.service" in {unit.name for unit in document.units}


def test_without_a_keeper_no_machine_listens(stack):
    spec = group_spec(**GIVEN)
    given = [(Healing(auth_url="https://keystone"), True), (None, False)]
    for number, (healing, listens) in enumerate(given):
        cloud = by_ids(stack, f"nova-{number}", healing=healing)
        units = {unit.name for unit in cloud._speaking(spec).document.units}
        assert ("crossgate-leaving.service" in units) is listens


def resource(name, kind, parent, status="CREATE_COMPLETE", id="id"):
    return {
        "resource_name": name,
        "resource_type": kind,
        "parent_resource": parent,
        "resource_status": status,
        "physical_resource_id": id,
    }


@pytest.mark.parametrize(
    ("status", "goes"),
    [
        ("CREATE_COMPLETE", []),
        ("UPDATE_COMPLETE", []),
        ("DELETE_IN_PROGRESS", ["s-1"]),
        ("DELETE_COMPLETE", ["s-1"]),
    ],
)
def test_the_keeper_sees_who_is_to_go(status, goes):
    found = [
        resource("a", "OS::Heat::AutoScalingGroup", "group"),
        resource("one", "file:///assets/member.yaml", "a"),
        resource("server", "OS::Nova::Server", "one", id="s-1"),
        resource("leaving", "OS::Heat::Delay", "one", status),
        resource("two", "file:///assets/member.yaml", "a"),
        resource("server", "OS::Nova::Server", "two", id="s-2"),
        resource("leaving", "OS::Heat::Delay", "two"),
    ]
    assert heat.leaving(found) == goes


def test_a_machine_that_was_never_made_is_told_nothing():
    found = [
        resource("server", "OS::Nova::Server", "one", id=""),
        resource("leaving", "OS::Heat::Delay", "one", "DELETE_IN_PROGRESS"),
    ]
    assert heat.leaving(found) == []


def test_keeper_and_machines_mean_one_list():
    assert cluster.LEAVING == leaving.LIST


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "id").write_text("s-1\n")
    (tmp_path / "list").touch()
    (tmp_path / "leave").write_text(f"#!/bin/sh\necho left >{tmp_path}/done\n")
    (tmp_path / "leave").chmod(0o755)
    return {
        "instance": str(tmp_path / "id"),
        "leave": [str(tmp_path / "leave")],
        "watch": ["cat", str(tmp_path / "list")],
    }


@pytest.mark.parametrize(
    ("told", "due"), [("", False), ("[]", False), ('["s-2"]', False), ('["s-1", "s-2"]', True)]
)
def test_a_machine_is_to_go_when_it_is_on_the_list(settings, told, due):
    Path(settings["watch"][1]).write_text(told)
    assert heat_leaving.due(settings) is due


@pytest.mark.process
def test_the_program_leaves_when_it_hears_it_and_ends(settings, tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    settings_of = [sys.executable, heat_leaving.__file__, str(tmp_path / "settings.json")]
    Path(settings["watch"][1]).unlink()  # the cluster does not answer
    with subprocess.Popen(settings_of, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert "nobody says who is to go" in running.stdout.readline()
        assert not (tmp_path / "done").exists()
        Path(settings["watch"][1]).write_text('["s-1"]')
        assert running.wait(30) == 0
    assert (tmp_path / "done").read_text() == "left\n"
