"""What the program on the servers makes of Consul's answers; tests/lab asks a real Consul."""

from crossgate.discovery.consul.programs.consul_watch import members


def node(name, instance=None):
    return {"Node": name, "Meta": {"instance": instance} if instance else None}


def serf(name, status):
    return {"Node": name, "CheckID": "serfHealth", "Status": status}


def test_a_machine_is_found_by_the_clouds_own_id():
    found = members([node("api-1", "i-1")], [serf("api-1", "passing")])
    assert found == {"i-1": {"name": "api-1", "alive": True}}


def test_a_node_of_no_cloud_is_left_out():
    assert members([node("rack-1")], [serf("rack-1", "passing")]) == {}


def test_a_machine_is_dead_when_gossip_says_so():
    found = members([node("api-1", "i-1")], [serf("api-1", "critical")])
    assert not found["i-1"]["alive"]


def test_a_service_that_fails_makes_no_machine_dead():
    failing = {"Node": "api-1", "CheckID": "service:api", "Status": "critical"}
    found = members([node("api-1", "i-1")], [serf("api-1", "passing"), failing])
    assert found["i-1"]["alive"]


def test_a_machine_with_an_old_node_beside_its_new_one_is_alive():
    nodes = [node("old", "i-1"), node("new", "i-1")]
    for order in (nodes, nodes[::-1]):
        found = members(order, [serf("old", "critical"), serf("new", "passing")])
        assert found["i-1"] == {"name": "new", "alive": True}
