"""Verdicts, table and graphs, from results whose figures are known."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab.calls import Call, Failure, Raw
from lab.commands_load import app
from lab.report import BEGIN, END, figures, write
from lab.report_graph import draw_gaps
from lab.results import Measurement, Result
from lab.targets import TARGETS, judge

STARTED = 5000.0
FAULT = 2.0
END_OF_LOAD = 5.0
WORKERS = 4


def answered(worker: int, at: float, **further: object) -> Call:
    given = {"connection": worker + 1, "opened": 0.0, "server": "api-1", "version": "1"} | further
    return Call(worker=worker, number=0, at=at, seconds=0.01, ok=True, **given)


def failed(worker: int, at: float, **further: object) -> Call:
    given = {"connection": worker + 1, "opened": 0.0, "seconds": 0.1} | further
    return Call(worker=worker, number=0, at=at, ok=False, failures=(Failure.RESET,), **given)


def steady(worker: int, begin: float = 0.0, end: float = END_OF_LOAD) -> Iterator[Call]:
    """Yield a call each 20 ms."""
    for number in range(round((end - begin) / 0.02)):
        yield answered(worker, begin + 0.02 * number)


Measured = Callable[..., Result]


@pytest.fixture
def measured(tmp_path: Path) -> Measured:
    """Write a measurement with calls, and return it read again."""

    def written(
        event: str,
        calls: Sequence[Call] = (),
        *,
        quiet: Sequence[tuple[int, float]] = (),
        mode: str = "lasting",
        retries: int = 0,
        name: str = "",
        **further: object,
    ) -> Result:
        pauses = dict(quiet)
        made = [*calls]
        for worker in range(WORKERS):
            made += steady(worker, 0.0, FAULT)
            made += steady(worker, FAULT + pauses.get(worker, 0.0))
        raw = f"{name or event}-{mode}-{retries}.jsonl"
        settings = {"started": STARTED, "workers": WORKERS, "mode": mode, "retries": retries}
        lines = [json.dumps({"load": settings})]
        lines += [call.line() for call in sorted(made, key=lambda call: call.until)]
        lines.append(json.dumps({"end": END_OF_LOAD, "unfinished": 0}))
        (tmp_path / raw).write_text("\n".join(lines) + "\n")
        given = {"begun": STARTED + FAULT, "done": STARTED + FAULT + 0.05, "victims": ("api-1",)}
        measurement = Measurement(event=event, raw=raw, **given | further)
        return Result.read(measurement.write(tmp_path))

    return written


def test_the_longest_gap_is_that_of_one_worker_after_the_fault(measured: Measured) -> None:
    result = measured("service-killed", quiet=[(2, 0.12)])
    assert result.longest_gap == pytest.approx(0.14)
    assert result.usual_gap == pytest.approx(0.02)


def test_a_gap_before_the_fault_is_not_put_down_to_it(measured: Measured) -> None:
    early = answered(0, 0.5)
    result = measured("drain", [early])
    calls = [c for c in result.raw.calls if not 0.5 < c.at < 1.4]
    assert Result(
        result.measurement, Raw(settings=result.raw.settings, calls=calls, end=5.0)
    ).longest_gap == pytest.approx(0.02)


def test_a_worker_that_never_comes_back_has_a_gap_to_the_end(measured: Measured) -> None:
    result = measured("drain", quiet=[(1, END_OF_LOAD - FAULT)])
    assert result.longest_gap == pytest.approx(3.01)


def test_what_happens_after_the_window_does_not_count(measured: Measured) -> None:
    result = measured("drain", [failed(0, 4.5)], until=STARTED + 3)
    assert judge(result).kept


def test_a_drain_may_fail_no_call(measured: Measured) -> None:
    assert judge(measured("drain")).kept
    assert judge(measured("drain", [failed(0, 2.01)])).missed == ["1 calls failed"]


def test_a_kill_may_fail_one_call_for_each_connection_that_was_open(measured: Measured) -> None:
    assert judge(measured("service-killed", [failed(0, 1.99), failed(1, 2.04)])).kept


def test_a_second_failed_call_on_one_connection_is_told(measured: Measured) -> None:
    verdict = judge(measured("service-killed", [failed(0, 1.99), failed(0, 2.04)]))
    assert verdict.missed == ["1 connections failed more than one call"]


def test_a_failed_call_on_a_connection_made_after_the_kill_is_told(measured: Measured) -> None:
    late = failed(0, 2.3, connection=77, opened=2.29)
    refused = failed(1, 2.3, connection=None, opened=None)
    assert judge(measured("service-killed", [late, refused])).missed == [
        "2 calls failed on connections made after it, or on none"
    ]


def test_connections_that_get_stuck_before_the_hang_is_found_may_fail(measured: Measured) -> None:
    stuck = failed(0, 2.41, connection=77, opened=2.4)
    assert judge(measured("service-hangs", [stuck])).kept
    assert not judge(measured("service-killed", [stuck])).kept
    assert not judge(measured("service-hangs", [failed(0, 2.9, connection=78, opened=2.9)])).kept


def test_failures_on_a_server_that_was_not_touched_are_told(measured: Measured) -> None:
    other = answered(3, 1.0, connection=9, server="api-2")
    verdict = judge(measured("service-killed", [other, failed(3, 1.995, connection=9)]))
    assert verdict.missed == ["calls failed on api-2 too"]


def test_with_two_retries_no_call_may_fail(measured: Measured) -> None:
    one = [failed(0, 1.99)]
    assert judge(measured("service-killed", one, retries=1)).kept
    assert judge(measured("service-killed", one, retries=2)).missed == ["1 calls failed"]


def test_a_longer_gap_than_promised_is_told(measured: Measured) -> None:
    assert judge(measured("service-killed", quiet=[(0, 0.3)])).missed == [
        "a client had no success for 0.320 s"
    ]


def test_a_vanished_balancer_promises_lasting_connections_alone(measured: Measured) -> None:
    assert judge(measured("balancer-vanishes", quiet=[(0, 1.5)], mode="new")).kept
    assert not judge(measured("balancer-vanishes", quiet=[(0, 1.5)], mode="lasting")).kept


def test_a_cloud_that_is_cut_off_may_cost_each_client_one_call(measured: Measured) -> None:
    waiting = [failed(n, 3.1, connection=None, opened=None) for n in (0, 1)]
    assert judge(measured("cloud-cut", waiting)).kept
    again = failed(1, 3.2, connection=None, opened=None)
    assert judge(measured("cloud-cut", [*waiting, again])).missed == [
        "1 clients failed more than one call"
    ]


def test_a_wrong_answer_is_never_right(measured: Measured) -> None:
    forged = Call(
        worker=0, number=0, at=0.1, seconds=0.1, ok=True, failures=(Failure.WRONG,), server="api-1"
    )
    assert judge(measured("service-killed", [forged], retries=2)).missed == ["1 answers were wrong"]


def test_the_first_call_of_a_new_server_is_counted_from_its_start(measured: Measured) -> None:
    first = answered(0, 3.19, server="api-3")
    given = {"started": STARTED + 2.0, "newcomer": "api-3"}
    result = measured("joins", [first], **given)
    assert result.first_call == pytest.approx(1.2)
    assert judge(result).kept
    slow = answered(0, 3.79, server="api-3")
    assert judge(measured("joins", [slow], **given)).missed == ["the first call came after 1.80 s"]
    assert judge(measured("joins", **given)).missed == ["the new server got no call"]


def test_every_event_of_the_targets_can_be_judged(measured: Measured) -> None:
    for key in TARGETS:
        first = answered(0, 3.0, server="new")
        result = measured(key, [first], started=STARTED + 2.5, newcomer="new")
        assert judge(result).kept, key


@pytest.fixture
def several(measured: Measured, tmp_path: Path) -> Path:
    measured("reload", mode="new", note="Eight reloads in four seconds.")
    measured("service-killed", [failed(0, 1.99), failed(1, 1.99)], quiet=[(0, 0.04), (1, 0.05)])
    measured("service-killed", quiet=[(0, 0.3)], mode="new")
    measured("service-killed", retries=2)
    return tmp_path


def test_the_table_says_what_the_results_say(several: Path, tmp_path: Path) -> None:
    told = write(several, tmp_path / "report")
    page = (tmp_path / "report" / "report.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines()
            if line.startswith("|")][2:]  # fmt: skip
    assert len(rows) == len(told) == 4
    for row, said in zip(rows, told, strict=True):
        event, clients, calls, lost, may_fail, gap, at_most, _, verdict = row
        assert event == TARGETS[said["event"]].event
        assert clients.startswith(f"{said['mode']} connections")
        assert (int(calls), int(lost.split()[0])) == (said["calls"], said["failed"])
        assert may_fail == said["may_fail"]
        assert float(gap.removesuffix(" s")) == pytest.approx(said["longest_gap"], abs=0.0006)
        assert (float(at_most.removesuffix(" s")) if at_most else None) == said["gap_at_most"]
        assert (verdict == "kept") is said["kept"]
    assert [said["kept"] for said in told] == [False, True, True, True]
    assert json.loads((tmp_path / "report" / "report.json").read_text()) == told


def test_figures_are_those_of_the_raw_results(measured: Measured) -> None:
    result = measured("service-killed", [failed(0, 1.99), failed(1, 1.99)], quiet=[(1, 0.06)])
    told = figures(result)
    assert (told["failed"], told["failures"]) == (2, {"reset": 2})
    assert told["longest_gap"] == pytest.approx(0.08)
    under_way = [c for c in result.raw.calls if c.until >= FAULT]
    assert told["calls"] == len(under_way)


def test_graphs_are_the_same_bytes_each_time_and_have_no_date(
    several: Path, tmp_path: Path
) -> None:
    write(several, tmp_path / "a")
    write(several, tmp_path / "b")
    names = sorted(path.name for path in (tmp_path / "a").glob("*.svg"))
    assert names == ["gaps.svg", "reload.svg", "service-killed.svg"]
    for name in names:
        drawn = (tmp_path / "a" / name).read_bytes()
        assert drawn == (tmp_path / "b" / name).read_bytes()
        assert b"<dc:date>" not in drawn


def test_graphs_say_the_figures_in_words(several: Path, tmp_path: Path) -> None:
    write(several, tmp_path / "report")
    said = texts(tmp_path / "report" / "service-killed.svg")
    assert (
        "service killed (-9), lasting connections: 2 failed, longest gap 0.070 s (at most 0.15 s)"
        in said
    )
    assert said.count("fault") == 3
    said = texts(tmp_path / "report" / "gaps.svg")
    assert "0.320 s" in said
    assert "service killed (-9), new connections" in said


def test_graphs_have_no_colour(several: Path, tmp_path: Path) -> None:
    write(several, tmp_path / "report")
    for path in (tmp_path / "report").glob("*.svg"):
        for word in path.read_text().replace(";", " ").replace('"', " ").split():
            if word.startswith("#") and len(word) == 7:
                assert word[1:3] == word[3:5] == word[5:7], f"{path.name}: {word}"


def test_a_missed_gap_is_hatched(measured: Measured, tmp_path: Path) -> None:
    draw_gaps([measured("drain")], tmp_path / "kept.svg")
    draw_gaps([measured("drain", quiet=[(0, 0.3)])], tmp_path / "missed.svg")
    assert "<pattern" not in (tmp_path / "kept.svg").read_text()
    assert "<pattern" in (tmp_path / "missed.svg").read_text()


def test_a_page_keeps_what_is_around_the_report(several: Path, tmp_path: Path) -> None:
    page = tmp_path / "docs" / "break.md"
    page.parent.mkdir()
    page.write_text(f"# Break it\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    for _ in range(2):
        write(several, tmp_path / "docs" / "lab", page)
    text = page.read_text()
    assert text.startswith(f"# Break it\n\n{BEGIN}\n\n| event |")
    assert text.endswith(f"\n{END}\n\nafter\n")
    assert "old" not in text
    assert "![Calls over time: service killed (-9)](lab/service-killed.svg)" in text
    assert "Eight reloads in four seconds." in text


def test_the_command_line_says_what_was_missed(several: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(several)])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        "missed: service-killed, new: a client had no success for 0.320 s",
        f"3 of 4 kept; {several / 'report' / 'report.md'}",
    ]


def test_a_page_without_a_place_is_refused(several: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Nothing\n")
    with pytest.raises(ValueError, match="has no place for the report"):
        write(several, tmp_path / "report", page)


def test_a_folder_without_measurements_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no measurements"):
        write(tmp_path, tmp_path / "report")


def texts(path: Path) -> list[str]:
    tree = ET.parse(path)  # noqa: S314  (drawn a moment ago)
    return ["".join(t.itertext()).strip() for t in tree.iter("{http://www.w3.org/2000/svg}text")]
