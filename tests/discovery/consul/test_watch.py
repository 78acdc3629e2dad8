"""What the program on the servers makes of Consul's answers; tests/lab asks a real Consul."""

import pytest

from crossgate.discovery.consul.programs.consul_watch import members


def node(name, instance=None):
    return {"Node": name, "Meta": {"instance": instance} if instance else None}


def serf(name, status):
    return {"Node": name, "CheckID": "serfHealth", "Status": status}


def test_a_machine_is_found_by_the_clouds_own_id():
    found = members([node("api-1", "i-1")], [serf("api-1", "passing")])
    assert found == {"i-1": {"name": "api-1", "alive": True, "services": {}}}


def test_a_node_of_no_cloud_is_left_out():
    assert members([node("rack-1")], [serf("rack-1", "passing")]) == {}


def test_a_machine_is_dead_when_gossip_says_so():
    found = members([node("api-1", "i-1")], [serf("api-1", "critical")])
    assert not found["i-1"]["alive"]


def test_a_service_that_fails_makes_no_machine_dead():
    failing = {"Node": "api-1", "CheckID": "service:api", "Status": "critical"}
    found = members([node("api-1", "i-1")], [serf("api-1", "passing"), failing])
    assert found["i-1"]["alive"]


def service(name, status, id="service:api"):
    return {"Node": name, "CheckID": id, "ServiceName": "api", "Status": status}


def test_a_service_is_fit_unless_one_of_its_checks_is_critical():
    nodes, well = [node("api-1", "i-1")], serf("api-1", "passing")
    for status, fit in (("passing", True), ("warning", True), ("critical", False)):
        checks = [well, service("api-1", "passing", "other"), service("api-1", status)]
        assert members(nodes, checks)["i-1"]["services"] == {"api": fit}


@pytest.mark.parametrize("kind", ["_service_maintenance:api", "_node_maintenance"])
def test_of_a_machine_in_maintenance_nothing_is_said(kind):
    checks = [service("api-1", "critical"), service("api-1", "critical", kind)]
    assert members([node("api-1", "i-1")], checks)["i-1"]["services"] == {}


def test_a_machine_with_an_old_node_beside_its_new_one_is_alive():
    nodes = [node("old", "i-1"), node("new", "i-1")]
    for order in (nodes, nodes[::-1]):
        found = members(order, [serf("old", "critical"), serf("new", "passing")])
        assert found["i-1"] == {"name": "new", "alive": True, "services": {}}
