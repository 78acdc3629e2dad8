"""What CloudWatch is told of what the balancers told; tests/lab does it to an emulator."""

from __future__ import annotations

import json

from crossgate.clouds.aws.programs.cloudwatch_figures import added_up, metrics

NOW = 1_000_000.0


def told(age=0.0, **figures):
    """Return what a balancer tells: connections, and those that wait, to each service."""
    services = {
        service: {"connections": connections, "queue": queue}
        for service, (connections, queue) in figures.items()
    }
    return json.dumps({"at": NOW - age, "services": services})


def seen(connections, queue):
    return {"connections": connections, "queue": queue}


def test_what_all_balancers_see_is_added_up_for_each_service():
    both = added_up([told(api=(10, 2), web=(1, 0)), told(api=(5, 1))], NOW)
    assert both == {"api": seen(15, 3), "web": seen(1, 0)}


def test_a_balancer_that_told_nothing_for_long_is_one_no_more():
    assert added_up([told(api=(10, 0)), told(901, api=(5, 5))], NOW) == {"api": seen(10, 0)}


def test_while_a_balancer_is_mute_nothing_is_told_of_its_services():
    found = added_up([told(api=(10, 0), web=(1, 0)), told(31, api=(5, 0))], NOW)
    assert found == {"web": seen(1, 0)}


def test_a_balancer_of_an_earlier_version_adds_its_connections():
    old = json.dumps({"at": NOW, "services": {"api": {"connections": 4}}})
    assert added_up([old, told(api=(10, 2))], NOW) == {"api": seen(14, 2)}


def test_a_metric_says_whose_it_is():
    found = metrics("gw-consul", {"api": seen(15, 3)})
    assert [(one["MetricName"], one["Value"]) for one in found] == [
        ("Connections", 15),
        ("Queue", 3),
    ]
    for one in found:
        assert one["Dimensions"] == [
            {"Name": "Cluster", "Value": "gw-consul"},
            {"Name": "Service", "Value": "api"},
        ]
