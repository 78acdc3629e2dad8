"""Whom the healer heals, whom not, and what it says: its rules, without a cloud."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgate.clouds.openstack.programs.heat_healer import (
    GONE,
    Group,
    Log,
    Member,
    Notes,
    Rules,
    Unanswered,
    judge,
    look,
)

NOW = 1_000_000.0
RULES = Rules(after=60, grace=600, per_hour=4, cut=0.5)
OLD = NOW - 3600


def member(name: str, status: str = "ACTIVE", born: float = OLD) -> Member:
    return Member(name=name, server=f"server-{name}", status=status, born=born)


def group(*members: Member, status: str = "CREATE_COMPLETE", rules: Rules = RULES) -> Group:
    return Group(
        stack="gw-api/1", nested="gw-api-group/2", status=status, rules=rules, members=members
    )


FOUR = group(*(member(name) for name in "abcd"))
ALL_ALIVE = {one.server: True for one in FOUR.members}


def dead(*names: str) -> dict[str, bool]:
    return ALL_ALIVE | {f"server-{name}": False for name in names}


def since(seconds: float, *names: str) -> Notes:
    return Notes(dead={f"server-{name}": NOW - seconds for name in names})


def test_nobody_is_healed_while_all_are_alive():
    assert judge(FOUR, ALL_ALIVE, Notes(), NOW).heal is None


def test_a_member_that_is_seen_dead_now_has_time_to_come_back():
    notes = Notes()
    assert judge(FOUR, dead("b"), notes, NOW).heal is None
    assert notes.dead == {"server-b": NOW}


def test_a_member_that_came_back_starts_anew():
    notes = since(59, "b")
    judge(FOUR, ALL_ALIVE, notes, NOW)
    assert notes.dead == {}


def test_a_member_that_stays_dead_is_healed():
    verdict = judge(FOUR, dead("b"), since(60, "b"), NOW)
    assert (verdict.heal, verdict.why) == (FOUR.members[1], "the cluster sees it dead")


@pytest.mark.parametrize("status", [GONE, "ERROR", "DELETED"])
def test_what_nova_shows_broken_is_healed_at_once(status):
    broken = group(member("a"), member("b", status))
    assert judge(broken, ALL_ALIVE, Notes(), NOW).heal == broken.members[1]


def test_a_new_machine_may_take_its_grace_to_join():
    young = group(member("a"), member("new", born=NOW - 600))
    assert judge(young, ALL_ALIVE, since(999, "new"), NOW).heal is None


def test_a_machine_that_never_joins_is_healed():
    late = group(member("a"), member("new", born=NOW - 601))
    verdict = judge(late, ALL_ALIVE, since(60, "new"), NOW)
    assert (verdict.heal, verdict.why) == (late.members[1], "it has never joined")


def test_half_of_them_dead_at_once_is_a_cut_network():
    verdict = judge(FOUR, dead("a", "b"), since(300, "a", "b"), NOW)
    assert verdict.heal is None
    assert "2 of 4 are dead at once" in verdict.refused


def test_less_than_half_dead_at_once_are_dead_machines():
    five = replace(FOUR, members=[*FOUR.members, member("e")])
    alive = dead("a", "b") | {"server-e": True}
    assert judge(five, alive, since(300, "b"), NOW).heal == FOUR.members[1]


def test_one_of_two_is_no_cut():
    two = group(member("a"), member("b"))
    assert judge(two, dead("b"), since(60, "b"), NOW).heal == two.members[1]


def test_a_single_machine_is_healed():
    one = group(member("a"))
    assert judge(one, dead("a"), since(60, "a"), NOW).heal == one.members[0]


def test_servers_that_nova_has_lost_are_no_cut():
    lost = group(member("a", GONE), member("b", GONE))
    assert judge(lost, dead("a", "b"), Notes(), NOW).heal == lost.members[0]


def test_a_cluster_that_knows_none_of_the_machines_has_no_say():
    verdict = judge(group(member("a")), {"server-other": True}, since(300, "a"), NOW)
    assert verdict.heal is None
    assert "knows none of its machines" in verdict.refused


def test_while_heat_works_at_the_group_nobody_is_healed():
    busy = replace(FOUR, status="UPDATE_IN_PROGRESS")
    verdict = judge(busy, dead("b"), since(60, "b"), NOW)
    assert (verdict.heal, verdict.refused) == (None, "the stack is in UPDATE_IN_PROGRESS")


def test_no_more_than_so_many_an_hour():
    notes = since(60, "b")
    notes.healed["gw-api/1"] = [NOW - age for age in (3599, 1800, 60, 1)]
    verdict = judge(FOUR, dead("b"), notes, NOW)
    assert verdict.heal is None
    assert "4 were replaced within an hour" in verdict.refused


def test_what_was_healed_an_hour_ago_no_longer_counts():
    notes = since(60, "b")
    notes.healed["gw-api/1"] = [NOW - age for age in (3600, 1800, 60, 1)]
    assert judge(FOUR, dead("b"), notes, NOW).heal == FOUR.members[1]


def test_the_one_that_is_dead_longest_comes_first():
    five = replace(FOUR, members=[*FOUR.members, member("e")])
    alive = dead("a", "b") | {"server-e": True}
    notes = since(70, "a")
    notes.dead["server-b"] = NOW - 80
    assert judge(five, alive, notes, NOW).heal == FOUR.members[1]


ages = st.floats(min_value=0, max_value=7200)


@given(
    st.lists(st.tuples(st.sampled_from(["ACTIVE", "SHUTOFF", "BUILD"]), ages), max_size=8),
    st.lists(st.sampled_from([True, False, None]), min_size=8, max_size=8),
    st.lists(ages, min_size=8, max_size=8),
)
def test_a_machine_that_is_alive_is_never_healed(members, seen, waits):
    there = group(*(member(str(n), status, NOW - age) for n, (status, age) in enumerate(members)))
    alive = {f"server-{n}": one for n, one in enumerate(seen) if one is not None}
    notes = Notes(dead={f"server-{n}": NOW - wait for n, wait in enumerate(waits)})
    verdict = judge(there, alive, notes, NOW)
    assert verdict.heal is None or not alive.get(verdict.heal.server, False)


def test_notes_survive_as_text():
    notes = Notes(dead={"server-a": NOW}, healed={"gw-api/1": [NOW]})
    assert Notes.of(notes.text()) == notes


def test_nothing_noted_yet_is_fine():
    assert Notes.of("\n") == Notes()


class Heard:
    """In the cloud's and in the cluster's place: tells what is set, keeps what it is told."""

    def __init__(self, *groups: Group, alive: dict[str, bool], notes: Notes | None = None) -> None:
        self.there = list(groups)
        self.seen = alive
        self.notes = (notes or Notes()).text()
        self.healed: list[str] = []
        self.answers = True

    def groups(self) -> list[Group]:
        return self.there

    def heal(self, group: Group, member: Member, why: str) -> str:
        self.healed.append(f"{group.stack} {member.name}: {why}")
        return "UPDATE_COMPLETE"

    def alive(self) -> dict[str, bool]:
        if not self.answers:
            raise Unanswered("no cluster leader")
        return self.seen

    def recall(self) -> Notes:
        return Notes.of(self.notes)

    def record(self, notes: Notes) -> None:
        self.notes = notes.text()


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path / "metrics.prom")


def figures(log: Log) -> str:
    return log._metrics.read_text()


def test_one_at_a_time_over_all_groups(log):
    other = replace(FOUR, stack="gw-web/1", members=[member(n) for n in "xyz"])
    alive = dead("b") | {"server-x": False, "server-y": True, "server-z": True}
    heard = Heard(FOUR, other, alive=alive, notes=since(60, "b", "x"))
    look(heard, heard, log, lambda: NOW)
    assert heard.healed == ["gw-api/1 b: the cluster sees it dead"]
    look(heard, heard, log, lambda: NOW)
    assert heard.healed[1:] == ["gw-web/1 x: the cluster sees it dead"]


def test_what_is_done_is_noted_before_it_is_done(log):
    class Broken(Heard):
        def heal(self, group: Group, member: Member, why: str) -> str:
            raise Unanswered("OpenStack answers 503")

    heard = Broken(FOUR, alive=dead("b"), notes=since(60, "b"))
    look(heard, heard, log, lambda: NOW)
    assert Notes.of(heard.notes).healed == {"gw-api/1": [NOW]}


def test_it_is_said_once_and_counted(log, capsys):
    heard = Heard(FOUR, alive=dead("a", "b"), notes=since(300, "a", "b"))
    for _ in range(3):
        look(heard, heard, log, lambda: NOW)
    assert capsys.readouterr().out.count("gw-api: heals nobody: 2 of 4") == 1
    assert 'crossgate_healer_refused_total{group="gw-api"} 3' in figures(log)


def test_a_healing_is_said_and_counted(log, capsys):
    heard = Heard(FOUR, alive=dead("b"), notes=since(60, "b"))
    look(heard, heard, log, lambda: NOW)
    assert capsys.readouterr().out.splitlines() == [
        "gw-api/b: replaces server server-b: the cluster sees it dead",
        "gw-api/b: Heat ended with UPDATE_COMPLETE",
    ]
    assert 'crossgate_healer_healed_total{group="gw-api"} 1' in figures(log)


def test_without_a_leader_nothing_is_done_and_the_reason_is_said(log, capsys):
    heard = Heard(FOUR, alive=dead("b"), notes=since(60, "b"))
    heard.answers = False
    look(heard, heard, log, lambda: NOW)
    assert heard.healed == []
    assert capsys.readouterr().out == "waits: no cluster leader\n"


def test_notes_of_machines_and_stacks_that_are_gone_are_dropped(log):
    notes = since(60, "gone")
    notes.healed["gw-old/1"] = [NOW - 4000]
    heard = Heard(FOUR, alive=ALL_ALIVE, notes=notes)
    look(heard, heard, log, lambda: NOW)
    assert Notes.of(heard.notes) == Notes()
