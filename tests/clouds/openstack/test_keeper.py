"""What a healed group and the machines that heal it are given."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from crossgate import ConfigError, Healing
from crossgate.boot.document import Document
from crossgate.clouds.openstack import JETSTREAM2
from crossgate.clouds.openstack.keeper import keeping
from crossgate.model.text import Text
from crossgate.specs import Watch
from crossgate.terraform.engine import Construct
from tests.clouds.openstack.ids import DOCUMENT, by_ids, group_spec, machines_spec, only
from tests.clouds.openstack.test_group import STACK, template

LOGIN = "openstack_identity_application_credential_v3"
WATCH = Watch(
    cluster="test-consul",
    program=("/usr/bin/python3", "/opt/watch.py"),
    document=Document(label="watch"),
)


def kept(stack, **changes):
    """Return the document of machines that are the heart of a discovery."""
    cloud = by_ids(stack, **changes)
    spec = replace(machines_spec(cloud, stack), watch=WATCH)
    assert cloud.refusals(spec) == []
    return keeping(cloud, Construct(stack, "keeper"), spec).document


def files(document):
    return {file.path: file for _, file in document.written()}


def text(document, path):
    return Text.of(files(document)[path].text).sample()


def credentials(document):
    return files(document)["/etc/crossgate/heat-keeper.clouds.yaml"]


def test_a_watched_group_is_found_by_a_tag(stack, synth):
    cloud = by_ids(stack)
    cloud.group(stack, "group", group_spec(cloud, stack, watch=WATCH))
    assert "crossgate-keeper=test-consul" in only(synth(), STACK)["tags"]


def test_a_watched_group_brings_its_rules_in_seconds(stack, synth):
    cloud = by_ids(stack, healing=Healing(after=timedelta(minutes=2), per_hour=1))
    cloud.group(stack, "group", group_spec(cloud, stack, watch=WATCH))
    rules = json.loads(template(synth())["outputs"]["crossgate"]["value"])["heal"]
    assert rules == {
        "after": 120,
        "grace": 600,
        "per_hour": 1,
        "cut": 0.5,
        "unfit": None,
        "unfit_cut": 0.5,
    }


@pytest.mark.parametrize(("changes", "watch"), [({}, None), ({"healing": None}, WATCH)])
def test_a_group_that_nobody_watches_or_shall_heal_is_not_found(stack, synth, changes, watch):
    cloud = by_ids(stack, **changes)
    cloud.group(stack, "group", group_spec(cloud, stack, watch=watch))
    made = synth()
    assert not [tag for tag in only(made, STACK).get("tags", []) if "keeper" in tag]
    assert "crossgate" not in template(made)["outputs"]


def test_the_healer_looks_for_the_tag_that_the_groups_have(stack):
    settings = json.loads(text(kept(stack), "/etc/crossgate/heat-keeper.json"))
    assert settings["tag"] == "crossgate-keeper=test-consul"


def test_a_long_name_of_a_cluster_still_makes_a_tag(stack, synth):
    cloud = by_ids(stack)
    long = "a-very-long-name-of-a-gateway-in-a-stack-with-a-long-name-discovery"
    cloud.group(stack, "group", group_spec(cloud, stack, watch=replace(WATCH, cluster=long)))
    spec = replace(machines_spec(cloud, stack), watch=replace(WATCH, cluster=long))
    document = keeping(cloud, None, spec).document
    tag = json.loads(text(document, "/etc/crossgate/heat-keeper.json"))["tag"]
    assert tag in only(synth(), STACK)["tags"]
    assert len(tag) <= 60


def test_it_runs_through_the_discoverys_program_on_one_machine(stack):
    (unit,) = kept(stack).units
    assert "=/usr/bin/python3 /opt/watch.py alone heat-keeper /usr/bin/python3 " in unit.text


def test_it_does_not_run_as_root(stack):
    (unit,) = kept(stack).units
    assert "DynamicUser=yes" in unit.text


def test_its_credential_has_one_role_and_may_make_no_other(stack, synth):
    kept(stack)
    made = only(synth(), LOGIN)
    assert made["roles"] == ["member"]
    assert not made.get("unrestricted")


def test_only_root_reads_the_credential(stack):
    assert credentials(kept(stack)).mode == 0o600


def test_the_secret_is_a_reference(stack):
    references = [one.token for one in credentials(kept(stack)).text.references()]
    assert any(LOGIN in one and ".secret" in one for one in references)


def test_it_logs_in_at_the_profiles_keystone_and_region(stack):
    entry = json.loads(credentials(kept(stack)).text.sample())["clouds"]["crossgate"]
    assert entry["auth"]["auth_url"] == JETSTREAM2.auth_url
    assert entry["region_name"] == JETSTREAM2.region


def test_machines_may_reach_keystone_elsewhere(stack):
    document = kept(stack, healing=Healing(auth_url="http://10.0.0.5:5000/v3"))
    entry = json.loads(credentials(document).text.sample())["clouds"]["crossgate"]
    assert entry["auth"]["auth_url"] == "http://10.0.0.5:5000/v3"


def test_a_credential_that_exists_comes_from_a_sensitive_variable(stack, synth):
    kept(stack, healing=Healing(credential_variable="js2"))
    made = synth()
    assert made["variable"]["js2"]["sensitive"] is True
    assert LOGIN not in made.get("resource", {})


def test_two_clouds_may_share_the_variable(stack, synth):
    for name, network in (("one", "10.30.0.0/16"), ("two", "10.40.0.0/16")):
        inner = Construct(stack, f"in-{name}")
        cloud = by_ids(stack, name, network=network, healing=Healing(credential_variable="js2"))
        spec = replace(machines_spec(cloud, inner), watch=WATCH)
        keeping(cloud, Construct(inner, "keeper"), spec)
    assert list(synth()["variable"]) == ["js2"]


@pytest.mark.parametrize(
    "changes", [{"healing": None}, {"profile": replace(JETSTREAM2, heat=False)}]
)
def test_without_groups_or_by_choice_nobody_heals(stack, synth, changes):
    assert kept(stack, **changes) == DOCUMENT
    assert LOGIN not in synth().get("resource", {})


def test_a_keystone_that_nobody_named_is_refused_with_the_way_out(stack):
    cloud = by_ids(stack, profile=replace(JETSTREAM2, auth_url=None))
    (refused,) = cloud.refusals(replace(machines_spec(cloud, stack), watch=WATCH))
    assert "where Keystone is" in refused.what
    assert "healing=Healing(auth_url=" in refused.do


def test_machines_that_are_no_heart_of_a_discovery_keep_nothing(stack):
    cloud = by_ids(stack)
    spec = machines_spec(cloud, stack)
    assert keeping(cloud, Construct(stack, "keeper"), spec) is spec


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cut": 0.0}, "Healing: cut"),
        ({"cut": 1.5}, "Healing: cut"),
        ({"per_hour": 0}, "Healing: per_hour"),
        ({"after": 60}, "Healing: after"),
        ({"auth_url": "keystone:5000"}, "Healing: auth_url"),
        ({"credential_variable": "my-healer"}, "Healing: credential_variable"),
    ],
)
def test_rules_that_are_none_are_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        Healing(**given)


def test_healing_of_another_type_is_refused(stack):
    with pytest.raises(ConfigError, match=r"Healing\(after=timedelta\(minutes=2\)\) or None"):
        by_ids(stack, healing=True)


def test_a_variable_called_like_another_construct_is_refused(stack):
    with pytest.raises(ConfigError, match="called like another construct"):
        kept(stack, healing=Healing(credential_variable="keeper"))
