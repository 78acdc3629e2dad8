"""The VPC: what waits for its way out, what is found by name, and what is refused."""

from __future__ import annotations

import json

import pytest

from crossgate import (
    AutoScalingGroup,
    AwsCloud,
    ConfigError,
    ConsulServers,
    ExistingVpc,
    HAProxyNodes,
    Listener,
    OwnVpc,
    TerraformStack,
    VpcByName,
)
from crossgate.clouds.aws.bindings.data import DataSubnets, DataVpc
from crossgate.clouds.aws.plan import ExistingVpcPlan

WAYS = {
    "aws_internet_gateway": 1,
    "aws_route": 3,
    "aws_route_table_association": 4,
}


def cloud(scope, **changed):
    given = {
        "region": "us-east-1",
        "zones": ["us-east-1a", "us-east-1b"],
        "image": "ami-0123456789abcdef0",
        "root_device": "/dev/xvda",
        "network": "10.20.0.0/16",
    }
    return AwsCloud(scope, "aws", **(given | changed))


def gateway(scope, aws, api):
    consul = ConsulServers(scope, "consul", clouds=[aws])
    group = AutoScalingGroup(scope, "api", clouds=[aws], service=api, discovery=consul)
    return HAProxyNodes(
        scope,
        "lb",
        clouds=[aws],
        discovery=consul,
        listeners=[Listener(port=9000, to=group.service, allow_from=["198.51.100.0/24"])],
    )


def token_of_list(stack):
    data = DataSubnets(stack, "theirs", filter=[{"name": "vpc-id", "values": ["vpc-1"]}])
    return data.ids


def test_the_header_of_the_proxy_protocol_is_written_for_the_port_that_wants_it(stack, api, synth):
    aws = cloud(stack)
    consul = ConsulServers(stack, "consul", clouds=[aws])
    AutoScalingGroup(stack, "api", clouds=[aws], service=api, discovery=consul)
    listeners = [Listener(port=9000, to=api, accept_proxy=True), Listener(port=9001, to=api)]
    HAProxyNodes(stack, "lb", clouds=[aws], discovery=consul, listeners=listeners)
    made = synth()["resource"]
    groups = {group["port"]: group for group in made["aws_lb_target_group"].values()}
    assert groups[9000]["proxy_protocol_v2"] is True
    assert "proxy_protocol_v2" not in groups[9001]
    # AWS writes it before its own questions about these targets too.
    assert {port: group["health_check"]["port"] for port, group in groups.items()} == {
        9000: "8408",
        9001: "8405",
    }
    opened = [
        rule["from_port"]
        for rule in made["aws_vpc_security_group_ingress_rule"].values()
        if "health checks" in rule["description"]
    ]
    assert sorted(opened) == [8405, 8408]


@pytest.mark.parametrize("kind", ["aws_lb", "aws_autoscaling_group", "aws_eip"])
def test_what_needs_the_world_waits_for_every_part_of_the_way(stack, api, synth, kind):
    gateway(stack, cloud(stack), api)
    made = synth()["resource"]
    # The NAT gateways' own addresses are part of the way.
    waiting = [one for one in made[kind].values() if "-nat-" not in str(one.get("tags"))]
    assert waiting
    expected = {f"{k}.{name}" for k in WAYS for name in made[k]}
    assert len(expected) == sum(WAYS.values())
    for one in waiting:
        assert {way for way in one["depends_on"] if "autoscaling" not in way} == expected


def test_nothing_waits_in_a_vpc_that_exists(stack, api, synth):
    network = ExistingVpc(
        vpc_id="vpc-1", private=["subnet-1"], public=["subnet-2"], cidr="10.9.0.0/16"
    )
    gateway(stack, cloud(stack, network=network), api)
    made = synth()["resource"]
    for kind in ("aws_lb", "aws_autoscaling_group", "aws_eip"):
        waiting = [way for one in made[kind].values() for way in one.get("depends_on", ())]
        assert all("autoscaling" in way for way in waiting)


def test_an_entry_has_an_address_in_each_subnet_that_is_given(stack, api, synth):
    network = ExistingVpc(vpc_id="vpc-1", private=["subnet-1"], public=["subnet-2", "subnet-3"])
    gateway(stack, cloud(stack, network=network), api)
    made = synth()["resource"]
    (balancer,) = made["aws_lb"].values()
    assert [m["subnet_id"] for m in balancer["subnet_mapping"]] == ["subnet-2", "subnet-3"]
    assert "subnets" not in balancer
    assert len(made["aws_eip"]) == 2


