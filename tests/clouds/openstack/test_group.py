from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st

from crossgate.boot.document import Document, File
from crossgate.clouds.openstack import JETSTREAM2
from crossgate.clouds.openstack.rolling import in_batches
from crossgate.model.capacity import Capacity
from crossgate.model.machine import Machine
from crossgate.model.rollout import InstanceRefresh, ReplaceGroup
from crossgate.model.text import Text
from crossgate.terraform.engine import TerraformOutput
from crossgate.terraform.secrets import random_key
from tests.clouds.openstack.ids import IMAGE, by_ids, group_spec, only

STACK = "openstack_orchestration_stack_v1"


def built(stack, synth, cloud=None, **changes):
    cloud = cloud or by_ids(stack)
    cloud.group(stack, "group", group_spec(cloud, stack, **changes))
    return synth()


ENCODED = re.compile(
    r'trimsuffix\(trimprefix\(jsonencode\("?(?:\$\{)?([^(){}"]*)\}?"?\), "\\""\), "\\""\)'
)
# The path of what lies beside the JSON depends on the system that runs Terraform.
CHOSEN = re.compile(r'\$\{fileexists\("[^"]*"\) \? "([^"]*)" : "[^"]*"\}')
TOKEN = re.compile(r'uuidv5\("dns", join\("/", \[[^,]+, "([^"]+)"\]\)\)')
LOCAL = re.compile(r"\$\{local\.([A-Za-z0-9_-]+)\}")
KEPT = re.compile(r"<kept (\d+)>")
WRAPPED = re.compile(r"\$\{(<kept \d+>)\}")


def text_of(made, stack=None):
    """Return the text of a stack's template, as Terraform will have it but for references."""
    kept = []

    def keep(text):
        kept.append(text)
        return f"<kept {len(kept) - 1}>"

    def fill(text):
        return KEPT.sub(lambda match: kept[int(match[1])], text)

    def encode(match):
        if not KEPT.search(match[1]):
            return match[1]
        return keep(json.dumps(fill(match[1]), ensure_ascii=False)[1:-1])

    def resolved(text):
        found = 1
        while found:
            text, local = LOCAL.subn(lambda match: keep(resolved(made["locals"][match[1]])), text)
            text, chosen = CHOSEN.subn(r"\1", text)
            text, encoded = ENCODED.subn(encode, text)
            text = WRAPPED.sub(r"\1", text)
            text, token = TOKEN.subn(r"\1", text)
            found = local + chosen + encoded + token
        return fill(text)

    return resolved((stack or only(made, STACK))["template_opts"]["Bin"])


def template(made):
    """Return the template of the one stack."""
    return json.loads(text_of(made))


def member(made):
    return template(made)["resources"]["group"]["properties"]["resource"]["properties"]


def test_it_returns_a_token_of_the_stacks_id(stack, synth):
    cloud = by_ids(stack)
    TerraformOutput(stack, "id", value=cloud.group(stack, "group", group_spec(cloud, stack)))
    made = synth()
    (name,) = made["resource"][STACK]
    assert made["output"]["id"]["value"] == f"${{{STACK}.{name}.id}}"


def test_the_stack_says_what_the_provider_would_get_wrong_by_itself(stack, synth):
    found = only(built(stack, synth), STACK)
    assert found["environment_opts"] == {"Bin": "{}"}
    assert "parameters" not in found
    # Going back from a failed change gives members that served what failed.
    assert found["disable_rollback"] is True


def test_terraform_waits_longer_than_heat(stack, synth):
    found = only(built(stack, synth), STACK)
    assert found["timeout"] == 60
    assert found["timeouts"] == {"create": "70m", "update": "70m", "delete": "70m"}


def test_the_size_is_bounded_and_never_set(stack, synth):
    group = template(built(stack, synth))["resources"]["group"]["properties"]
    assert (group["min_size"], group["max_size"]) == (2, 4)
    assert "desired_capacity" not in group


