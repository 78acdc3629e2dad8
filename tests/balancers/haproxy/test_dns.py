"""Names that lead to balancers, whatever zone they are in."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network

import pytest

from crossgate import (
    AutoScalingGroup,
    ConfigError,
    Construct,
    ConsulServers,
    HAProxyNodes,
    Listener,
    NullCloud,
    RefusedError,
    TerraformStack,
)

NAME = "api.example.org"
CHECKER = IPv4Network("198.51.100.0/24")


class Zone:
    """Remembers what it was asked for."""

    name = "example.org"
    checkers = (CHECKER,)

    def __init__(self, scope, *refusals):
        self.led = []
        self.scope = scope
        self._refusals = refusals

    def refusals(self, spec):
        return self._refusals

    def lead(self, scope, id, spec):
        Construct(scope, id)
        self.led.append(spec)


@pytest.fixture
def clouds(stack):
    return [NullCloud(stack, name, network=f"10.{n}.0.0/16") for n, name in enumerate(("a", "b"))]


@pytest.fixture
def edge(stack, clouds, api):
    consul = ConsulServers(stack, "consul", clouds=clouds)
    AutoScalingGroup(stack, "api", clouds=clouds, service=api, discovery=consul)
    listeners = [Listener(port=9000, to=api), Listener(port=9001, to=api)]
    return HAProxyNodes(
        stack, "edge", clouds=clouds, discovery=consul, listeners=listeners, spill_over=None
    )


def test_a_name_leads_to_the_entries_of_all_clouds(edge):
    zone = Zone(edge)
    edge.dns(NAME, zone=zone)
    (spec,) = zone.led
    assert spec.entries == {"a": ("203.0.113.1",), "b": ("203.0.113.1",)}
    assert (spec.port, spec.weights, spec.ttl) == (9000, {"a": 1, "b": 1}, 30)


def test_who_looks_is_let_in_on_the_port_that_is_looked_at(edge, clouds):
    edge.dns(NAME, zone=Zone(edge), port=9001)
    for cloud in clouds:
        (entry,) = cloud.entries
        assert entry.allowed == [(CHECKER, 9001)]


def test_what_is_said_reaches_the_zone(edge, clouds):
    zone = Zone(edge)
    edge.dns(NAME, zone=zone, weights={clouds[0]: 0}, ttl=timedelta(minutes=1))
    edge.dns(f"b.{NAME}", zone=zone, first=clouds[1])
    assert zone.led[0].weights == {"a": 0, "b": 1}
    assert zone.led[0].ttl == 60
    assert zone.led[1].weights == {"a": 0, "b": 1}


def test_the_zone_itself_may_be_the_name(edge):
    zone = Zone(edge)
    edge.dns("example.org", zone=zone)
    assert zone.led[0].name == "example.org"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"name": "api.example.com"}, "is not in the zone"),
        ({"name": "notexample.org"}, "is not in the zone"),
        ({"name": "Api.example.org"}, "is no name of DNS"),
        ({"name": "api.example.org."}, "is no name of DNS"),
        ({"name": 7}, "is no name of DNS"),
        ({"zone": "example.org"}, "zone is of the wrong type"),
        ({"zone": Zone}, "zone is a class"),
        ({"port": 9002}, "no listener has this port"),
        ({"port": "9000"}, "port is of the wrong type"),
        ({"ttl": timedelta(0)}, "for no time"),
        ({"ttl": timedelta(seconds=1.5)}, "whole number of seconds"),
        ({"ttl": 30}, "ttl is of the wrong type"),
        ({"first": "a"}, "one cloud is to have all clients"),
        ({"weights": {"a": 1}}, "names a cloud that is not in clouds="),
    ],
    ids=str,
)
def test_fails_on_what_is_wrong_before_anything_is_let_in(edge, clouds, said, why):
    given = {"name": NAME, "zone": Zone(edge), **said}
    with pytest.raises(ConfigError, match=why):
        edge.dns(given.pop("name"), **given)
    assert [entry.allowed for cloud in clouds for entry in cloud.entries] == [[], []]


@pytest.mark.parametrize("weights", [(0, 0), (-1, 1)])
def test_fails_on_weights_that_lead_nobody_anywhere(edge, clouds, weights):
    with pytest.raises(ConfigError, match="nobody would be led anywhere"):
        edge.dns(NAME, zone=Zone(edge), weights=dict(zip(clouds, weights, strict=True)))


def test_fails_on_one_cloud_first_and_weights_at_once(edge, clouds):
    with pytest.raises(ConfigError, match="and no weights"):
        edge.dns(NAME, zone=Zone(edge), first=clouds[0], weights={clouds[1]: 2})


def test_the_same_name_twice_is_refused(edge):
    edge.dns(NAME, zone=Zone(edge))
    with pytest.raises(ConfigError, match="taken"):
        edge.dns(NAME, zone=Zone(edge))


def test_names_that_differ_by_a_hyphen_and_a_dot_are_two(edge):
    for name in ("api.v1.example.org", "api-v1.example.org"):
        edge.dns(name, zone=Zone(edge))


def test_a_zone_of_another_stack_is_refused(edge, app):
    other = NullCloud(TerraformStack(app, "other"), "there")
    with pytest.raises(ConfigError, match=r"the zone 'example\.org' belongs to another stack"):
        edge.dns(NAME, zone=Zone(other))


def test_what_a_zone_refuses_is_told_with_its_place(edge, clouds):
    zone = Zone(edge, RefusedError("it cannot", path="it"))
    with pytest.raises(RefusedError, match=r"edge: dns\('api.example.org'\): it: it cannot"):
        edge.dns(NAME, zone=zone)
    assert zone.led == []
