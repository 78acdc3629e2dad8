from __future__ import annotations

from dataclasses import replace

import pytest

from crossgate import JETSTREAM2, AutoScalingGroup, Capacity, ConsulServers, Machine, OpenStackCloud
from crossgate.cli.openstack.needs import Image
from crossgate.cli.openstack.resources import needs
from crossgate.cli.synthesized import read
from tests.cli.conftest import cloud, synthesized
from tests.cli.test_synthesized import state

IMAGE = "5f3c1d2e-8a4b-4c6d-9e7f-0a1b2c3d4e5f"


def group(nova):
    (found,) = (one for one in needs(nova).machines if one.of == "gateway-gw-api")
    return found


def test_a_group_counts_at_its_largest_with_a_batch_of_a_rollout(nova):
    found = group(nova)
    assert (found.most, found.surge, found.now, found.more) == (4, 1, 0, 5)
    assert (found.flavor, found.image) == ("m3.small", Image(id=IMAGE))


def test_fixed_machines_count_one_by_one(nova):
    fixed = [one for one in needs(nova).machines if one.of != "gateway-gw-api"]
    assert [one.of for one in fixed] == [
        *(f"gateway-gw-discovery-{number}" for number in range(3)),
        *(f"gateway-gw-edge-{number}" for number in range(2)),
    ]
    assert {(one.most, one.surge, one.more) for one in fixed} == {(1, 0, 1)}


# 5 fixed machines, 5 of the group, the load balancer, DHCP and the router.
PORTS = 5 + 5 + 1 + 1 + 1


@pytest.mark.parametrize(
    ("thing", "number"),
    [
        ("servers", 10),
        ("server groups", 3),
        ("networks", 1),
        ("subnets", 1),
        ("routers", 1),
        ("ports", PORTS),
        ("floating addresses", 1),
        ("security groups", 4),
        ("rules of security groups", 16),
        ("load balancers", 1),
        ("listeners", 3),
    ],
)
def test_what_comes_is_counted(nova, thing, number):
    assert needs(nova).counted[thing] == number


def test_no_volume_is_counted_where_the_flavor_has_the_disk(nova):
    assert "volumes" not in needs(nova).counted
    assert "block-storage" not in needs(nova).services


def test_the_services_are_those_of_the_resources(nova):
    assert set(needs(nova).services) == {
        *("compute", "image", "load-balancer", "network", "orchestration"),
    }


def test_the_largest_server_group_is_the_groups_own(nova):
    assert needs(nova).together == 5
    assert needs(nova).apart


def test_the_stack_is_known_by_its_name_and_tags(nova):
    (stack,) = needs(nova).stacks
    assert (stack.name, stack.tags) == (
        "gateway-gw-api",
        ["crossgate-keeper=gateway-gw-discovery"],
    )


def test_the_keepers_credential_wants_the_role_of_members(nova):
    assert needs(nova).roles == ["member"]


def test_the_network_that_leads_out_is_named_by_its_id_and_as_a_pool(nova):
    assert needs(nova).external == ["0b6f4d4c-6c1e-4d2a-9a3e-1f0c5b8d7e21", "public"]


class TestOfWhatIsDeployed:
    def test_only_what_a_group_may_still_grow_by_counts(self, changed, nova):
        (stack,) = nova.made_of("openstack_orchestration_stack_v1")
        out = changed(lambda _: None)
        made = {"id": "s-1", "outputs": [{"output_key": "size", "output_value": "3"}]}
        state(out.parent / "terraform.gateway.tfstate", (stack.kind, stack.name, [made]))
        found = cloud(read(out), "nova")
        assert (group(found).now, group(found).more) == (3, 2)
        assert needs(found).stacks[0].ids == ["s-1"]

    def test_a_group_whose_size_is_not_known_has_its_smallest(self, changed, nova):
        (stack,) = nova.made_of("openstack_orchestration_stack_v1")
        out = changed(lambda _: None)
        path = out.parent / "terraform.gateway.tfstate"
        state(path, (stack.kind, stack.name, [{"id": "s-1"}]))
        assert group(cloud(read(out), "nova")).now == 2

    def test_with_everything_in_the_state_only_the_group_counts(self, changed, nova):
        out = changed(lambda _: None)
        state(
            out.parent / "terraform.gateway.tfstate",
            *((block.kind, block.name, [{"id": block.name}]) for block in nova.resources),
        )
        found = needs(cloud(read(out), "nova"))
        assert {thing: n for thing, n in found.counted.items() if n} == {"servers": 3, "ports": 3}


