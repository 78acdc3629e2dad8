from __future__ import annotations

from dataclasses import replace

import pytest

from crossgate.cli.findings import Verdict
from crossgate.cli.openstack import judge
from crossgate.cli.openstack.facts import Flavor, FoundImage
from crossgate.cli.openstack.login import Login
from crossgate.cli.openstack.needs import Image, Machines
from crossgate.cli.openstack.resources import needs

SMALL = Flavor(id="f-1", name="m3.small", cpu=2, memory=6144, disk=20)
TINY = Flavor(id="f-2", name="m3.tiny", cpu=1, memory=3072, disk=20)
FLAVORS = {one.name: one for one in (SMALL, TINY)}
DEBIAN = Image(name="debian-12")
FOUND = FoundImage(id="i-1", name="debian-12", status="active", disk=2, memory=512)
API = Machines(of="api", flavor="m3.small", image=DEBIAN, most=4, surge=1)
LOGIN = Login(
    connection=None,
    catalogue=None,
    user="deployer",
    project="gateway",
    url="https://keystone.example.org:5000/v3",
    region="RegionOne",
    roles=frozenset({"member", "reader"}),
    methods=("password",),
)


def only(findings):
    (found,) = findings
    return found


def by_what(findings):
    return {one.what: one for one in findings}


def image(found, machines=API, flavors=FLAVORS):
    return only(judge.images([machines], {machines.image: found}, flavors))


class TestFlavors:
    def test_one_that_is_there_is_told_with_its_size(self):
        found = only(judge.flavors([API], FLAVORS))
        assert found.verdict is Verdict.OK
        assert found.found == "2 cpu, 6 GiB memory, 20 GiB disk"

    def test_one_that_is_not_is_missing_and_the_nearest_are_named(self):
        found = only(judge.flavors([replace(API, flavor="m3.smal")], FLAVORS))
        assert found.verdict is Verdict.MISSING
        assert "m3.small" in found.do

    def test_one_may_be_named_by_its_id(self):
        assert only(judge.flavors([replace(API, flavor="f-1")], FLAVORS)).verdict is Verdict.OK

    def test_machines_of_one_flavor_are_one_row(self):
        found = only(judge.flavors([API, replace(API, of="edge")], FLAVORS))
        assert found.needed == "for api, edge"

    def test_one_that_only_terraform_knows_does_not_pass_silently(self):
        found = only(judge.flavors([replace(API, flavor=None)], FLAVORS))
        assert found.verdict is Verdict.UNASKED


class TestImages:
    def test_one_that_fits_is_ok(self):
        assert image([FOUND]).verdict is Verdict.OK

    def test_none_is_missing(self):
        assert image([]).verdict is Verdict.MISSING

    def test_one_that_is_larger_than_the_disk_is_missing(self):
        found = image([replace(FOUND, disk=30)])
        assert found.verdict is Verdict.MISSING
        assert "Machine(disk=30)" in found.do

    def test_a_boot_volume_is_the_disk_where_there_is_one(self):
        assert image([replace(FOUND, disk=30)], replace(API, volume=40)).verdict is Verdict.OK

    def test_one_that_wants_more_memory_is_missing(self):
        found = image([replace(FOUND, memory=8192)])
        assert found.verdict is Verdict.MISSING
        assert "8 GiB memory and api has 6" in found.do

    def test_one_that_is_still_being_made_is_missing(self):
        assert image([replace(FOUND, status="queued")]).verdict is Verdict.MISSING

    def test_one_that_could_not_be_asked_for_has_its_own_row_already(self):
        assert not list(judge.images([API], {}, FLAVORS))

    def test_one_that_only_terraform_knows_does_not_pass_silently(self):
        found = only(judge.images([replace(API, image=Image())], {}, FLAVORS))
        assert found.verdict is Verdict.UNASKED


class TestCredential:
    def test_a_password_has_trusts(self, nova):
        found = by_what(judge.credential(needs(nova), LOGIN))
        assert {one.verdict for one in found.values()} == {Verdict.OK}
        assert found["credential"].found == "password of deployer"

    def application(self, nova, *, restricted):
        given = {"id": "a-1", "name": "ci", "restricted": restricted}
        login = replace(LOGIN, methods=("application_credential",), application_credential=given)
        return by_what(judge.credential(needs(nova), login))

    def test_an_application_credential_is_warned_of(self, nova):
        found = self.application(nova, restricted=False)
        assert found["credential"].found == "unrestricted application credential ci"
        assert found["trusts of Keystone"].verdict is Verdict.WARN
        assert "docs/openstack.md" in found["trusts of Keystone"].do
        assert "right to make an application credential" not in found

    def test_a_restricted_one_cannot_make_the_keepers(self, nova):
        found = self.application(nova, restricted=True)
        assert found["right to make an application credential"].verdict is Verdict.MISSING

    def test_a_role_that_the_user_lacks_is_missing(self, nova):
        login = replace(LOGIN, roles=frozenset({"reader"}))
        found = by_what(judge.credential(needs(nova), login))
        assert found["roles of the keeper's credential"].verdict is Verdict.MISSING
        assert "the role member" in found["roles of the keeper's credential"].do


def test_a_service_that_the_catalogue_lacks_is_missing(nova):
    there = frozenset({"compute", "image", "network", "orchestration"})
    found = by_what(judge.services(needs(nova), there))
    octavia = found.pop("service Octavia (load-balancer)")
    assert octavia.verdict is Verdict.MISSING
    assert "octavia=False" in octavia.do
    assert {one.verdict for one in found.values()} == {Verdict.OK}


@pytest.mark.parametrize(
    ("most", "limit", "verdict"),
    [(5, 5, Verdict.OK), (5, -1, Verdict.OK), (5, 4, Verdict.MISSING)],
)
def test_a_server_group_has_a_limit(most, limit, verdict):
    assert only(judge.together(most, limit)).verdict is verdict


def test_cores_and_memory_are_those_of_the_real_flavors():
    assert judge.hardware([API, replace(API, flavor="m3.tiny", most=1, surge=0)], FLAVORS) == {
        "cores": 5 * 2 + 1,
        "memory": 5 * 6144 + 3072,
    }


def test_what_has_no_flavor_counts_nothing():
    assert judge.hardware([replace(API, flavor="absent")], FLAVORS) == {"cores": 0, "memory": 0}


def test_a_zone_that_is_not_there_is_missing_and_the_others_are_named():
    there, absent = judge.named("zone", ["nova", "south"], ["nova"], do="zones=")
    assert (there.verdict, absent.verdict) == (Verdict.OK, Verdict.MISSING)
    assert absent.found == "there is none; there are nova"
