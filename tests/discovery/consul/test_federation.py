"""Datacenters of several clouds that know each other."""

from __future__ import annotations

import json
from ipaddress import IPv4Network

import pytest

from crossgate import AutoScalingGroup, ConfigError, ConsulServers, NullCloud, PolicyError, Service
from crossgate.model.text import Text
from crossgate.specs import MachinesSpec, Tagged
from tests.discovery.consul.programs import configuration

API = Service(name="api", port=9190, command=["/usr/bin/api"])


@pytest.fixture
def clouds(stack) -> tuple[NullCloud, NullCloud]:
    return NullCloud(stack, "here"), NullCloud(stack, "there")


def federated(stack, clouds, **more) -> ConsulServers:
    here, there = clouds
    return ConsulServers(
        stack,
        "consul",
        clouds=clouds,
        federation={here: ["10.1.0.0/16"], there: ["10.2.0.0/24", "10.3.0.0/24"]},
        **more,
    )


def document(cloud: NullCloud):
    (spec,) = (one for one in cloud.asked if isinstance(one, MachinesSpec))
    return spec.document


def settings(cloud: NullCloud) -> dict:
    file = configuration(document(cloud))["agent.json"]
    return json.loads(Text.of(file.text).sample())


def text(cloud: NullCloud, path: str) -> str:
    (found,) = (file for _, file in document(cloud).written() if file.path == path)
    return repr(found.text)


def opened(cloud: NullCloud) -> set[str]:
    (own,) = (one for one in cloud.firewalls if one.name == "test-consul")
    return {
        f"{rule.ports} from {rule.peer}"
        for rule in own.ingress
        if isinstance(rule.peer, IPv4Network)
    }


def test_servers_join_those_of_the_other_cloud(stack, clouds):
    federated(stack, clouds)
    assert settings(clouds[0])["retry_join_wan"] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert settings(clouds[0])["ports"]["serf_wan"] == 8302


def test_by_default_nobody_gossips_between_clouds(stack, clouds):
    ConsulServers(stack, "consul", clouds=clouds)
    assert settings(clouds[0])["ports"]["serf_wan"] == -1
    assert "retry_join_wan" not in settings(clouds[0])
    assert opened(clouds[0]) == set()


def test_each_lets_in_the_servers_of_the_others_alone(stack, clouds):
    federated(stack, clouds)
    assert opened(clouds[0]) == {
        f"{port} from {source}"
        for port in ("tcp/8300", "tcp/8302", "udp/8302")
        for source in ("10.2.0.0/24", "10.3.0.0/24")
    }
    assert {one.split()[-1] for one in opened(clouds[1])} == {"10.1.0.0/16"}


@pytest.mark.parametrize(
    "path", ["/etc/crossgate/consul-gossip.keyring", "/etc/crossgate/consul-tokens.secrets"]
)
@pytest.mark.parametrize("together", [True, False])
def test_secrets_are_shared_where_datacenters_know_each_other(stack, clouds, path, together):
    if together:
        federated(stack, clouds)
    else:
        ConsulServers(stack, "consul", clouds=clouds)
    assert (text(clouds[0], path) == text(clouds[1], path)) == together


def test_agents_gossip_in_their_own_datacenter(stack, clouds):
    AutoScalingGroup(stack, "api", clouds=clouds, service=API, discovery=federated(stack, clouds))
    (group,) = (one for one in clouds[0].asked if not isinstance(one, MachinesSpec))
    agent = json.loads(Text.of(configuration(group.document)["agent.json"].text).sample())
    assert agent["ports"]["serf_wan"] == -1


def test_the_port_of_their_gossip_is_taken(stack, clouds):
    assert 8302 in federated(stack, clouds).taken_ports


def test_one_cloud_has_nobody_to_know(stack, clouds):
    with pytest.raises(ConfigError, match="nobody to know"):
        ConsulServers(stack, "consul", clouds=clouds[:1], federation={clouds[0]: ["10.1.0.0/16"]})


def test_servers_come_from_the_network_of_their_cloud(stack):
    clouds = (
        NullCloud(stack, "a", network="10.7.0.0/16"),
        NullCloud(stack, "b", network="10.8.0.0/16"),
    )
    ConsulServers(stack, "consul", clouds=clouds, federation={})
    assert {one.split()[-1] for one in opened(clouds[0])} == {"10.8.0.0/16"}


def test_a_network_that_is_not_known_must_be_said(stack, clouds):
    with pytest.raises(ConfigError, match="the network of 'there' is not known"):
        ConsulServers(stack, "consul", clouds=clouds, federation={clouds[0]: ["10.1.0.0/16"]})


def test_the_world_is_no_network(stack, clouds):
    with pytest.raises(PolicyError, match="the world would reach an administrative port"):
        ConsulServers(
            stack,
            "consul",
            clouds=clouds,
            federation={clouds[0]: ["0.0.0.0/0"], clouds[1]: ["10.1.0.0/16"]},
        )


def test_no_address_is_in_two_clouds(stack, clouds):
    ranges = {clouds[0]: ["10.0.0.0/16", "10.1.0.0/16"], clouds[1]: ["10.1.64.0/18"]}
    with pytest.raises(ConfigError, match="the ranges of 'here' and 'there' overlap") as caught:
        ConsulServers(stack, "consul", clouds=clouds, federation=ranges)
    assert "10.1.0.0/16 and 10.1.64.0/18" in str(caught.value)


@pytest.mark.parametrize("wrong", [["10.1.0.0/16"], "10.1.0.0/16", 5])
def test_ranges_are_said_by_cloud(stack, clouds, wrong):
    with pytest.raises(ConfigError, match="federation"):
        ConsulServers(stack, "consul", clouds=clouds, federation=wrong)


def test_somebody_must_be_found_before_it_is_there(stack, clouds, monkeypatch):
    real = NullCloud.reserve

    def reserve(self, *given, **said):
        made = real(self, *given, **said)
        return type(made)(name=made.name, join=Tagged(provider="aws", settings={}))

    monkeypatch.setattr(NullCloud, "reserve", reserve)
    with pytest.raises(ConfigError, match="no cloud knows the addresses of its servers"):
        federated(stack, clouds)
