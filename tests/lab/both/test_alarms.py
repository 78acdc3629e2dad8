"""A group that follows its processors, with a real Aodh and a real Gnocchi."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.ceilometer import Ceilometer
from lab.control_plane.places import ADDRESS, PORTS
from lab.deploy import Deployed, deploy
from lab.machine import until
from lab.openstack import Project, given

if TYPE_CHECKING:
    from lab.control_plane.plane import ControlPlane

pytestmark = [
    pytest.mark.openstack,
    # openstacksdk warns of how it calls itself.
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"),
]

EVERY = 4
GROUP = "measured-api"


@dataclass
class Measured:
    project: Project
    deployed: Deployed
    ceilometer: Ceilometer

    @property
    def size(self) -> int:
        cloud = self.project.operate()
        (group,) = cloud.compute.server_groups(all_projects=True, name=GROUP)
        return len(group.member_ids)

    @property
    def alarms(self) -> dict[str, str]:
        """The states of the alarms that its own project sees, by their names in the template."""
        found = self.project.deploy().session.get(f"http://{ADDRESS}:{PORTS['aodh']}/v2/alarms")
        return {one["name"].split("-")[-2]: one["state"] for one in found.json()}

    def busy(self, share: float, *, until_size: int | None = None, seconds: float) -> list[int]:
        """Have the machines be that busy; return the sizes that were seen."""
        seen: list[int] = []

        def there() -> bool:
            self.ceilometer.measure(share)
            seen.append(self.size)
            time.sleep(1)
            return seen[-1] == until_size

        if until_size is not None:
            until(there, seconds=seconds, what=f"{until_size} machines")
            return seen
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            there()
        return seen


@pytest.fixture(scope="module")
def measured(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    project = plane.project
    deployed = deploy(
        Path(__file__).with_name("measured.py"),
        "measured",
        tmp_path_factory.mktemp("measured"),
        project.environment,
        {"measured": {**given(project), "every": EVERY}},
    )
    try:
        yield Measured(project, deployed, Ceilometer(project, timedelta(seconds=EVERY)))
    finally:
        deployed.destroy()


def test_machines_that_are_half_busy_stay_as_many(measured):
    assert set(measured.busy(0.5, seconds=6 * EVERY)) == {2}


def test_an_alarm_on_measures_makes_the_group_grow_to_its_bound(measured):
    measured.busy(0.9, until_size=4, seconds=120)


def test_a_second_plan_is_empty_at_another_size(measured):
    planned = measured.deployed.terraform("plan", "-no-color", "-detailed-exitcode")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert measured.size == 4


def test_machines_that_came_at_nothing_are_no_calm(measured):
    """Nor is the time in which nobody measured, while the plan was made."""
    rang, sizes = set(), set()
    measured.ceilometer.pause()
    end = time.monotonic() + 10 * EVERY

    def over() -> bool:
        sizes.update(measured.busy(0.9, seconds=2))
        rang.update(name for name, state in measured.alarms.items() if state == "alarm")
        return "busy" in rang and time.monotonic() > end

    until(over, seconds=120, what="the alarm of busy machines")
    assert (rang, sizes) == ({"busy"}, {4})


def test_a_calm_makes_it_shrink_to_its_bound(measured):
    seen = measured.busy(0.1, until_size=2, seconds=180)
    assert seen == sorted(seen, reverse=True)


def test_what_was_calm_takes_none_away_once_it_is_busy(measured):
    """An alarm of Aodh that has rung goes on while its figures disagree, which is a minute here."""
    seen = measured.busy(0.9, until_size=4, seconds=120) + measured.busy(0.9, seconds=6 * EVERY)
    assert seen == sorted(seen)


def test_nothing_is_left_of_it(measured):
    cloud = measured.project.operate()
    assert sorted(measured.alarms) == ["busy", "calm"]
    measured.deployed.destroy()
    assert measured.alarms == {}
    assert list(cloud.identity.trusts()) == []
