from __future__ import annotations

from datetime import time
from decimal import Decimal

import pytest

from crossgate import AutoScalingGroup, AwsCloud, Capacity, ConsulServers, Image, Scheduled, Spot
from crossgate.cli.aws.needs import Machines, needs, standard
from crossgate.cli.synthesized import read
from tests.cli.conftest import cloud, synthesized
from tests.cli.test_synthesized import state

TYPES = ("t3.medium", "c7i.large", "t3.large", "m7i.large")
ZONES = ("us-east-1a", "us-east-1b")


def group(found, name="gateway-gw-api"):
    (one,) = (one for one in needs(found).machines if one.of == name)
    return one


def test_a_group_counts_at_its_largest_with_what_a_rollout_adds(aws):
    found = group(aws)
    assert (found.most, found.surge, found.now) == (6, 1, 0)
    assert (found.types, found.zones) == (TYPES, ZONES)


def test_a_group_of_fixed_size_has_the_type_of_its_template(aws):
    found = group(aws, "gateway-gw-discovery")
    assert (found.types, found.most, found.surge) == (("t3.medium",), 3, 1)
    assert found.more() == (4, 0)


def test_a_spot_group_is_on_demand_at_its_base(aws):
    assert group(aws).spot
    assert group(aws).more() == (1, 6)


def test_what_comes_is_counted(aws):
    found = needs(aws)
    # Two of the load balancer, two of the ways out.
    assert (found.addresses, found.vpcs, found.balancers) == (4, 1, 1)
    assert found.zones == list(ZONES)
    assert found.key_pairs == []


def test_an_image_may_be_named_by_its_id(aws):
    (lookup,) = needs(aws).lookups
    assert (lookup.ids, lookup.deprecated) == (("ami-0123456789abcdef0",), True)


class TestOfWhatIsDeployed:
    @pytest.mark.parametrize(("now", "more"), [(1, (0, 6)), (4, (0, 3)), (7, (0, 0))])
    def test_only_what_a_group_may_still_grow_by_counts(self, changed, aws, now, more):
        out = changed(lambda _: None)
        (block,) = (
            one for one in aws.made_of("aws_autoscaling_group") if one.called == "gateway-gw-api"
        )
        made = [{"desired_capacity": now}]
        state(out.parent / "terraform.gateway.tfstate", (block.kind, block.name, made))
        assert group(cloud(read(out), "aws")).more() == more

    def test_addresses_and_networks_that_are_there_do_not(self, changed, aws):
        out = changed(lambda _: None)
        blocks = [*aws.made_of("aws_eip"), *aws.made_of("aws_vpc"), *aws.made_of("aws_lb")]
        state(
            out.parent / "terraform.gateway.tfstate",
            *((block.kind, block.name, [{"id": block.name}]) for block in blocks),
        )
        found = needs(cloud(read(out), "aws"))
        assert (found.addresses, found.vpcs, found.balancers) == (0, 0, 0)


class TestOfOtherStacks:
    def build(self, tmp_path, api, *, capacity=None, market=None, **more):
        def made(stack):
            where = AwsCloud(stack, "aws", region="eu-central-1", network="10.0.0.0/16", **more)
            consul = ConsulServers(stack, "consul", clouds=[where], count=3)
            given = {"market": market} if market else {}
            AutoScalingGroup(
                stack,
                "api",
                clouds=[where],
                service=api,
                discovery=consul,
                capacity=capacity or Capacity(1, 3),
                **given,
            )

        return cloud(synthesized(tmp_path, made), "aws")

    def test_an_image_is_looked_up_as_the_json_says(self, tmp_path, api):
        image = Image(name="gateway-*", owner="self")
        found = needs(self.build(tmp_path, api, image=image))
        (lookup,) = found.lookups
        assert lookup.owners == ("self",)
        assert dict(lookup.filters) == {"name": ("gateway-*",), "architecture": ("x86_64",)}
        assert {one.image for one in found.machines} == {lookup}

    def test_zones_that_terraform_chooses_are_not_known(self, tmp_path, api):
        found = needs(self.build(tmp_path, api))
        assert found.zones == []
        assert {one.zones for one in found.machines} == {()}

    def test_the_key_pair_is_named(self, tmp_path, api):
        assert needs(self.build(tmp_path, api, key_pair="ops")).key_pairs == ["ops"]

    def test_a_schedule_that_is_larger_counts(self, tmp_path, api):
        day = Scheduled("day", at=time(7), time_zone="Europe/Berlin", minimum=2, maximum=9)
        capacity = Capacity(1, 3, scheduled=[day])
        assert group(self.build(tmp_path, api, capacity=capacity), "own-api").most == 9

    def test_the_most_that_is_paid_is_that_of_the_market(self, tmp_path, api):
        found = self.build(tmp_path, api, market=Spot(max_price="0.05"))
        assert group(found, "own-api").max_price == Decimal("0.05")


def test_what_only_terraform_knows_is_told_and_is_no_error(changed):
    def change(made):
        made["resource"]["aws_autoscaling_group"]["mine"] = {
            "provider": "aws.aws",
            "name": "mine",
            "max_size": "${var.size}",
            "launch_template": {"id": "${var.template}"},
            "vpc_zone_identifier": "${data.aws_subnets.mine.ids}",
        }
        made["data"] = {
            "aws_ami": {"mine": {"provider": "aws.aws", "owners": "${var.owners}", "filter": []}}
        }

    where = cloud(read(changed(change)), "aws")
    assert needs(where).unsized == ["mine"]
    found = group(where, "mine")
    assert (found.types, found.image, found.zones, found.more()) == ((), None, (), (0, 0))
    assert [one.label for one in needs(where).lookups] == ["ami-0123456789abcdef0"]


@pytest.mark.parametrize(
    ("base", "share", "more"),
    [(None, 0, (11, 0)), (0, 0, (0, 11)), (2, 50, (7, 4)), (20, 0, (11, 0)), (0, 100, (11, 0))],
)
def test_a_group_is_split_over_the_markets(base, share, more):
    one = Machines(of="api", types=("t3.medium",), most=10, surge=1, base=base, share=share)
    assert one.more() == more


@pytest.mark.parametrize(
    "name", ["t3.medium", "c7i.large", "im4gn.large", "r8g.xlarge", "z1d.large"]
)
def test_these_are_standard_types(name):
    assert standard(name)


@pytest.mark.parametrize(
    "name",
    ["g5.xlarge", "p4d.24xlarge", "inf2.xlarge", "x2gd.large", "hpc7a.12xlarge", "mac2.metal"],
)
def test_these_have_quotas_of_their_own(name):
    assert not standard(name)
