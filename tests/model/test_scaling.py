"""Steps that make sense, and those that are refused in words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crossgate.errors import ConfigError
from crossgate.model.scaling import Scaling, Step, Steps

UP = Step(at_least=200, add=1)
FAR_UP = Step(at_least=400, add=3)
DOWN = Step(at_most=50, remove=1)
FAR_DOWN = Step(at_most=10, remove=2)


def test_steps_may_come_in_any_order():
    found = Steps(on="connections", steps=[FAR_DOWN, FAR_UP, DOWN, UP])
    assert found.adding == [(200, 1), (400, 3)]
    assert found.removing == [(50, 1), (10, 2)]


@pytest.mark.parametrize(("steps", "shrinks"), [([UP], False), ([UP, DOWN], True)])
def test_machines_go_by_steps_that_remove_some(steps, shrinks):
    assert Steps(on="connections", steps=steps).shrinks is shrinks


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"add": 1},
        {"at_least": 200},
        {"at_most": 50, "add": 1},
        {"at_least": 200, "remove": 1},
        {"at_least": 200, "add": 1, "remove": 1},
        {"at_least": 200, "add": 1, "at_most": 50, "remove": 1},
    ],
)
def test_a_step_is_one_bound_with_its_change(said):
    with pytest.raises(ConfigError, match="Step: is not one bound with its change"):
        Step(**said)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"at_least": 0, "add": 1}, "adds machines whatever the figure"),
        ({"at_least": 200, "add": 0}, "Step: add"),
        ({"at_most": -1, "remove": 1}, "Step: at_most"),
        ({"at_least": float("inf"), "add": 1}, "Step: at_least"),
    ],
)
def test_a_bound_that_makes_no_sense_is_refused(said, words):
    with pytest.raises(ConfigError, match=words):
        Step(**said)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": []}, "says no step"),
        ({"steps": [UP, Step(at_least=200, add=2)]}, "two steps have one bound"),
        ({"steps": [UP, Step(at_least=300, add=1)]}, "changes no more than the one before it"),
        ({"steps": [DOWN, Step(at_most=10, remove=1)]}, "changes no more than the one before it"),
        (
            {"steps": [UP, Step(at_most=200, remove=1)]},
            "the same figure would add machines and remove some",
        ),
        ({"steps": [UP, DOWN], "calm": timedelta(seconds=29)}, "go faster than they can end"),
        ({"on": "cpu", "steps": [UP]}, "more than the whole of a machine"),
        ({"on": "queue", "steps": [UP, DOWN]}, "Steps(.|\n)*that nobody waits does not say"),
        ({"steps": [Step(at_least=n, add=n) for n in range(1, 22)]}, "Steps: steps"),
    ],
)
def test_steps_that_contradict_each_other_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        Steps(**{"on": "connections", **changes})


def test_steps_of_processors_are_shares():
    steps = [Step(at_least=0.6, add=1), Step(at_most=0.2, remove=1)]
    assert Steps(on="cpu", steps=steps).adding == [(0.6, 1)]


def test_a_target_of_waiting_connections_is_above_none():
    with pytest.raises(ConfigError, match="Scaling: target"):
        Scaling(on="queue", target=0)
