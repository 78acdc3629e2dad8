"""A value of the wrong type is refused in our words, wherever it is given."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network

import pytest

from crossgate import (
    App,
    AutoScalingGroup,
    Capacity,
    ConfigError,
    Consul,
    ConsulServers,
    Gateway,
    GroupPlan,
    HAProxy,
    HAProxyNodes,
    Listener,
    NullCloud,
    Service,
    TerraformStack,
)
from crossgate.specs import MachinesSpec

API = Service(name="api", port=9190, image="registry.example.org/api:1.4")
LISTENER = Listener(port=9000, to=API)


@pytest.fixture
def here(stack):
    return NullCloud(stack, "here", network="10.20.0.0/16")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"market": "spot"}, r"test/api: market is of .*\n.*'spot'\n.*OnDemand\(\) or Spot\(\)"),
        ({"capacity": (2, 4)}, r"capacity is of .*\n.*\(2, 4\)\n.*want: Capacity\(2, 4\)"),
        ({"capacity": None}, "capacity is of the wrong type"),
        ({"machine": "t3.medium"}, r"machine is of .*\n.*\n.*want: Machine\("),
        ({"rollout": 1.0}, r"rollout is of .*\n.*1\.0\n.*want: InstanceRefresh\("),
        ({"service": "api"}, r"service is of .*\n.*'api'\n.*want: Service\("),
        ({"boot": ["x"]}, r"boot\[0\] is of .*\n.*'x'\n.*want: Document\("),
        ({"boot": "x"}, r"boot must be a sequence"),
        ({"clouds": ["aws"]}, r"no cloud\n.*'aws'"),
        ({"clouds": "aws"}, "clouds must be a sequence"),
        ({"clouds": [NullCloud]}, "no cloud"),
        ({"discovery": "consul"}, "discovery is of the wrong type"),
        ({"discovery": ConsulServers}, "discovery is a class"),
        ({"tags": {"team": 1}}, r"tags\['team'\] is of the wrong type"),
        ({"tags": "edge"}, "tags is of the wrong type"),
    ],
)
def test_a_group_says_what_it_wants(stack, here, wrong, says):
    with pytest.raises(ConfigError, match=says):
        AutoScalingGroup(stack, "api", **({"clouds": [here], "service": API} | wrong))
    assert here.asked == []


def test_a_value_of_one_cloud_is_checked_too(stack, here):
    with pytest.raises(ConfigError, match="capacity of 'here' is of the wrong type"):
        AutoScalingGroup(stack, "api", clouds=[here], service=API, capacity={here: 3})


@pytest.mark.parametrize("count", [3.0, 2.5, "3", True, None])
@pytest.mark.parametrize("make", [ConsulServers, HAProxyNodes])
def test_a_count_is_a_whole_number(stack, here, make, count):
    more = {}
    if make is HAProxyNodes:
        consul = ConsulServers(stack, "consul", clouds=[here])
        more = {"discovery": consul, "listeners": [LISTENER]}
    with pytest.raises(ConfigError, match=r"count is of .*\n.*\n.*want: a whole number"):
        make(stack, "made", clouds=[here], count=count, **more)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"listeners": [{}]}, r"listeners\[0\] is of .*\n.*\n.*want: Listener\("),
        ({"listeners": LISTENER}, "listeners must be a sequence"),
        ({"discovery": None}, "discovery is of the wrong type"),
        ({"rollout": 1.0}, "rollout is of the wrong type"),
        ({"machine": "m"}, "machine is of the wrong type"),
        ({"boot": [1]}, r"boot\[0\] is of the wrong type"),
    ],
)
def test_a_balancer_says_what_it_wants(stack, here, wrong, says):
    given = {
        "clouds": [here],
        "listeners": [LISTENER],
        "discovery": ConsulServers(stack, "consul", clouds=[here]),
    }
    with pytest.raises(ConfigError, match=says):
        HAProxyNodes(stack, "edge", **(given | wrong))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"services": [API]}, r"services\[0\] is of (.|\n)*do:.*GroupPlan\(service="),
        ({"services": GroupPlan(service=API)}, "services must be a sequence"),
        ({"services": [GroupPlan(service="api")]}, r"services\[0\]\.service is of"),
        ({"services": [GroupPlan(service=API, clouds=[])]}, "has no cloud to run in"),
        ({"listeners": [9000]}, r"listeners\[0\] is of"),
        ({"discovery": "consul"}, r"discovery is of .*\n.*\n.*want: Consul\(\)"),
        ({"discovery": Consul}, r"discovery is a class\n.*\n.*want: Consul\(\)"),
        ({"balancer": HAProxy}, r"balancer is a class\n.*\n.*want: HAProxy\(\)"),
    ],
)
def test_a_gateway_says_what_it_wants(stack, here, wrong, says):
    given = {"clouds": [here], "services": [GroupPlan(service=API)], "listeners": [LISTENER]}
    with pytest.raises(ConfigError, match=says):
        Gateway(stack, "gateway", **(given | wrong))


@pytest.mark.parametrize(
    ("peer", "port", "says"),
    [
        (["10.0.0.0/8"], 80, "neither a construct nor an address range"),
        (None, 80, "neither a construct nor an address range"),
        ("10.0.0.0/8", "80", r"port is of .*\n.*'80'"),
        ("10.0.0.0/8", 70000, "65535"),
    ],
)
def test_connections_say_what_they_want(stack, here, peer, port, says):
    group = AutoScalingGroup(stack, "api", clouds=[here], service=API)
    with pytest.raises(ConfigError, match=says):
        group.connections.allow_from(peer, port=port)


def test_a_range_may_be_an_object(stack, here):
    group = AutoScalingGroup(stack, "api", clouds=[here], service=API)
    group.connections.allow_from(ip_network("10.0.0.0/8"), port=80)
    assert [str(rule.peer) for rule in here.firewalls[0].ingress] == ["10.0.0.0/8"]


def test_no_scope_is_refused(here):
    with pytest.raises(ConfigError, match=r"scope is no construct\n.*None"):
        AutoScalingGroup(None, "api", clouds=[here], service=API)


def test_a_cloud_of_another_stack_is_refused(app: App, here):
    other = TerraformStack(app, "other")
    with pytest.raises(ConfigError, match=r"another stack(.|\n)*make it in the same stack"):
        AutoScalingGroup(other, "api", clouds=[here], service=API, capacity=Capacity(1))


@pytest.mark.parametrize("port", [22, 8300, 8301, 8500, 8600])
def test_the_ports_of_the_agent_are_nobody_elses(stack, here, port):
    consul = ConsulServers(stack, "consul", clouds=[here])
    service = Service(name="api", port=port, image="registry.example.org/api:1.4")
    with pytest.raises(ConfigError, match=f"port is taken on the machine\n.*{port}\n.*8600"):
        AutoScalingGroup(stack, "api", clouds=[here], service=service, discovery=consul)
    with pytest.raises(ConfigError, match=f"taken by the balancer itself\n.*{port}\n.*8600"):
        HAProxyNodes(
            stack,
            "edge",
            clouds=[here],
            discovery=consul,
            listeners=[Listener(port=port, to=API)],
        )


def test_servers_are_given_the_time_to_boot(stack, here):
    ConsulServers(stack, "consul", clouds=[here])
    (spec,) = (asked for asked in here.asked if isinstance(asked, MachinesSpec))
    assert spec.rollout.warmup == timedelta(minutes=5)


def test_no_balancer_is_built_when_the_second_cloud_refuses(stack, here):
    there = NullCloud(stack, "there")
    consul = ConsulServers(stack, "consul", clouds=[here, there])
    before = len(here.asked)
    there._refuses = ("has no machines today",)
    with pytest.raises(Exception, match="has no machines today"):
        HAProxyNodes(stack, "edge", clouds=[here, there], discovery=consul, listeners=[LISTENER])
    assert len(here.asked) == before


def test_a_port_without_a_listener_is_not_opened(stack, here):
    consul = ConsulServers(stack, "consul", clouds=[here])
    edge = HAProxyNodes(stack, "edge", clouds=[here], discovery=consul, listeners=[LISTENER])
    with pytest.raises(ConfigError, match=r"nothing listens on the port\n.*tcp/9001'\n.*9000"):
        edge.connections.allow_from("198.51.100.0/24", port=9001)
    edge.connections.allow_from("198.51.100.0/24", port=22)