class TestOfOtherStacks:
    def build(self, tmp_path, **more):
        def made(stack):
            given = {"profile": JETSTREAM2, "image": "ubuntu-24.04", "key_pair": "ops"} | more
            nova = OpenStackCloud(stack, "nova", network="10.30.0.0/16", **given)
            machine = Machine(cpu=2, memory=4, disk=40)
            consul = ConsulServers(stack, "consul", clouds=[nova], count=3, machine=machine)
            AutoScalingGroup(
                stack,
                "api",
                clouds=[nova],
                service=self.api,
                discovery=consul,
                capacity=Capacity(1, 3),
                machine=machine,
            )

        return cloud(synthesized(tmp_path, made), "nova")

    @pytest.fixture(autouse=True)
    def _service(self, api):
        self.api = api

    def test_an_image_is_known_by_the_name_that_is_looked_up(self, tmp_path):
        found = needs(self.build(tmp_path))
        assert {one.image for one in found.machines} == {Image(name="Featured-Ubuntu24")}

    def test_a_network_that_leads_out_is_known_by_the_name_that_is_looked_up(self, tmp_path):
        assert needs(self.build(tmp_path)).external == ["public"]

    def test_boot_volumes_are_counted_where_a_flavor_is_too_small(self, tmp_path):
        found = needs(self.build(tmp_path))
        assert {one.volume for one in found.machines} == {40}
        assert found.counted["volumes"] == 3 + 4
        assert found.counted["gigabytes of volumes"] == 7 * 40
        assert found.services["block-storage"].startswith("the boot volume of")

    def test_key_pairs_and_zones_are_those_named(self, tmp_path):
        zones = ["north", "south"]
        found = needs(self.build(tmp_path, profile=replace(JETSTREAM2, zones=zones)))
        assert (found.key_pairs, found.zones) == (["ops"], zones)

    def test_a_group_in_a_zone_names_it(self, tmp_path):
        profile = replace(JETSTREAM2, zones=["north", "south"])

        def made(stack):
            nova = OpenStackCloud(stack, "nova", profile=profile, image=IMAGE, healing=None)
            AutoScalingGroup(stack, "api", clouds=[nova], service=self.api, capacity=Capacity(2, 5))

        found = needs(cloud(synthesized(tmp_path, made), "nova"))
        assert found.zones == ["north", "south"]
        assert sorted((one.of, one.most) for one in found.machines) == [
            ("own-api", 3),
            ("own-api-south", 2),
        ]

    def test_a_group_that_follows_its_processors_needs_aodh_and_gnocchi(self, tmp_path):
        def made(stack):
            profile = replace(JETSTREAM2, aodh=True)
            nova = OpenStackCloud(stack, "nova", profile=profile, image=IMAGE, healing=None)
            AutoScalingGroup(stack, "api", clouds=[nova], service=self.api).scale_on_cpu()

        services = needs(cloud(synthesized(tmp_path, made), "nova")).services
        assert {"alarming", "metric"} < set(services)

    def test_without_healing_no_credential_is_made(self, tmp_path):
        assert needs(self.build(tmp_path, healing=None)).roles is None


def test_a_security_group_that_keeps_neutrons_rules_has_two_more(changed):
    def change(made):
        made["resource"]["openstack_networking_secgroup_v2"]["mine"] = {
            "provider": "openstack.nova",
            "name": "mine",
        }

    counted = needs(cloud(read(changed(change)), "nova")).counted
    assert (counted["security groups"], counted["rules of security groups"]) == (5, 18)


def test_a_stack_whose_template_only_terraform_knows_is_told(changed):
    def change(made):
        made["resource"]["openstack_orchestration_stack_v1"]["mine"] = {
            "provider": "openstack.nova",
            "name": "mine",
            "template_opts": {"Bin": '${file("mine.yaml")}'},
        }

    assert needs(cloud(read(changed(change)), "nova")).unread == ["mine"]


def test_a_group_whose_size_only_terraform_knows_is_told(changed):
    def change(made):
        (name,) = [key for key in made["locals"] if key.endswith("_template_84B43200_0")]
        made["locals"][name] = made["locals"][name].replace('"max_size": 4', '"max_size": "${n}"')

    found = needs(cloud(read(changed(change)), "nova"))
    assert found.unread == ["gateway-gw-api"]
    assert "gateway-gw-api" not in {one.of for one in found.machines}


def test_what_only_terraform_knows_is_no_error(changed):
    def change(made):
        made["resource"]["openstack_compute_instance_v2"]["mine"] = {
            "provider": "openstack.nova",
            "name": "${var.name}",
            "count": "${var.count}",
            "flavor_name": "${var.flavor}",
            "image_id": "${var.image}",
            "availability_zone": "${var.zone}",
            "block_device": [{"destination_type": "volume", "volume_size": "${var.size}"}],
            "network": [{"name": "${var.network}"}],
            "scheduler_hints": [{"group": "${var.group}"}],
        }
        made["resource"]["openstack_orchestration_stack_v1"]["theirs"] = {
            "provider": "openstack.nova",
            "name": "theirs",
            "tags": "${var.tags}",
            "template_opts": "${var.template}",
        }

    found = needs(cloud(read(changed(change)), "nova"))
    (mine,) = (one for one in found.machines if one.of == "mine")
    assert (mine.flavor, mine.image, mine.volume, mine.more) == (None, Image(), 0, 1)
    assert found.unread == ["theirs"]
