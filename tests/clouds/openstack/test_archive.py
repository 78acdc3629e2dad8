"""Where snapshots go in OpenStack, by whose credential, and what the program says to Swift."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossgate import ConfigError, ConsulServers, Healing, Snapshots
from crossgate.clouds.openstack import DEVSTACK, JETSTREAM2
from crossgate.clouds.openstack.programs import swift_store
from crossgate.specs import Archive
from crossgate.terraform.engine import Construct
from tests.clouds.openstack.ids import by_ids, machines_spec, named, only
from tests.clouds.openstack.swift import LOGIN, running_swift
from tests.terraform.conformity import nonconforming, schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clouds.openstack.swift import Swift

CONTAINER = "openstack_objectstorage_container_v1"
CREDENTIAL = "openstack_identity_application_credential_v3"


def servers(stack, snapshots, **changes):
    ConsulServers(stack, "consul", clouds=[by_ids(stack, **changes)], snapshots=snapshots)


def written(made):
    """Return the user data of the servers."""
    documents = [text for text in made["locals"].values() if text.startswith("#cloud-config")]
    (document,) = set(documents)
    return document.replace('\\"', '"')


def test_without_snapshots_there_is_no_container(stack, synth):
    servers(stack, None)
    assert CONTAINER not in synth()["resource"]


def test_every_block_conforms_to_both_versions(stack, synth):
    servers(stack, Snapshots())
    assert nonconforming(synth(), schemas()) == []


def test_a_container_that_holds_anything_is_not_destroyed(stack, synth):
    servers(stack, Snapshots())
    made = only(synth(), CONTAINER)
    assert made["force_destroy"] is False
    assert made["name"] == "test-consul-snapshots"


def test_nobody_but_the_project_reads_it(stack, synth):
    servers(stack, Snapshots())
    assert not {"container_read", "container_write"} & set(only(synth(), CONTAINER))


def test_a_container_that_is_there_is_not_made(stack, synth):
    servers(stack, Snapshots(to="backups"))
    made = synth()
    assert CONTAINER not in made["resource"]
    assert '"container": "backups"' in written(made)


def test_the_servers_have_a_credential_of_one_role_for_it(stack, synth):
    servers(stack, Snapshots(), profile=replace(JETSTREAM2, swift_role="swiftoperator"))
    made = named(synth(), CREDENTIAL, "test-consul-snapshots")
    assert made["roles"] == ["swiftoperator"]
    assert not made.get("unrestricted")


def test_or_the_one_that_the_keeper_has(stack, synth):
    servers(stack, Snapshots(), healing=Healing(credential_variable="js2"))
    made = synth()
    assert CREDENTIAL not in made["resource"]
    assert list(made["variable"]) == ["js2"]


def test_without_healing_too(stack, synth):
    servers(stack, Snapshots(), healing=None)
    assert only(synth(), CREDENTIAL)["roles"] == ["member"]


def test_only_root_reads_the_secret(stack, synth):
    servers(stack, Snapshots())
    lines = written(synth()).splitlines()
    at = next(
        n for n, line in enumerate(lines) if "path: /etc/crossgate/archive.login.json" in line
    )
    assert '"0600"' in lines[at + 1]


def test_they_log_in_where_the_profile_says(stack, synth):
    servers(stack, Snapshots())
    assert f'"auth_url": "{JETSTREAM2.auth_url}"' in written(synth())


def test_jetstream2_has_an_object_store():
    assert JETSTREAM2.swift


@pytest.mark.parametrize(
    ("changes", "given", "says"),
    [
        ({"profile": replace(JETSTREAM2, swift=False)}, {}, "Jetstream2 has no Swift to keep"),
        ({"profile": DEVSTACK}, {}, r"replace\(profile, swift=True\)"),
        ({}, {"to": "back/ups"}, "is no container of Swift"),
        ({}, {"to": "x" * 257}, "is no container of Swift"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_the_way_out(stack, changes, given, says):
    with pytest.raises(ConfigError, match=says):
        servers(
            stack,
            Snapshots(**given),
            **({"image": "5f3c1d2e-8a4b-4c6d-9e7f-0a1b2c3d4e5f"} | changes),
        )


def test_a_keystone_that_nobody_named_is_refused(stack):
    cloud = by_ids(stack, profile=replace(JETSTREAM2, auth_url=None), healing=None)
    archive = Archive(name="x", keep=Snapshots().keep, program=("/a", "/b", "/c"))
    (refused,) = cloud.refusals(replace(machines_spec(cloud, stack), archive=archive))
    assert "know where Keystone is" in refused.what


def test_two_clusters_have_two_containers(stack, synth):
    cloud = by_ids(stack)
    for name in ("one", "two"):
        ConsulServers(Construct(stack, name), "consul", clouds=[cloud], snapshots=Snapshots())
    names = {one["name"] for one in synth()["resource"][CONTAINER].values()}
    assert names == {"test-one-consul-snapshots", "test-two-consul-snapshots"}


# The program


@pytest.fixture(scope="module")
def swift() -> Iterator[Swift]:
    with running_swift() as swift:
        yield swift


@dataclass
class Store:
    folder: Path
    swift: Swift

    def __post_init__(self) -> None:
        (self.folder / "login.json").write_text(json.dumps(LOGIN))
        self.change()

    def change(self, **changes: object) -> None:
        settings = {
            "auth_url": f"{self.swift.url}/v3/",
            "container": "copies",
            "login": str(self.folder / "login.json"),
            "prefix": "test-consul/nova/",
            "region": "IU",
        }
        (self.folder / "archive.json").write_text(json.dumps(settings | changes))

    def __call__(self, *words: str) -> str:
        return swift_store.main([str(self.folder / "archive.json"), *words])


@pytest.fixture
def keeps(tmp_path, swift):
    swift.objects.clear()
    return Store(tmp_path, swift)


def test_what_was_put_comes_back(keeps, swift, tmp_path):
    (tmp_path / "one").write_bytes(b"\0one")
    keeps("put", "a.snap", str(tmp_path / "one"))
    assert list(swift.objects) == ["test-consul/nova/a.snap"]
    keeps("get", "a.snap", str(tmp_path / "other"))
    assert (tmp_path / "other").read_bytes() == b"\0one"


def test_more_than_a_page_of_them_is_listed_and_none_of_others(keeps, swift):
    swift.objects |= {f"test-consul/nova/{n}": b"" for n in range(7)} | {"other/nova/8": b""}
    assert keeps("list").split() == list("0123456")


def test_what_is_dropped_is_gone_and_may_be_gone_already(keeps, swift):
    swift.objects["test-consul/nova/a.snap"] = b"one"
    keeps("drop", "a.snap")
    keeps("drop", "a.snap")
    assert swift.objects == {}


def test_another_secret_is_refused_by_keystone(keeps, tmp_path):
    (tmp_path / "login.json").write_text(json.dumps({"id": "an-id", "secret": "no"}))
    with pytest.raises(OSError, match="401"):
        keeps("list")


def test_a_region_without_swift_is_said(keeps):
    keeps.change(region="elsewhere")
    with pytest.raises(SystemExit, match="no object-store there"):
        keeps("list")


def test_a_container_that_is_gone_is_an_error(keeps):
    keeps.change(container="gone")
    with pytest.raises(OSError, match="404"):
        keeps("list")
