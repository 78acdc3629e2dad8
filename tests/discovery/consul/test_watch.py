"""What the program on the servers makes of Consul's answers; tests/lab asks a real Consul."""

import contextlib
import time

import pytest

from crossgate.discovery.consul.programs import consul_watch
from crossgate.discovery.consul.programs.consul_watch import is_voter, members, older
from tests.discovery.consul.programs import running_consul


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


def autopilot(**given):
    return {"Healthy": True, "Servers": [{"ID": "me", "Healthy": True, "Voter": True} | given]}


def test_a_server_is_ready_when_autopilot_calls_it_a_healthy_voter():
    assert is_voter(autopilot(), "me")


@pytest.mark.parametrize("lacks", [{"Healthy": False}, {"Voter": False}, {"ID": "other"}])
def test_a_server_that_is_none_yet_is_not_ready(lacks):
    assert not is_voter(autopilot(**lacks), "me")


def test_while_there_is_no_leader_nobody_is_ready():
    assert not is_voter({"Healthy": False, "Servers": None}, "me")


@pytest.fixture(scope="module")
def consul():
    with running_consul() as consul:
        yield consul


@pytest.fixture
def asked(consul, monkeypatch):
    monkeypatch.setattr(consul_watch, "_AGENT", f"http://{consul.address}/v1")
    return consul


def registered(consul, status):
    check = {"CheckID": f"check-{status}", "Status": status, "TTL": "1h"}
    consul.put("/v1/agent/service/register", {"Name": status, "Port": 9190, "Check": check})


@pytest.mark.live
def test_the_real_consul_calls_its_only_server_ready(asked):
    said = None
    for _ in range(300):
        with contextlib.suppress(SystemExit):
            said = consul_watch.main(["ready"])
            break
        time.sleep(0.1)
    assert said == ""


@pytest.mark.live
@pytest.mark.parametrize("status", ["critical", "warning"])
def test_a_machine_whose_service_does_not_pass_is_not_ready(asked, status):
    registered(asked, status)
    with pytest.raises(SystemExit, match=f"{status} does not pass on "):
        consul_watch.main(["ready", status])


@pytest.mark.live
def test_a_machine_whose_service_passes_is_ready(asked):
    registered(asked, "passing")
    assert consul_watch.main(["ready", "passing"]) == ""


@pytest.mark.live
def test_a_service_that_nobody_has_is_not_ready(asked):
    with pytest.raises(SystemExit, match="nothing does not pass on "):
        consul_watch.main(["ready", "nothing"])


def member(name, build, *, status=1, role="consul"):
    return {"Name": name, "Status": status, "Tags": {"role": role, "build": build}}


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("1.20.0", []),
        ("1.20.1", ["a", "c"]),
        ("1.21.0", ["a", "b", "c"]),
        ("1.9.9", []),
        ("1.100.0", ["a", "b", "c"]),
    ],
)
def test_servers_that_are_older_than_an_agent_are_named(version, found):
    servers = [
        member("a", "1.20.0:8f2c9e05"),
        member("b", "1.20.3:8f2c9e05"),
        member("c", "1.20.0+ent:8f2c9e05"),
        member("gone", "1.2.0:8f2c9e05", status=4),
        member("agent", "1.2.0:8f2c9e05", role="node"),
    ]
    assert older(servers, version) == found
