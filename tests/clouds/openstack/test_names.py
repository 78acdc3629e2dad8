"""Names in Designate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crossgate import ConfigError
from crossgate.clouds.openstack import JETSTREAM2
from crossgate.specs import NameSpec
from tests.clouds.openstack.ids import by_ids, only

SPEC = NameSpec(
    name="api.example.org",
    entries={"nova": ("203.0.113.1",), "rack": ("10.0.0.1", "10.0.0.2")},
    port=9000,
    weights={"nova": 1, "rack": 1},
    ttl=60,
)


@pytest.fixture
def cloud(stack):
    return by_ids(stack)


def test_one_record_has_all_addresses(cloud, stack, synth):
    cloud.zone("example.org").lead(stack, "name", SPEC)
    made = synth()
    found = only(made, "openstack_dns_recordset_v2")
    assert found["records"] == ["203.0.113.1", "10.0.0.1", "10.0.0.2"]
    assert (found["name"], found["type"], found["ttl"]) == ("api.example.org.", "A", 60)
    (zone,) = made["data"]["openstack_dns_zone_v2"].values()
    assert zone["name"] == "example.org."


def test_a_zone_whose_id_is_said_is_not_looked_up(cloud, stack, synth):
    cloud.zone("example.org", zone_id="7a1c").lead(stack, "name", SPEC)
    made = synth()
    assert only(made, "openstack_dns_recordset_v2")["zone_id"] == "7a1c"
    assert "openstack_dns_zone_v2" not in made.get("data", {})


def test_what_it_does_not_do_is_refused(cloud):
    uneven = replace(SPEC, weights={"nova": 1, "rack": 2})
    (refusal,) = cloud.zone("example.org").refusals(uneven)
    assert "answers with all addresses, and prefers none" in str(refusal)


def test_a_cloud_without_it_is_refused(stack):
    cloud = by_ids(stack, "plain", profile=replace(JETSTREAM2, designate=False))
    (refusal,) = cloud.zone("example.org").refusals(SPEC)
    assert "Jetstream2 has no Designate" in str(refusal)


def test_what_it_can_do_is_not_refused_and_nobody_is_let_in(cloud):
    zone = cloud.zone("example.org")
    assert list(zone.refusals(SPEC)) == []
    assert zone.checkers == ()


def test_fails_on_a_zone_that_is_no_name(cloud):
    with pytest.raises(ConfigError, match="is no name of DNS"):
        cloud.zone("example.org.")
