from __future__ import annotations

from datetime import time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgate import Capacity, ConfigError, InstanceRefresh, Scheduled, Termination


def scheduled(**changed):
    return Scheduled(**({"name": "day", "at": "07:00", "time_zone": "UTC", "minimum": 2} | changed))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"name": "Day"}, "Scheduled: name"),
        ({"at": "7:00"}, 'hours and minutes: "07:30"'),
        ({"at": "24:00"}, 'hours and minutes: "07:30"'),
        ({"at": time(7, 0, 30)}, "is not a whole minute of the day"),
        ({"at": 700}, "Scheduled: at"),
        ({"time_zone": "Europe/Berln"}, 'an IANA name such as "Europe/Berlin"'),
        ({"time_zone": "../etc"}, "is no time zone"),
        ({"days": []}, "Scheduled: days"),
        ({"days": "mon"}, "Scheduled: days"),
        ({"days": ["monday"]}, "Scheduled: days"),
        ({"days": ["mon", "mon"]}, "a day is named twice"),
        ({"minimum": 3, "maximum": 2}, "minimum <= desired <= maximum"),
        ({"maximum": 4, "desired": 5}, "minimum <= desired <= maximum"),
        ({"minimum": -1}, "Scheduled: minimum"),
        ({"minimum": True}, "Scheduled: minimum"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(changed, says):
    with pytest.raises(ConfigError) as caught:
        scheduled(**changed)
    assert says in str(caught.value)


def test_a_schedule_names_its_time_zone():
    with pytest.raises(ConfigError, match="Scheduled: time_zone: is required"):
        Scheduled("day", at="07:00", minimum=2)


@given(st.integers(0, 23), st.integers(0, 59))
def test_every_minute_of_the_day_may_be_written(hour, minute):
    assert scheduled(at=f"{hour:02d}:{minute:02d}").at == time(hour, minute)


def test_two_schedules_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="two schedules have one name"):
        Capacity(2, 6, scheduled=[scheduled(), scheduled(at="08:00")])


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"policies": ["oldest"]}, "Termination: policies"),
        ({"max_lifetime": timedelta(days=7), "protect": True}, "is not replaced for its age"),
        ({"policies": "oldest-instance"}, "Termination: policies"),
        ({"policies": ["newest-instance"] * 2}, "a policy is named twice"),
        ({"max_lifetime": timedelta(hours=12)}, "1 to 365 days"),
        ({"max_lifetime": timedelta(days=366)}, "1 to 365 days"),
    ],
)
def test_a_termination_that_cannot_be_is_refused(changed, says):
    with pytest.raises(ConfigError) as caught:
        Termination(**changed)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"checkpoints": [0.5, 0.2]}, "each checkpoint must be above the one before"),
        ({"checkpoints": [0.5, 0.501]}, "by a whole per cent"),
        ({"checkpoints": [1.0]}, "InstanceRefresh: checkpoints"),
        ({"checkpoints": [20]}, "InstanceRefresh: checkpoints"),
        ({"checkpoints": 0.5}, "InstanceRefresh: checkpoints"),
        ({"checkpoint_delay": timedelta(days=3)}, "at most 2 days"),
        ({"alarms": "errors"}, "InstanceRefresh: alarms"),
        ({"alarms": ["a"] * 11}, "InstanceRefresh: alarms"),
    ],
)
def test_a_rollout_that_cannot_be_is_refused(changed, says):
    with pytest.raises(ConfigError) as caught:
        InstanceRefresh(**changed)
    assert says in str(caught.value)
