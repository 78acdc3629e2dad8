"""What the servers' snapshot program does; the drill is made with real Consul servers."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgate.clouds.aws.programs import s3_store
from crossgate.clouds.inhouse.programs import folder_store
from crossgate.discovery.consul.programs import consul_snapshot
from crossgate.discovery.consul.programs.consul_snapshot import (
    AT_ONCE,
    LAST,
    Refused,
    name_of,
    newest_first,
    outdated,
    taken_at,
)
from lab.aws import Emulator
from tests.discovery.consul.cluster import Cluster
from tests.live.machine import until
from tools import toolbox

HOUR, DAY = 3600, 24 * 3600
NOW = 1_795_000_000
KEY = base64.b64encode(bytes(range(32))).decode()
DEBIANS_PYTHON = "/usr/bin/python3"


def taken(*ages):
    return [name_of(NOW - age, 7) for age in ages]


def test_what_is_younger_than_its_time_is_kept():
    assert outdated(taken(0, HOUR, DAY, 13 * DAY, 13.9 * DAY), 14 * DAY, NOW) == []


def test_what_is_older_goes():
    names = taken(0, HOUR, 2 * HOUR, 15 * DAY, 20 * DAY)
    assert outdated(names, 14 * DAY, NOW) == taken(20 * DAY, 15 * DAY)


def test_the_last_ones_stay_however_old_they_are():
    names = taken(100 * DAY, 101 * DAY, 102 * DAY, 103 * DAY)
    assert outdated(names, 14 * DAY, NOW) == taken(103 * DAY)


def test_what_is_no_snapshot_is_never_dropped():
    others = ["notes.txt", "consul-20261340T000000Z-1.snap.fernet", "consul-1.snap"]
    assert newest_first(others) == []
    assert outdated([*others, *taken(0, 1, 2)], 0, NOW + 99 * DAY) == []


def test_a_clock_that_is_years_ahead_does_not_drop_all_at_once():
    names = taken(*(n * HOUR for n in range(300)))
    assert len(outdated(names, 14 * DAY, NOW + 1000 * DAY)) == AT_ONCE


@given(st.lists(st.integers(0, 400 * DAY), max_size=60), st.integers(0, 400 * DAY))
def test_the_newest_are_always_among_what_is_kept(ages, keep):
    names = list(dict.fromkeys(taken(*ages)))
    left = set(names) - set(outdated(names, keep, NOW))
    assert set(newest_first(names)[:LAST]) <= left


@given(st.integers(0, 4_000_000_000), st.integers(0, 2**63))
def test_a_name_tells_when_it_was_taken(at, index):
    assert taken_at(name_of(at, index)) == at


# The folder


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "copies").mkdir()
    return tmp_path / "copies"


@pytest.fixture
def keeps(tmp_path, folder):
    settings = tmp_path / "archive.json"
    settings.write_text(json.dumps({"folder": str(folder), "own": False}))
    return lambda *words: folder_store.main([str(settings), *words])


def test_what_was_put_comes_back(tmp_path, keeps):
    (tmp_path / "one").write_bytes(b"\0one")
    keeps("put", "a.snap", str(tmp_path / "one"))
    keeps("get", "a.snap", str(tmp_path / "other"))
    assert (tmp_path / "other").read_bytes() == b"\0one"
    assert keeps("list") == "a.snap\n"


def test_only_root_reads_a_copy(tmp_path, keeps, folder):
    (tmp_path / "one").write_bytes(b"one")
    keeps("put", "a.snap", str(tmp_path / "one"))
    assert stat.S_IMODE((folder / "a.snap").stat().st_mode) == 0o600


def test_a_copy_that_was_cut_short_is_not_listed(keeps, folder):
    (folder / "a.snap.part").write_bytes(b"on")
    assert keeps("list") == ""


def test_what_is_dropped_is_gone(tmp_path, keeps):
    (tmp_path / "one").write_bytes(b"one")
    keeps("put", "a.snap", str(tmp_path / "one"))
    keeps("drop", "a.snap")
    assert keeps("list") == ""


def test_a_named_folder_that_is_not_mounted_is_not_made(keeps, folder):
    folder.rmdir()
    with pytest.raises(SystemExit, match="is not there: mount it"):
        keeps("list")
    assert not folder.exists()


# The drill


class Server:
    """One server's program, as its timer starts it: by Debian's Python, in a process of its own."""

    def __init__(self, place: Path, address: str, copies: Path, **more: object) -> None:
        place.mkdir()
        self.place = place
        (place / "key").write_text(KEY + "\n")
        (place / "archive.json").write_text(json.dumps({"folder": str(copies), "own": False}))
        store = [DEBIANS_PYTHON, folder_store.__file__, place / "archive.json"]
        settings = {
            "agent": address,
            "consul": toolbox.program("consul"),
            "each": False,
            "folder": str(place),
            "keep": 14 * DAY,
            "key": str(place / "key"),
            "store": store,
            "token": str(place / "token"),
        }
        (place / "settings.json").write_text(json.dumps(settings | more, default=str))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [DEBIANS_PYTHON, consul_snapshot.__file__, str(self.place / "settings.json")]
        return subprocess.run(
            [*command, *words], env=os.environ | {"PATH": "/usr/bin:/bin"},
            check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    @property
    def metrics(self) -> dict[str, float]:
        lines = (self.place / "metrics.prom").read_text().splitlines()
        return {
            name.removeprefix("crossgate_snapshot_"): float(number)
            for name, number in (line.split() for line in lines)
        }


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def servers(tmp_path, cluster, folder):
    return [
        Server(tmp_path / f"server-{number}", address, folder)
        for number, address in enumerate(cluster.addresses)
    ]


def write(cluster, count=200):
    for number in range(count):
        cluster.ask(f"/kv/drill/{number}", f"value {number}".encode())
    return cluster.written()


@pytest.mark.live
def test_only_the_leader_takes_one(cluster, servers, folder):
    said = [server.run("save") for server in servers]
    leader = cluster.leader()
    assert [done.returncode for done in said] == [0, 0, 0], said
    assert [number for number, done in enumerate(said) if "kept " in done.stdout] == [leader]
    assert [server.metrics["takes"] for server in servers] == [n == leader for n in range(3)]
    assert len(list(folder.iterdir())) == 1


def dead_machine(cluster):
    """Have the catalogue know a machine that was alive then, as its agent would have told it."""
    node = {"Node": "api-1", "ID": "0f0f0f0f-0000-4000-8000-000000000001", "Address": "10.0.0.9"}
    serf = {"Node": "api-1", "CheckID": "serfHealth", "Name": "alive", "Status": "passing"}
    told = {**node, "Service": {"Service": "api", "Port": 9190}, "Check": serf}
    cluster.ask("/catalog/register", json.dumps(told).encode())


def nodes(cluster):
    return {one["Node"]: one["ID"] for one in json.loads(cluster.ask("/catalog/nodes"))}


@pytest.mark.live
def test_the_drill_all_is_lost_and_all_comes_back(cluster, servers):
    before = write(cluster)
    dead_machine(cluster)
    done = servers[cluster.leader()].run("save")
    assert done.returncode == 0, done.stderr
    cluster.wipe()
    cluster.start()
    assert cluster.written() == {}
    until(lambda: len(nodes(cluster)) == 3, seconds=60, what="the new servers are known")
    alive = nodes(cluster)
    # Any server brings it back.
    done = servers[0].run("restore", "--yes")
    assert done.returncode == 0, done.stderr
    assert cluster.written() == before
    assert len(before) == 200
    # The servers have their old names and new ids, and the machine is no more.
    until(lambda: nodes(cluster) == alive, seconds=120, what="who is alive is known again")


@pytest.mark.live
def test_by_way_of_a_bucket_it_comes_back_too(cluster, tmp_path, monkeypatch):
    before = write(cluster, 3)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with Emulator(tmp_path / "moto") as emulator:
        s3 = emulator.account.client("s3")
        s3.create_bucket(Bucket="backups")
        place = {"bucket": "backups", "prefix": "test-consul/aws/", "region": "us-east-1"}
        settings = tmp_path / "s3.json"
        settings.write_text(json.dumps(place | {"endpoint": emulator.account.url}))
        store = [DEBIANS_PYTHON, s3_store.__file__, settings]
        leader = cluster.addresses[cluster.leader()]
        server = Server(tmp_path / "server", leader, tmp_path, store=store)
        assert "kept " in server.run("save").stdout
        (kept,) = s3.list_objects_v2(Bucket="backups")["Contents"]
        assert kept["Key"].startswith("test-consul/aws/consul-")
        cluster.ask("/kv/drill/0", b"overwritten")
        done = server.run("restore", "--yes")
    assert done.returncode == 0, done.stderr
    assert cluster.written() == before


@pytest.mark.live
def test_what_a_restore_replaces_can_be_brought_back(cluster, servers, tmp_path):
    write(cluster, 3)
    servers[cluster.leader()].run("save")
    cluster.ask("/kv/drill/later", b"later")
    later = cluster.written()
    done = servers[0].run("restore", "--yes")
    assert "drill/later" not in cluster.written()
    saved = done.stdout.partition("is in ")[2].partition(",")[0]
    assert stat.S_IMODE(Path(saved).stat().st_mode) == 0o600
    command = [
        toolbox.program("consul"),
        "snapshot",
        "restore",
        f"-http-addr={cluster.addresses[0]}",
    ]
    subprocess.run([*command, saved], check=True, capture_output=True)
    assert cluster.written() == later


@pytest.mark.live
def test_another_key_is_refused_and_nothing_is_changed(cluster, servers, tmp_path):
    write(cluster, 3)
    servers[cluster.leader()].run("save")
    cluster.ask("/kv/drill/since", b"since")
    now = cluster.written()
    (tmp_path / "other").write_text(base64.b64encode(bytes(32)).decode())
    done = servers[0].run("restore", "--yes", "--key", str(tmp_path / "other"))
    assert done.returncode == 1
    assert "encrypted with another key; nothing is changed" in done.stderr
    assert cluster.written() == now


def cut(text: bytes) -> bytes:
    return text[: len(text) // 2]


def flipped(text: bytes) -> bytes:
    middle = len(text) // 2
    return (
        text[:middle] + (b"B" if text[middle : middle + 1] == b"A" else b"A") + text[middle + 1 :]
    )


@pytest.mark.live
@pytest.mark.parametrize("harm", [cut, flipped, lambda text: b""])
def test_a_harmed_snapshot_is_refused_and_nothing_is_changed(cluster, servers, folder, harm):
    write(cluster, 3)
    servers[cluster.leader()].run("save")
    cluster.ask("/kv/drill/since", b"since")
    now = cluster.written()
    (kept,) = folder.iterdir()
    kept.write_bytes(harm(kept.read_bytes()))
    done = servers[0].run("restore", "--yes")
    assert done.returncode == 1
    assert "it is not whole" in done.stderr
    assert cluster.written() == now


@pytest.mark.live
def test_nobody_who_answers_means_no(cluster, servers):
    servers[cluster.leader()].run("save")
    done = servers[0].run("restore")
    assert done.returncode == 1
    assert "replaces all that Consul holds" in done.stdout


@pytest.mark.live
def test_what_is_kept_shows_nothing_of_what_is_in_it(cluster, servers, folder):
    cluster.ask("/kv/drill/secret", b"correct-horse-battery-staple")
    servers[cluster.leader()].run("save")
    (kept,) = folder.iterdir()
    assert kept.read_bytes().startswith(b"gAAAA")  # a Fernet token
    assert b"SHA256SUMS" not in base64.urlsafe_b64decode(kept.read_bytes())


@pytest.mark.live
def test_old_ones_go_after_a_new_one_is_kept(cluster, servers, folder):
    old = [name_of(time.time() - age * DAY, 1) for age in (15, 16, 17, 18)]
    for name in old:
        (folder / name).write_bytes(b"")
    server = servers[cluster.leader()]
    done = server.run("save")
    # The new one and two others are the last three.
    assert sorted(name for name in old if (folder / name).exists()) == sorted(old[:2])
    assert f"dropped {old[3]}, {old[2]}" in done.stdout
    assert server.metrics["kept"] == 3


@pytest.mark.live
def test_the_list_is_newest_first(cluster, servers, folder):
    (folder / name_of(1_000_000_000, 5)).write_bytes(b"")
    servers[cluster.leader()].run("save")
    first, second = servers[0].run("list").stdout.split()
    assert taken_at(first) > taken_at(second)


@pytest.mark.live
def test_a_server_with_a_folder_of_its_own_takes_one_though_it_does_not_lead(
    cluster, tmp_path, folder
):
    follower = (cluster.leader() + 1) % 3
    server = Server(tmp_path / "own", cluster.addresses[follower], folder, each=True)
    assert "kept " in server.run("save").stdout


@pytest.mark.live
def test_a_place_that_takes_nothing_is_said_and_shown(cluster, servers, folder):
    folder.rmdir()
    server = servers[cluster.leader()]
    done = server.run("save")
    assert done.returncode == 1
    assert "is not there: mount it" in done.stderr
    assert server.metrics["failed"] == 1
    assert "last_success_seconds" not in server.metrics


@pytest.mark.live
def test_the_figures_of_the_last_success_outlive_a_failure(cluster, servers, folder):
    server = servers[cluster.leader()]
    server.run("save")
    before = server.metrics["last_success_seconds"]
    for one in folder.iterdir():
        one.unlink()
    folder.rmdir()
    server.run("save")
    assert server.metrics["last_success_seconds"] == before
    assert time.time() - before < 60


@pytest.mark.live
def test_without_a_leader_it_says_so(tmp_path, cluster, folder):
    cluster.stop()
    try:
        done = Server(tmp_path / "alone", cluster.addresses[0], folder).run("save")
    finally:
        cluster.start()
    assert done.returncode == 1
    assert "Consul's agent does not answer" in done.stderr


def test_a_disk_that_is_nearly_full_is_left_to_consul(tmp_path, monkeypatch):
    monkeypatch.setattr(consul_snapshot, "_FREE", 2**60)
    Server(tmp_path / "full", "http://127.0.0.1:9", tmp_path, each=True)
    settings = json.loads((tmp_path / "full" / "settings.json").read_text())
    with pytest.raises(Refused, match="bytes are free for it"):
        consul_snapshot.Snapshots(settings).save()


def test_a_snapshot_that_is_too_large_is_refused(tmp_path, monkeypatch):
    Server(tmp_path / "large", "http://127.0.0.1:9", tmp_path, each=True)
    settings = json.loads((tmp_path / "large" / "settings.json").read_text())
    snapshots = consul_snapshot.Snapshots(settings)
    monkeypatch.setattr(consul_snapshot, "LARGEST", 3)
    monkeypatch.setattr(snapshots, "_consul", lambda _, file: Path(file).write_bytes(b"1234"))
    with pytest.raises(Refused, match="4 bytes, more than 3"):
        snapshots.save()


@pytest.mark.root
def test_a_key_that_is_none_is_refused(tmp_path):
    server = Server(tmp_path / "keyless", "http://127.0.0.1:9", tmp_path)
    (server.place / "key").write_text("no key\n")
    done = server.run("restore", "--yes", "--file", str(server.place / "key"))
    assert done.returncode == 1
    assert "the key is none, 32 bytes in base64" in done.stderr
