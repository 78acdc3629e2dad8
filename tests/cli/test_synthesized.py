from __future__ import annotations

import json
import shutil

import pytest

from crossgate.cli.synthesized import read
from crossgate.errors import ToolError
from tests.cli.conftest import cloud


def state(path, *resources, **more):
    """Write a state with resources of the example, each with the attributes of what exists."""
    listed = [
        {
            "mode": "managed",
            "type": kind,
            "name": name,
            "instances": [{"attributes": each} for each in attributes],
            **more,
        }
        for kind, name, attributes in resources
    ]
    path.write_text(json.dumps({"version": 4, "resources": listed}))
    return path


def test_a_cloud_is_a_provider_block_and_what_is_made_through_it(gateway):
    stack = read(gateway)
    assert [(one.name, one.kind) for one in stack.clouds] == [("aws", "aws"), ("nova", "openstack")]
    for one in stack.clouds:
        assert {block.kind.partition("_")[0] for block in one.resources} == {one.kind}


def test_the_only_stack_needs_no_name(gateway):
    assert read(gateway).name == "gateway"


def test_a_reference_leads_through_local_values(nova):
    (network,) = nova.made_of("openstack_networking_network_v2")
    (local,) = [
        name
        for name, text in nova.locals.items()
        if text == f"${{{network.address}.id}}" and name.endswith("_0_0")
    ]
    assert nova.follow(f"${{local.{local}}}") == network


def test_a_local_value_that_names_itself_ends(changed):
    def change(made):
        made["locals"] = {"a": "${local.b}", "b": "${local.a}"}

    assert cloud(read(changed(change)), "nova").follow("${local.a}") is None


def test_a_block_without_a_provider_is_the_unnamed_ones(changed):
    def change(made):
        made["provider"]["aws"].append({"region": "eu-west-1"})
        made["resource"]["aws_vpc"]["mine"] = {"cidr_block": "10.0.0.0/16"}

    clouds = read(changed(change)).clouds
    (unnamed,) = (one for one in clouds if "alias" not in one.provider)
    assert [block.name for block in unnamed.resources] == ["mine"]
    assert not [
        b for one in clouds if one is not unnamed for b in one.resources if b.name == "mine"
    ]


def test_without_a_state_nothing_exists_and_that_is_known(changed):
    stack = read(changed(lambda _: None))
    assert stack.state_known
    assert all(block.new == 1 for one in stack.clouds for block in one.resources)


def test_what_the_state_has_is_not_new(changed, nova):
    (router,) = nova.made_of("openstack_networking_router_v2")
    out = changed(lambda _: None)
    state(out.parent / "terraform.gateway.tfstate", (router.kind, router.name, [{"id": "r-1"}]))
    (found,) = cloud(read(out), "nova").made_of(router.kind)
    assert found.new == 0
    assert found.made == [{"id": "r-1"}]


def test_of_three_of_a_kind_two_exist(changed):
    def change(made):
        made["resource"]["openstack_networking_network_v2"]["more"] = {
            "provider": "openstack.nova",
            "count": 3,
        }

    out = changed(change)
    state(
        out.parent / "terraform.gateway.tfstate",
        ("openstack_networking_network_v2", "more", [{"id": "1"}, {"id": "2"}]),
    )
    found = cloud(read(out), "nova").made_of("openstack_networking_network_v2")
    assert [block.new for block in found if block.name == "more"] == [1]


def test_what_a_module_holds_is_not_the_stacks(changed, nova):
    (router,) = nova.made_of("openstack_networking_router_v2")
    out = changed(lambda _: None)
    path = out.parent / "terraform.gateway.tfstate"
    state(path, (router.kind, router.name, [{"id": "r-1"}]), module="module.other")
    (found,) = cloud(read(out), "nova").made_of(router.kind)
    assert found.new == 1


def test_a_state_elsewhere_is_not_known_until_it_is_given(changed, tmp_path):
    def change(made):
        made["terraform"]["backend"] = {"s3": {"bucket": "states", "key": "gateway"}}

    out = changed(change)
    assert not read(out).state_known
    assert read(out, state=state(tmp_path / "pulled.tfstate")).state_known


def test_the_state_of_the_local_backend_is_found_where_the_json_says(changed, nova, tmp_path):
    (router,) = nova.made_of("openstack_networking_router_v2")
    path = tmp_path / "elsewhere.tfstate"

    def change(made):
        made["terraform"]["backend"] = {"local": {"path": str(path)}}

    out = changed(change)
    state(path, (router.kind, router.name, [{"id": "r-1"}]))
    (found,) = cloud(read(out), "nova").made_of(router.kind)
    assert found.new == 0


class TestFails:
    def test_without_a_synth(self, tmp_path):
        with pytest.raises(ToolError, match="run `cdktf synth` first"):
            read(tmp_path / "cdktf.out")

    def test_without_this_stack(self, gateway):
        with pytest.raises(ToolError, match="run `cdktf synth` first, or name another --stack"):
            read(gateway, "other")

    def test_when_there_are_two_and_none_is_named(self, changed):
        out = changed(lambda _: None)
        shutil.copytree(out / "stacks" / "gateway", out / "stacks" / "second")
        with pytest.raises(ToolError, match=r"--stack gateway; there are gateway, second"):
            read(out)

    @pytest.mark.parametrize("text", ["{", "[]", "\xff"])
    def test_on_what_is_no_json_object(self, changed, text):
        out = changed(lambda _: None)
        (out / "stacks/gateway/cdk.tf.json").write_bytes(text.encode("latin-1"))
        with pytest.raises(ToolError, match="JSON"):
            read(out)

    def test_when_the_state_is_not_there(self, gateway, tmp_path):
        with pytest.raises(ToolError, match="terraform state pull"):
            read(gateway, state=tmp_path / "absent.tfstate")