def by_ids(stack):
    ids = token_of_list(stack)
    return ExistingVpc(vpc_id="vpc-1", private=ids, public=ids, cidr="10.9.0.0/16")


@pytest.mark.parametrize("network_of", [lambda _: VpcByName(name="main"), by_ids])
def test_subnets_that_are_known_later_give_the_entry_a_fixed_name(stack, api, synth, network_of):
    network = network_of(stack)
    gateway(stack, cloud(stack, network=network), api)
    made = synth()
    (balancer,) = made["resource"]["aws_lb"].values()
    assert balancer["subnets"].startswith("${data.aws_subnets.")
    assert balancer["subnets"].endswith(".ids}")
    assert "subnet_mapping" not in balancer
    assert "aws_eip" not in made["resource"]
    (addresses,) = (o["value"] for name, o in made["output"].items() if "addresses" in name)
    assert len(addresses) == 1
    assert addresses[0].endswith(".dns_name}")


def test_the_range_of_a_vpc_may_be_a_token(stack, api, synth):
    theirs = DataVpc(stack, "theirs", id="vpc-1")
    network = ExistingVpc(
        vpc_id=theirs.id, private=["subnet-1"], public=["subnet-2"], cidr=theirs.cidr_block
    )
    aws = cloud(stack, network=network)
    assert aws.network is None
    gateway(stack, aws, api)
    rules = synth()["resource"]["aws_vpc_security_group_ingress_rule"].values()
    assert any(rule.get("cidr_ipv4", "").endswith(".cidr_block}") for rule in rules)


def test_the_range_of_a_vpc_may_be_an_expression(stack):
    network = ExistingVpc(
        vpc_id="vpc-1", private=["subnet-1"], public=["subnet-2"], cidr="${module.vpc.cidr}"
    )
    aws = cloud(stack, network=network)
    assert aws.network is None
    assert aws.placement.cidr == "${module.vpc.cidr}"


@pytest.mark.parametrize("kind", ["private", "public"])
def test_a_vpc_without_subnets_is_refused(kind):
    given = {"private": ["subnet-1"], "public": ["subnet-2"]} | {kind: []}
    with pytest.raises(ConfigError, match=f"ExistingVpc: {kind}: names no subnets"):
        ExistingVpc(vpc_id="vpc-1", **given)


@pytest.mark.parametrize(
    "beside", [{"private": ["subnet-1"]}, {"public": ["subnet-1"]}, {"cidr": "10.9.0.0/16"}]
)
def test_a_vpc_by_name_takes_nothing_beside(beside):
    with pytest.raises(ConfigError, match="found by its name, and so are its subnets") as caught:
        ExistingVpcPlan(name="main", **beside)
    assert next(iter(beside)) in str(caught.value)


@pytest.mark.parametrize("cidr", ["198.51.0.0/16", "172.32.0.0/16"])
def test_a_public_range_is_refused_with_the_reason(cidr):
    with pytest.raises(ConfigError, match="Consul binds a machine's private address"):
        OwnVpc(cidr)


def test_carrier_grade_space_is_private():
    assert str(OwnVpc("100.64.0.0/16").network) == "100.64.0.0/16"


def test_only_zones_that_every_account_has_are_looked_up(stack, synth):
    cloud(stack, zones=None)
    (found,) = synth()["data"]["aws_availability_zones"].values()
    assert found["filter"] == [{"name": "opt-in-status", "values": ["opt-in-not-required"]}]


@pytest.mark.parametrize(
    ("stack_id", "kind", "prefix"),
    [("internal", "aws_lb", "gw-internal-"), ("sg", "aws_security_group", "gw-sg-")],
)
def test_a_name_that_aws_keeps_to_itself_gets_a_beginning(
    app, api, tmp_path, stack_id, kind, prefix
):
    other = TerraformStack(app, stack_id)
    gateway(other, cloud(other), api)
    app.synth()
    made = json.loads(
        (tmp_path / "cdktf.out" / "stacks" / stack_id / "cdk.tf.json").read_text("utf-8")
    )
    names = [one["name"] for one in made["resource"][kind].values()]
    assert names
    assert all(name.startswith(prefix) for name in names)
