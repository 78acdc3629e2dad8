"""Clouds whose balancers lead clients to each other, as they are asked for and in the JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from crossgate import (
    JETSTREAM2,
    AutoScalingGroup,
    AwsCloud,
    Capacity,
    Certificate,
    ConfigError,
    ConsulServers,
    ExistingVpc,
    Gateway,
    HAProxyNodes,
    Host,
    InHouse,
    Listener,
    NullCloud,
    OpenStackCloud,
    PolicyError,
    Service,
    SpillOver,
    TcpCheck,
    Tls,
)
from crossgate.specs import EntrySpec
from tests.contract.conftest import HOST_KEY

API = Service(name="api", port=9190, command=["/usr/bin/x"], check=TcpCheck())
LISTENER = Listener(port=9000, to=API)


SPILLS = SpillOver()


def nodes(stack, clouds, *, spill_over: Any = SPILLS, listeners=(LISTENER,)) -> HAProxyNodes:
    consul = ConsulServers(stack, "consul", clouds=clouds)
    AutoScalingGroup(
        stack, "api", clouds=clouds, service=API, discovery=consul, capacity=Capacity(2)
    )
    return HAProxyNodes(
        stack, "edge", clouds=clouds, discovery=consul, listeners=listeners, spill_over=spill_over
    )


@pytest.fixture
def two(stack) -> list[NullCloud]:
    return [NullCloud(stack, name) for name in ("here", "there")]


def entries(cloud: NullCloud) -> EntrySpec:
    (found,) = [spec for spec in cloud.asked if isinstance(spec, EntrySpec)]
    return found


def test_each_entry_has_a_second_port_for_the_others(stack, two) -> None:
    nodes(stack, two)
    assert [list(entries(cloud).ports) for cloud in two] == [[9000, 19000, 8409]] * 2


def test_each_cloud_lets_the_others_in_there_and_nowhere_else(stack, two) -> None:
    made = nodes(stack, two)
    here, there = two
    assert made.entries[here].allowed_clouds == [(there, 19000), (there, 8409)]
    assert made.entries[there].allowed_clouds == [(here, 19000), (here, 8409)]
    assert made.entries[here].allowed == []


def test_a_listener_that_leads_to_no_machine_has_none(stack, two) -> None:
    site = replace(API, name="site", protocol="http")
    certificate = Certificate(chain_variable="chain", key_variable="key")
    secured = Listener(port=443, mode="http", to=site, tls=Tls(certificates=[certificate]))
    sends = Listener(port=80, mode="http", to=site, redirect_to=443)
    nodes(stack, two, listeners=[sends, secured])
    assert list(entries(two[0]).ports) == [80, 443, 10443, 8409]


def test_nothing_of_it_is_there_where_it_is_not_wanted(stack, two, synth) -> None:
    made = nodes(stack, two, spill_over=None)
    assert [list(entries(cloud).ports) for cloud in two] == [[9000]] * 2
    assert made.entries[two[0]].allowed_clouds == []
    assert "edge balancers" not in json.dumps(synth())


def test_the_distance_is_said(stack, two) -> None:
    nodes(stack, two, spill_over=SpillOver(offset=1))
    assert list(entries(two[0]).ports) == [9000, 9001, 8409]


def test_the_world_never_comes_by_that_port(stack, two) -> None:
    with pytest.raises(PolicyError):
        nodes(stack, two).connections.allow_from("0.0.0.0/0", port=19000)


def test_one_cloud_alone_has_nothing_of_it(stack, two) -> None:
    nodes(stack, two[:1])
    assert list(entries(two[0]).ports) == [9000]


def test_a_cloud_that_cannot_be_told_from_strangers_is_refused_with_the_way_out(stack, two) -> None:
    silent = NullCloud(stack, "silent", ways_out=[])
    with pytest.raises(ConfigError, match="by which addresses the balancers of silent") as caught:
        nodes(stack, [*two, silent])
    assert 'ways_out=["198.51.100.7"]' in str(caught.value)


@pytest.mark.parametrize(
    ("offset", "says"), [(1, "is taken"), (60_000, "is above the highest one")]
)
def test_a_port_that_cannot_be_had_is_refused(stack, two, offset: int, says: str) -> None:
    listeners = [LISTENER, Listener(port=9001, to=API)]
    with pytest.raises(ConfigError, match=says) as caught:
        nodes(stack, two, spill_over=SpillOver(offset=offset), listeners=listeners)
    assert "SpillOver(offset=...)" in str(caught.value)


def test_nobody_is_told_of_a_balancers_certificate_as_if_it_were_the_clients(stack, two) -> None:
    certificate = Certificate(chain_variable="chain", key_variable="key")
    listener = Listener(
        port=9443, to=replace(API, send_proxy="v2"), tls=Tls(certificates=[certificate])
    )
    with pytest.raises(ConfigError, match="told of the balancer's certificate") as caught:
        nodes(stack, two, listeners=[listener])
    assert 'send_proxy="v1"' in str(caught.value)


def test_more_listeners_than_a_load_balancer_of_aws_has_are_refused(stack, real) -> None:
    listeners = [replace(LISTENER, port=9000 + number) for number in range(25)]
    with pytest.raises(ConfigError, match="has not that many listeners") as caught:
        nodes(stack, [real["aws"], real["nova"]], listeners=listeners)
    assert "spill_over=None" in str(caught.value)


@pytest.mark.parametrize("wrong", [0, 65_535])
def test_a_distance_that_is_none_is_refused(wrong: int) -> None:
    with pytest.raises(ConfigError, match="offset"):
        SpillOver(offset=wrong)


AWS = {
    "region": "us-east-1",
    "zones": ["us-east-1a", "us-east-1b"],
    "image": "ami-0123456789abcdef0",
    "root_device": "/dev/xvda",
}
EXISTING = ExistingVpc(
    vpc_id="vpc-0", private=["subnet-0"], public=["subnet-1"], cidr="10.20.0.0/16"
)


@pytest.fixture
def rack(stack) -> InHouse:
    return InHouse(
        stack,
        "rack",
        hosts=[Host(f"10.40.0.{n}", cpu=4, memory=8, host_key=HOST_KEY) for n in range(11, 19)],
        user="deploy",
        network="10.40.0.0/16",
        ways_out=["198.51.100.7"],
    )


@pytest.fixture
def real(stack, rack) -> dict[str, Any]:
    """Return a cloud of each kind."""
    return {
        "aws": AwsCloud(stack, "aws", network="10.20.0.0/16", **AWS),
        "nova": OpenStackCloud(
            stack,
            "nova",
            profile=JETSTREAM2,
            network="10.30.0.0/16",
            image="5f3c1d2e-8a4b-4c6d-9e7f-0a1b2c3d4e5f",
        ),
        "rack": rack,
    }


@pytest.fixture
def made(stack, real, synth) -> dict[str, Any]:
    nodes(stack, list(real.values()))
    found: dict[str, Any] = synth()
    return found


def test_aws_lets_in_the_addresses_of_the_other_clouds_routers(made) -> None:
    rules = made["resource"]["aws_vpc_security_group_ingress_rule"].values()
    sources = sorted(rule["cidr_ipv4"] for rule in rules if rule["from_port"] == 19000)
    assert len(sources) == 2
    assert sources[0].startswith("${local.nova_address-outside")
    assert sources[1] == "198.51.100.7/32"


def test_openstack_lets_in_the_addresses_of_the_other_clouds_routers(made) -> None:
    (allowed,) = [
        one["allowed_cidrs"]
        for one in made["resource"]["openstack_lb_listener_v2"].values()
        if one["protocol_port"] == 19000
    ]
    assert allowed.count("public_ip}/32") == 2  # a NAT gateway in each zone
    assert '"198.51.100.7/32"' in allowed


def test_hosts_let_in_the_addresses_of_the_other_clouds_routers(made) -> None:
    text = json.dumps(made["locals"])
    assert text.count('tcp dport 19000 accept comment \\\\\\"balancers of aws') > 0
    assert text.count('tcp dport 19000 accept comment \\\\\\"balancers of nova') > 0


def test_the_balancers_of_each_cloud_have_a_certificate_of_one_authority(made) -> None:
    requests = made["resource"]["tls_cert_request"].values()
    names = [one["dns_names"] for one in requests if "crossgate" in one["dns_names"][0]]
    assert sorted(names) == [[f"{name}.balancers.crossgate"] for name in ("aws", "nova", "rack")]
    signed = {
        one["ca_cert_pem"]
        for key, one in made["resource"]["tls_locally_signed_cert"].items()
        if key.startswith("edge")
    }
    assert len(signed) == 1


def test_a_network_that_exists_says_its_ways_out(stack, real, synth) -> None:
    other = AwsCloud(stack, "other", network=EXISTING, ways_out=["203.0.113.5"], **AWS)
    nodes(stack, [other, real["rack"]])
    assert "203.0.113.5" in json.dumps(synth()["locals"])


@pytest.mark.parametrize(
    ("ways", "says"),
    [
        (["0.0.0.0/0"], "would let strangers in"),
        (["router"], "is no IPv4 range"),
        ("198.51.100.7", "must be a list"),
        (None, "must be a list"),
        ([7], "is no address"),
        (["${var.router}"], "is no IPv4 range"),
        (["#{TfToken[TOKEN.7]}"], "is no address"),
    ],
)
@pytest.mark.parametrize("kind", ["aws", "openstack", "inhouse"])
def test_ways_out_that_are_none_are_refused(stack, kind: str, ways: Any, says: str) -> None:
    def make() -> None:
        if kind == "aws":
            AwsCloud(stack, "c", network=EXISTING, ways_out=ways, **AWS)
        elif kind == "openstack":
            OpenStackCloud(stack, "c", profile=JETSTREAM2, image="ubuntu-24.04", ways_out=ways)
        else:
            host = Host("10.40.0.11", cpu=4, memory=8, host_key=HOST_KEY)
            InHouse(stack, "c", hosts=[host], user="deploy", ways_out=ways)

    with pytest.raises(ConfigError, match=says) as caught:
        make()
    assert caught.value.path == "test/c: ways_out"


def test_a_gateway_file_asks_for_it(stack, tmp_path) -> None:
    said = {
        "clouds": {
            "aws": {"type": "aws", **AWS, "network": "10.20.0.0/16"},
            "nova": {
                "type": "openstack",
                "profile": "jetstream2",
                "image": "ubuntu-24.04",
                "network": "10.30.0.0/16",
                "ways_out": ["203.0.113.5"],
            },
        },
        "services": [{"name": "api", "port": 9190, "image": "registry.example.org/api:1"}],
        "listeners": [{"port": 9000, "to": "api"}],
        "balancer": {"type": "haproxy", "spill_over": {}},
    }
    file = tmp_path / "gateway.json"
    file.write_text(json.dumps(said), encoding="utf-8")
    made = Gateway.from_file(stack, "gw", file)
    assert [list(entry.ports) for entry in made.edge.entries.values()] == [[9000, 19000, 8409]] * 2
    assert [list(cloud.ways_out) for cloud in made.edge.entries][1] == ["203.0.113.5/32"]
