from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from crossgate.cli.following import (
    EVERY_SECONDS,
    PATIENCE,
    Ended,
    Phase,
    Progress,
    UnansweredError,
    ended,
    follow,
)


def running(said: str = "replaces machines") -> Progress:
    return Progress(phase=Phase.RUNNING, said=said)


DONE = Progress(phase=Phase.DONE, said="done")
FAILED = Progress(phase=Phase.FAILED, said="failed")
UNASKED = Progress(phase=Phase.UNASKED, said="nobody answers")
NOTHING = Progress(phase=Phase.NOTHING, said="nothing")


@dataclass
class Scripted:
    """A rollout that says one thing after the other, then the last for ever."""

    script: list[Progress | str]
    cloud: str = "aws"
    name: str = "api"
    asked: int = 0

    def look(self) -> Progress:
        said = self.script[min(self.asked, len(self.script) - 1)]
        self.asked += 1
        if isinstance(said, str):
            raise UnansweredError(said)
        return said


@dataclass
class Time:
    now: float = 0.0
    told: list[tuple[int, str]] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def follow(self, *scripts: list[Progress | str], seconds: float = 3600) -> list[Progress]:
        self.rollouts = [Scripted(script) for script in scripts]

        def told(number: int, progress: Progress) -> None:
            self.told.append((number, progress.said))

        return follow(self.rollouts, told, seconds, clock=self.clock, sleep=self.sleep)


def test_all_are_followed_until_the_last_is_over():
    time = Time()
    found = time.follow([running(), DONE], [running(), running(), running(), FAILED])
    assert found == [DONE, FAILED]
    assert time.now == 3 * EVERY_SECONDS


def test_what_is_over_is_asked_no_more():
    time = Time()
    time.follow([DONE], [running(), running(), DONE])
    assert [one.asked for one in time.rollouts] == [1, 3]


def test_only_changes_are_told():
    time = Time()
    time.follow([running("a"), running("a"), running("b"), DONE])
    assert time.told == [(0, "a"), (0, "b"), (0, "done")]


def test_when_the_time_has_passed_it_stands_as_it_stands():
    time = Time()
    assert time.follow([running()], seconds=12)[0].phase is Phase.RUNNING
    assert time.now == 12


def test_nothing_to_follow_is_over_at_once():
    assert Time().follow() == []


def test_a_cloud_that_never_answers_is_given_up_at_once():
    time = Time()
    (found,) = time.follow(["no credentials"])
    assert (found.phase, found.said) == (Phase.UNASKED, "no credentials")
    assert time.now == 0


def test_a_cloud_that_is_away_for_a_while_is_asked_again():
    time = Time()
    assert time.follow([running(), *["throttled"] * PATIENCE, running(), DONE]) == [DONE]
    assert "no answer, asking again: throttled" in dict.fromkeys(said for _, said in time.told)


def test_a_cloud_that_is_away_for_long_is_given_up():
    (found,) = Time().follow([running(), "expired"])
    assert (found.phase, found.said) == (Phase.UNASKED, "expired")


@pytest.mark.parametrize(
    ("found", "unasked", "code"),
    [
        ([], {}, Ended.FINE),
        ([DONE, NOTHING], {}, Ended.FINE),
        ([DONE, FAILED], {}, Ended.FAILED),
        ([DONE, running()], {}, Ended.LATE),
        ([FAILED, running()], {}, Ended.FAILED),
        ([FAILED, UNASKED], {}, Ended.NOT_RUN),
        ([DONE], {"nova": "no credentials"}, Ended.NOT_RUN),
    ],
)
def test_what_the_shell_is_told(found, unasked, code):
    assert ended(found, unasked) is code