def test_members_are_replaced_one_by_one_and_none_is_missing(stack, synth):
    group = template(built(stack, synth))["resources"]["group"]["properties"]
    assert group["rolling_updates"] == {
        "min_in_service": 4,
        "max_batch_size": 1,
        "pause_time": 60,
    }


def test_a_member_is_what_the_spec_says(stack, synth):
    cloud = by_ids(stack, key_pair="ops", tags={"team": "edge"})
    found = member(built(stack, synth, cloud, tags={"role": "api"}))
    assert (found["flavor"], found["image"], found["key_name"]) == ("m3.small", IMAGE, "ops")
    assert found["user_data_format"] == "RAW"
    assert found["user_data"].startswith("#cloud-config\n")
    assert found["config_drive"] is True
    assert found["metadata"] == {"team": "edge", "role": "api"}


def test_ids_of_other_resources_are_references(stack, synth):
    found = member(built(stack, synth))
    assert found["security_groups"] == ["${openstack_networking_secgroup_v2.group-firewall.id}"]
    (network,) = found["networks"]
    assert network["network"].startswith("${openstack_networking_network_v2.")
    assert network["subnet"].startswith("${openstack_networking_subnet_v2.")
    assert found["scheduler_hints"]["group"].startswith("${openstack_compute_servergroup_v2.")


def test_a_reference_in_a_file_reaches_the_template_as_a_reference(stack, synth):
    key = random_key(stack, "key", length=32)
    document = Document(label="test", files=[File("/etc/key", Text.of('k = "', key, '"\n'))])
    user_data = member(built(stack, synth, document=document))["user_data"]
    files = {file["path"]: file["content"] for file in yaml.safe_load(user_data)["write_files"]}
    assert files["/etc/key"] == 'k = "${random_bytes.key.base64}"\n'


def test_a_larger_disk_is_a_volume(stack, synth):
    found = member(built(stack, synth, machine=Machine(cpu=2, memory=4, disk=100)))
    assert found["block_device_mapping_v2"] == [
        {"image": IMAGE, "boot_index": 0, "volume_size": 100, "delete_on_termination": True}
    ]
    assert "image" not in found


def test_policies_scale_by_one_and_their_addresses_stay_secret(stack, synth):
    found = template(built(stack, synth))
    steps = {
        name: found["resources"][name]["properties"]["scaling_adjustment"]
        for name in ("scale-up", "scale-down")
    }
    assert steps == {"scale-up": 1, "scale-down": -1}
    assert list(found["outputs"]) == ["size"]
    assert "signal_url" not in json.dumps(found)
    assert "alarm_url" not in json.dumps(found)


def test_all_outputs_are_strings(stack, synth):
    assert [list(o["value"]) for o in template(built(stack, synth))["outputs"].values()] == [
        ["str_replace"]
    ]


def test_members_keep_apart_only_within_novas_quota(stack, synth):
    made = built(stack, synth, capacity=Capacity(2, 10))
    assert "scheduler_hints" not in member(made)
    assert "openstack_compute_servergroup_v2" not in made["resource"]


def test_the_image_is_looked_up_once(stack, synth):
    cloud = by_ids(stack, profile=JETSTREAM2, image="ubuntu-24.04")
    cloud.group(stack, "one", group_spec(cloud, stack))
    cloud.group(stack, "two", replace(group_spec(), name="test-two"))
    (image,) = synth()["data"]["openstack_images_image_v2"].values()
    assert (image["name"], image["most_recent"]) == ("Featured-Ubuntu24", True)


