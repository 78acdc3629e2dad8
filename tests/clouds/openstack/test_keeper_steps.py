"""Steps and those that wait, as the keeper judges them, and that AWS is asked for the same."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from crossgate.clouds.aws.steps import intervals
from crossgate.clouds.openstack.programs.heat_keeper import scaling
from crossgate.clouds.openstack.programs.heat_keeper.__main__ import look
from crossgate.clouds.openstack.programs.heat_keeper.load import Load, load_of
from crossgate.clouds.openstack.programs.heat_keeper.log import Log
from crossgate.clouds.openstack.programs.heat_keeper.notes import Notes
from crossgate.clouds.openstack.programs.heat_keeper.rules import Rules, Scale, Steps
from crossgate.errors import PolicyError
from crossgate.model import scaling as model
from crossgate.policy import steps_settle
from tests.clouds.openstack.test_heat_keeper import (
    NOW,
    RULES,
    Heard,
    figures,
    group,
    member,
    quiet,
    told,
)

CALM = 300
QUEUE = Scale(on="queue", target=5, cooldown=60, calm=CALM, shrink=True, room=100)
STEPS = Steps(
    on="connections",
    adding=[(200, 1), (400, 3)],
    removing=[(50, 1), (10, 2)],
    cooldown=60,
    calm=CALM,
)


def sized(size: int, *rules: Scale | Steps, least: int = 2, most: int = 9):
    members = [member(str(n)) for n in range(size)]
    return group(*members, rules=replace(RULES, least=least, most=most, scale=rules))


def judged(size: int, load: Load, *rules: Scale | Steps, notes: Notes | None = None, **bounds):
    return scaling.judge(sized(size, *rules, **bounds), load, notes or Notes(), NOW)


# Those that wait.


def test_a_group_grows_when_more_wait_than_may():
    assert judged(2, Load(210, 10), QUEUE).policy == ""
    found = judged(2, Load(211, 11), QUEUE)
    assert (found.policy, found.why) == (
        "scale-up",
        "211 connections, 11 of them waiting, to 2 machines",
    )


def test_a_full_group_does_not_shrink_for_that_nobody_waits():
    assert judged(3, Load(300, 0), QUEUE, notes=quiet(999)).policy == ""
    assert judged(3, Load(181, 0), QUEUE, notes=quiet(999)).policy == ""


def test_a_group_shrinks_when_its_connections_fit_in_fewer_with_a_tenth_to_spare():
    assert judged(3, Load(180, 0), QUEUE, notes=quiet(999)).policy == "scale-down"


def test_a_group_does_not_shrink_while_too_many_wait_though_there_is_room():
    # A machine that refuses connections leaves room where some wait.
    assert judged(3, Load(100, 10), QUEUE, notes=quiet(999)).policy == ""
    assert judged(3, Load(100, 9), QUEUE, notes=quiet(999)).policy == "scale-down"


def test_what_waits_is_added_up_over_the_balancers():
    one = json.dumps({"at": NOW, "services": {"api": {"connections": 10, "queue": 3}}})
    assert load_of("api", [one, one], NOW) == Load(20, 6)


def test_at_a_balancer_of_an_earlier_version_nobody_waits():
    assert load_of("api", [told(10)], NOW) == Load(10, 0)


# Steps.


@pytest.mark.parametrize(
    ("connections", "policy"),
    [
        (399, ""),
        (400, "scale-up"),
        (799, "scale-up"),
        (800, "scale-up-3"),
        (8000, "scale-up-3"),
    ],
)
def test_the_highest_bound_that_is_reached_says_how_many_come(connections, policy):
    assert judged(2, Load(connections), STEPS).policy == policy


@pytest.mark.parametrize(
    ("connections", "policy"),
    [(251, ""), (250, "scale-down"), (51, "scale-down"), (50, "scale-down-2"), (0, "scale-down-2")],
)
def test_the_lowest_bound_that_is_reached_says_how_many_go(connections, policy):
    assert judged(5, Load(connections), STEPS, notes=quiet(CALM)).policy == policy


def test_machines_go_when_they_have_been_too_many_for_long():
    assert judged(5, Load(0), STEPS, notes=quiet(CALM - 1)).policy == ""


def test_as_many_go_as_could_at_the_busiest_moment_of_the_quiet_time():
    notes = Notes()
    for second, connections in ((0, 0), (100, 240), (200, 0)):
        assert scaling.judge(sized(5, STEPS), Load(connections), notes, NOW + second).by == 0
    assert scaling.judge(sized(5, STEPS), Load(0), notes, NOW + CALM).by == -1


def test_a_jump_is_one_signal_that_is_counted_and_said(tmp_path, capsys):
    log = Log(tmp_path / "metrics.prom")
    heard = Heard(sized(2, STEPS), alive={f"server-{n}": True for n in range(2)})
    heard.told = [told(900)]
    look(heard, heard, log, lambda: NOW)
    assert heard.signals == ["gw-api/1 scale-up-3"]
    assert capsys.readouterr().out == "gw-api size: scale-up-3: 900 connections to 2 machines\n"
    assert 'crossgate_keeper_scale_up_total{group="gw-api"} 1' in figures(log)


def test_a_jump_waits_for_the_cooldown():
    assert judged(2, Load(900), STEPS, notes=Notes(scaled={"gw-api/1": NOW - 59})).by == 0
    assert judged(2, Load(900), STEPS, notes=Notes(scaled={"gw-api/1": NOW - 60})).by == 3


def test_a_group_at_its_maximum_stays_and_says_so():
    assert judged(9, Load(9000), STEPS).refused == "it needs more than its 9 machines"


def test_of_several_rules_the_one_that_asks_for_most_wins():
    assert judged(2, Load(900, 90), QUEUE, STEPS).by == 3
    assert judged(2, Load(300, 90), QUEUE, STEPS).by == 1


def test_all_rules_that_say_so_must_agree_before_machines_go():
    busy = replace(QUEUE, room=10)
    assert judged(5, Load(50), STEPS, notes=quiet(CALM)).by == -2
    assert judged(5, Load(50), busy, STEPS, notes=quiet(CALM)).by == 0
    assert judged(5, Load(30), busy, STEPS, notes=quiet(CALM)).by == -1


def test_a_rule_that_only_adds_lets_others_take_away_what_it_would_not_add_again():
    adds = Steps(on="connections", adding=[(80, 1)], removing=[], cooldown=60, calm=CALM)
    shrinks = replace(STEPS, removing=[(70, 1)])
    assert judged(5, Load(300), adds, shrinks, notes=quiet(CALM)).by == -1
    assert judged(5, Load(320), adds, shrinks, notes=quiet(CALM)).by == 0


def test_rules_are_read_as_they_are_written():
    made = {
        "service": "api",
        "least": 2,
        "most": 9,
        "heal": {"after": 60, "grace": 600, "per_hour": 4, "cut": 0.5},
        "scale": [
            {"on": "queue", "target": 5, "cooldown": 60, "calm": 300, "shrink": True, "room": 100},
            {"on": "connections", "adding": [[200, 1]], "removing": [], "cooldown": 60, "calm": 30},
        ],
    }
    queue, steps = Rules.of(made).scale
    assert (type(queue), type(steps)) == (Scale, Steps)
    assert (queue.room, steps.adding) == (100, [[200, 1]])


HEATS = """
import json, sys
from heat.scaling.scalingutil import calculate_new_capacity
kind = "change_in_capacity"
asked = json.load(sys.stdin)
print(json.dumps([calculate_new_capacity(n, by, kind, None, 2, 6) for n, by in asked]))
"""


@pytest.mark.openstack
def test_heat_keeps_a_jump_within_the_bounds_and_does_what_fits_of_it():
    jumps = [(size, by) for size in range(2, 7) for by in (-3, -1, 1, 3)]
    done = subprocess.run(
        ["/usr/bin/python3", "-c", HEATS],
        input=json.dumps(jumps), check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == [min(max(size + by, 2), 6) for size, by in jumps]


# The same answer in both clouds, at every figure.


def rising(most: int = 6):
    """Return machines and bounds, both of which rise."""
    numbers = st.lists(st.integers(1, 400), unique=True, min_size=1, max_size=most).map(sorted)
    return numbers.flatmap(
        lambda bounds: st.lists(
            st.integers(1, 30), unique=True, min_size=len(bounds), max_size=len(bounds)
        ).map(lambda machines: list(zip(bounds, sorted(machines), strict=True)))
    )


def of_aws(changes: list[tuple[float, int]], figure: float) -> int:
    """Return what AWS does: the alarm's threshold is reached, and one interval holds the rest.

    As StepAdjustment in its API reference has it: of an interval above the threshold the lower
    bound is a part and the upper one is none; of one below it is the other way round.
    """
    threshold, upwards = changes[0][0], changes[0][1] > 0
    if not (figure >= threshold if upwards else figure <= threshold):
        return 0
    beyond = figure - threshold
    found = []
    for step in intervals(changes):
        lower = float(step.get("metric_interval_lower_bound", "-inf"))
        upper = float(step.get("metric_interval_upper_bound", "inf"))
        if (lower <= beyond < upper) if upwards else (lower < beyond <= upper):
            found.append(step["scaling_adjustment"])
    (by,) = found  # neither a gap nor two that overlap
    return by


@given(rising(), st.integers(0, 50_000), st.integers(1, 40))
def test_aws_adds_what_the_keeper_adds(adding, connections, size):
    steps = replace(STEPS, adding=adding, removing=[])
    assert of_aws(adding, connections / size) == steps.more(Load(connections), size)


@given(rising(), st.integers(0, 50_000), st.integers(1, 40))
def test_aws_removes_what_the_keeper_removes(changes, connections, size):
    bounds = sorted((bound for bound, _ in changes), reverse=True)
    removing = list(zip(bounds, (machines for _, machines in changes), strict=True))
    steps = replace(STEPS, adding=[], removing=removing)
    downwards = [(bound, -machines) for bound, machines in removing]
    assert of_aws(downwards, connections / size) == -(steps.fewer(Load(connections), size) or 0)


@given(rising(), st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, 40))
def test_more_connections_never_add_fewer_machines(adding, connections, further, size):
    steps = replace(STEPS, adding=adding)
    assert steps.more(Load(connections), size) <= steps.more(Load(connections + further), size)


@given(rising(), rising(), st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 40))
def test_a_step_starts_and_ends_within_the_bounds(adding, changes, connections, size, most):
    """What Heat makes of a signal stays within its bounds; the keeper asks for none at a bound."""
    assume(changes[-1][0] < adding[0][0] and size <= most)
    removing = [(bound, n) for (bound, _), (_, n) in zip(changes[::-1], changes, strict=True)]
    steps = replace(STEPS, adding=adding, removing=removing)
    by = judged(size, Load(connections), steps, notes=quiet(CALM), least=1, most=most).by
    assert by <= 0 or size < most
    assert by >= 0 or size > 1
    if by < 0:
        left = max(1, size + by)  # Heat's own bound
        assert steps.more(Load(connections), left) == 0, "it would grow again by the same load"


@given(rising(3), rising(3), st.integers(1, 5), st.integers(0, 35), st.integers(0, 10_000))
def test_steps_that_may_be_written_never_swing_whoever_takes_them(
    adding, changes, least, more, connections
):
    assume(changes[-1][0] < adding[0][0])
    removing = [(bound, n) for (bound, _), (_, n) in zip(changes[::-1], changes, strict=True)]
    written = model.Steps(
        on="connections",
        steps=[
            *(model.Step(at_least=bound, add=n) for bound, n in adding),
            *(model.Step(at_most=bound, remove=n) for bound, n in removing),
        ],
    )
    try:
        steps_settle.check(written, least, "api")
    except PolicyError:
        reject()
    steps = replace(STEPS, adding=written.adding, removing=written.removing)
    size, load = least + more, Load(connections)
    left = max(least, size - (steps.fewer(load, size) or 0))
    assert left == size or steps.more(load, left) == 0
