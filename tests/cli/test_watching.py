from __future__ import annotations

import io

import pytest
from rich.console import Console

from crossgate.cli.following import Phase, Progress
from crossgate.cli.watching import summarize, watcher
from tests.cli.test_following import DONE, Scripted

ROLLOUTS = [Scripted([DONE], name="api"), Scripted([DONE], cloud="nova", name="edge")]
HALF = Progress(phase=Phase.RUNNING, said="waits for i-1 " + "x" * 120, percent=50, left=1)
FAILED = Progress(phase=Phase.FAILED, said="went wrong", do="mend it")


def shown(*told: tuple[int, Progress], terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=terminal, color_system=None)
    with watcher(console, ROLLOUTS) as watched:
        for number, progress in told:
            watched.told(number, progress)
    return out.getvalue()


def test_without_a_terminal_each_change_is_one_line_however_long():
    lines = shown((0, HALF), (1, DONE), terminal=False).splitlines()
    assert lines == [
        f"aws: api: running, 50 %, 1 left: {HALF.said}",
        "nova: edge: done: done",
    ]


def test_in_a_terminal_there_is_a_bar_for_each():
    last = shown((0, HALF), (1, DONE), terminal=True)
    assert "━" in last
    for part in ("aws: api", "50 %, 1 left", "waits for i-1", "nova: edge", "done"):
        assert part in last


@pytest.mark.parametrize("terminal", [True, False])
def test_what_looks_like_markup_is_shown_as_it_is(terminal):
    said = Progress(phase=Phase.RUNNING, said="[red]not ours[/red]")
    assert "[red]not ours[/red]" in shown((0, said), terminal=terminal)


def summary(*found: Progress) -> str:
    out = io.StringIO()
    summarize(Console(file=out, width=60), ROLLOUTS[: len(found)], found)
    return out.getvalue()


def test_the_end_says_what_to_do_and_counts():
    said = summary(DONE, FAILED)
    assert "nova: edge: failed\n  went wrong\n  do: mend it\n" in said
    assert said.endswith("1 done, 1 failed\n")


def test_what_still_runs_goes_on_without_anybody_looking():
    assert "it goes on in the cloud: `crossgate rollout` follows it again" in summary(HALF)


def test_nothing_is_said_to_be_nothing():
    assert summary() == "nothing to follow\n"