CASES = [
    # least, most, refresh, in service, batch
    (2, 4, InstanceRefresh(), 4, 1),
    (10, 40, InstanceRefresh(), 40, 1),
    (20, 40, InstanceRefresh(), 40, 2),
    (2, 4, InstanceRefresh(min_healthy=0.5), 2, 1),
    (4, 4, InstanceRefresh(min_healthy=0.5, max_healthy=1.0), 2, 2),
    (1, 1, InstanceRefresh(min_healthy=0.0, max_healthy=1.0), 1, 1),
    (0, 4, InstanceRefresh(min_healthy=0.0, max_healthy=1.0), 0, 4),
    (2, 6, ReplaceGroup().refresh, 6, 6),
    (10, 10, InstanceRefresh(min_healthy=0.7, max_healthy=1.0), 7, 3),
]


@pytest.mark.parametrize(("least", "most", "refresh", "in_service", "batch"), CASES)
def test_a_share_becomes_a_number(least, most, refresh, in_service, batch):
    found = in_batches(Capacity(least, most), refresh)
    assert (found.in_service, found.batch) == (in_service, batch)


@pytest.mark.parametrize(
    ("least", "most", "max_healthy", "batch"),
    [(2, 4, 1.1, 1), (20, 40, 1.1, 2), (4, 8, 1.9, 3), (4, 8, 2.0, 8)],
)
def test_those_that_say_that_they_are_ready_are_replaced_beside(least, most, max_healthy, batch):
    refresh = InstanceRefresh(max_healthy=max_healthy)
    found = in_batches(Capacity(least, most), refresh, timedelta(minutes=10))
    assert (found.in_service, found.batch) == (0, batch)


@given(
    least=st.integers(0, 30),
    more=st.integers(0, 30),
    size=st.integers(1, 60),
    max_healthy=st.floats(1, 2),
)
def test_beside_its_members_a_group_has_no_more_than_it_may(least, more, size, max_healthy):
    capacity = Capacity(least, max(1, least + more))
    size = min(max(size, least, 1), capacity.most)
    plan = in_batches(capacity, InstanceRefresh(max_healthy=max_healthy), timedelta(minutes=10))
    for total, changed in heats_batches(size, plan.batch, plan.in_service):
        assert total == size  # each is one, or two while the second is not ready
        assert total + changed <= max(size + 1, max_healthy * size + 1e-5)


def test_the_patience_counts_in_the_timeout():
    plan = in_batches(Capacity(30), InstanceRefresh(), timedelta(minutes=20))
    assert plan.minutes == (30 // 3 + 2) * 21


def heats_batches(size, batch, in_service):
    """Heat's own arithmetic (`heat.scaling.rolling_update`), told anew: sizes after each batch."""
    target, current, done = size, size, 0
    while not done >= current == target:
        least = min(in_service, target, current)
        now = min(batch, max(target - done, 0))
        current, done = now + max(min(current, target - now), least), done + now
        yield current, now


@example(least=2, more=1, size=1, min_healthy=0.5, max_healthy=1.5)
@given(
    least=st.integers(0, 30),
    more=st.integers(0, 30),
    size=st.integers(1, 60),
    min_healthy=st.floats(0, 1),
    max_healthy=st.floats(1, 2),
)
def test_the_shares_hold_at_every_size(least, more, size, min_healthy, max_healthy):
    assume(max_healthy - min_healthy <= 1)
    refresh = InstanceRefresh(min_healthy=min_healthy, max_healthy=max_healthy)
    capacity = Capacity(least, max(1, least + more))
    size = min(max(size, least, 1), capacity.most)
    plan = in_batches(capacity, refresh)
    batches = list(heats_batches(size, plan.batch, plan.in_service))
    pauses = (len(batches) - 1) * plan.pause
    assert pauses < plan.minutes * 60
    for total, changed in batches:
        assert total - changed >= min(size, plan.in_service) - 1e-6
        assert total - changed >= min_healthy * size - 1e-5
        assert total <= max(size + 1, max_healthy * size + 1e-5)


def test_a_warmup_is_the_pause_and_counts_in_the_timeout():
    plan = in_batches(Capacity(30), InstanceRefresh(warmup=timedelta(minutes=10)))
    assert plan.pause == 600
    assert plan.minutes == (30 // 3 + 2) * 15
