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


def test_what_was_told_half_a_minute_ago_no_longer_counts():
    assert added_up([told(api=10), told(31, api=5)], NOW) == {"api": 10}


def test_a_metric_says_whose_it_is():
    (one,) = metrics("gw-consul", {"api": 15})
    assert (one["MetricName"], one["Value"]) == ("Connections", 15)
    assert one["Dimensions"] == [
        {"Name": "Cluster", "Value": "gw-consul"},
        {"Name": "Service", "Value": "api"},
    ]
