"""What CloudWatch is told of what the balancers told; tests/lab does it to an emulator."""

from __future__ import annotations

import json

from crossgate.clouds.aws.programs.cloudwatch_figures import added_up, metrics

NOW = 1_000_000.0


def told(age=0.0, **connections):
    services = {service: {"connections": number} for service, number in connections.items()}
    return json.dumps({"at": NOW - age, "services": services})


def test_what_all_balancers_see_is_added_up_for_each_service():
    assert added_up([told(api=10, web=1), told(api=5)], NOW) == {"api": 15, "web": 1}


def test_a_balancer_that_told_nothing_for_long_is_one_no_more():
    assert added_up([told(api=10), told(901, api=5)], NOW) == {"api": 10}


def test_while_a_balancer_is_mute_nothing_is_told_of_its_services():
    assert added_up([told(api=10, web=1), told(31, api=5)], NOW) == {"web": 1}


def test_a_metric_says_whose_it_is():
    (one,) = metrics("gw-consul", {"api": 15})
    assert (one["MetricName"], one["Value"]) == ("Connections", 15)
    assert one["Dimensions"] == [
        {"Name": "Cluster", "Value": "gw-consul"},
        {"Name": "Service", "Value": "api"},
    ]
