"""What servers that take snapshots are given, and in which clouds they take them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from crossgate import (
    ConfigError,
    Consul,
    ConsulServers,
    Gateway,
    Host,
    InHouse,
    Listener,
    NullCloud,
    Snapshots,
)
from crossgate.discovery.consul.snapshots import RESTORE, snapshot_document
from crossgate.gateway import GroupPlan
from crossgate.model.text import Reference, Text
from crossgate.specs import MachinesSpec
from tests.boot.programs import assert_accepted
from tests.contract.conftest import HOST_KEY

KEY = Reference("${random_bytes.snapshots.base64}")
SETTINGS = "/etc/crossgate/consul-snapshot.json"


def document(snapshots=None, *, each=False):
    store = ("/usr/bin/python3", "/opt/store.py", "/etc/store.json")
    return snapshot_document(snapshots or Snapshots(), key=KEY, store=store, each=each)


def files(document):
    return {file.path: file for _, file in document.written()}


def units(document):
    return {unit.name: unit for unit in document.units}


@pytest.mark.root
def test_the_programs_that_read_it_accept_it(tmp_path):
    assert_accepted(document(), tmp_path)


def test_a_timer_starts_it_and_nothing_else_does():
    made = units(document(Snapshots(every=timedelta(minutes=30))))
    assert "OnUnitActiveSec=1800\n" in made["crossgate-snapshot.timer"].text
    assert made["crossgate-snapshot.timer"].enable
    assert not made["crossgate-snapshot.service"].enable


def test_it_is_bounded_in_time_memory_and_size():
    text = units(document())["crossgate-snapshot.service"].text
    assert {"TimeoutStartSec=600", "MemoryMax=1G", "LimitFSIZE=128M"} <= set(text.split())


def test_only_root_reads_the_key_and_it_is_a_reference():
    holding = [f for f in files(document()).values() if KEY in Text.of(f.text).references()]
    assert [(f.path, f.mode, f.owner) for f in holding] == [
        ("/etc/crossgate/consul-snapshot.key", 0o600, "root:root")
    ]


def test_it_knows_how_long_each_is_kept():
    settings = json.loads(files(document(Snapshots(keep=timedelta(days=3))))[SETTINGS].text)
    assert settings["keep"] == 3 * 24 * 3600


def test_a_person_finds_the_way_back_on_every_server():
    file = files(document())[RESTORE]
    assert file.mode == 0o755
    assert "consul_snapshot.py /etc/crossgate/consul-snapshot.json restore" in file.text


def test_kept_for_less_time_than_lies_between_two_is_refused():
    with pytest.raises(ConfigError, match="less time than lies between two"):
        Snapshots(every=timedelta(hours=2), keep=timedelta(hours=1))


def test_more_than_every_five_minutes_is_refused():
    with pytest.raises(ConfigError, match="Snapshots: every"):
        Snapshots(every=timedelta(minutes=4))


# Where


@pytest.fixture
def here(stack):
    return NullCloud(stack, "here", network="10.20.0.0/16")


def rack(stack):
    hosts = [Host(f"10.40.0.{n}", cpu=4, memory=8, host_key=HOST_KEY) for n in range(11, 20)]
    return InHouse(stack, "rack", hosts=hosts, user="deploy")


def spec_of(cloud):
    return next(spec for spec in cloud.asked if isinstance(spec, MachinesSpec))


def scripts(made):
    found = [text for text in made["locals"].values() if text.startswith("#!/bin/sh")]
    return [text.replace('\\"', '"') for text in found]


def test_in_a_cloud_whose_disks_go_with_the_machines_none_is_taken_unless_asked(stack, here):
    ConsulServers(stack, "consul", clouds=[here])
    assert spec_of(here).archive is None
    assert SETTINGS not in files(spec_of(here).document)


def test_in_house_they_are_taken_unless_said_otherwise(stack, synth):
    ConsulServers(stack, "consul", clouds=[rack(stack)])
    taking = [text for text in scripts(synth()) if "consul_snapshot.py" in text]
    assert len(taking) == 3
    assert all('"own": true' in text and '"each": true' in text for text in taking)


def test_in_house_too_none_is_none(stack, synth):
    ConsulServers(stack, "consul", clouds=[rack(stack)], snapshots=None)
    assert not [text for text in scripts(synth()) if "consul_snapshot.py" in text]


def test_in_a_folder_that_all_share_the_leader_alone_keeps_them(stack, synth):
    there = Snapshots(to="/mnt/backup/consul")
    ConsulServers(stack, "consul", clouds=[rack(stack)], snapshots=there)
    (text, *_) = [text for text in scripts(synth()) if "consul_snapshot.py" in text]
    assert '"folder": "/mnt/backup/consul", "own": false' in text
    assert '"each": false' in text


@pytest.mark.parametrize("to", ["backup", "/home/x/copies", "/usr/copies", "/mnt/../etc", "/a b"])
def test_a_folder_that_is_no_place_for_them_is_refused(stack, to):
    with pytest.raises(ConfigError, match="is no folder for snapshots"):
        ConsulServers(stack, "consul", clouds=[rack(stack)], snapshots=Snapshots(to=to))


def test_a_cloud_is_told_whose_they_are_and_how_long_they_are_kept(stack, here):
    kept = Snapshots(keep=timedelta(days=2), to="bucket")
    ConsulServers(stack, "consul", clouds=[here], snapshots=kept)
    archive = spec_of(here).archive
    assert (archive.name, archive.keep, archive.to) == (
        "test-consul",
        timedelta(days=2),
        "bucket",
    )


def test_each_cloud_may_have_its_own(stack, here):
    other = NullCloud(stack, "other", network="10.30.0.0/16")
    ConsulServers(stack, "consul", clouds=[here, other], snapshots={here: Snapshots()})
    assert spec_of(here).archive is not None
    assert spec_of(other).archive is None


def test_the_key_is_made_by_terraform_for_each_cloud(stack, here, synth):
    ConsulServers(stack, "consul", clouds=[here], snapshots=Snapshots())
    made = synth()["resource"]["random_bytes"]
    assert sorted(one["length"] for one in made.values()) == [32, 32]  # gossip's, and this one


def test_or_it_is_a_variable_of_ones_own(stack, here, synth):
    ConsulServers(stack, "consul", clouds=[here], snapshots=Snapshots(key_variable="snap_key"))
    made = synth()
    assert made["variable"]["snap_key"] == {"type": "string", "sensitive": True}
    assert len(made["resource"]["random_bytes"]) == 1
    key = files(spec_of(here).document)["/etc/crossgate/consul-snapshot.key"]
    assert "${var.snap_key}" in [one.token for one in Text.of(key.text).references()]


def test_something_else_is_refused_in_our_words(stack, here):
    with pytest.raises(ConfigError, match=r"snapshots is of .*\n.*True\n.*Snapshots\(every="):
        ConsulServers(stack, "consul", clouds=[here], snapshots=True)


def test_a_plan_names_its_clouds(stack, here, api):
    plan = Consul(snapshots={"mars": Snapshots()})
    with pytest.raises(ConfigError, match=r"is no cloud of this gateway\n.*'mars'\n.*here"):
        Gateway(
            stack,
            "gw",
            clouds=[here],
            services=[GroupPlan(service=api)],
            listeners=[Listener(port=9000, to=api)],
            discovery=plan,
        )


def test_a_plan_has_them_taken(stack, here, api):
    Gateway(
        stack,
        "gw",
        clouds=[here],
        services=[GroupPlan(service=api)],
        listeners=[Listener(port=9000, to=api)],
        discovery=Consul(snapshots={"here": Snapshots()}),
    )
    assert spec_of(here).archive.name == "test-gw-discovery"
