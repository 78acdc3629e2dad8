"""Whom the keeper heals, when it grows or shrinks a group, what it says: rules without a cloud."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgate.clouds.openstack.programs.heat_keeper import healing, scaling
from crossgate.clouds.openstack.programs.heat_keeper.__main__ import look
from crossgate.clouds.openstack.programs.heat_keeper.cluster import Seen, Unanswered
from crossgate.clouds.openstack.programs.heat_keeper.heat import GONE, Group, Member
from crossgate.clouds.openstack.programs.heat_keeper.load import Load, load_of
from crossgate.clouds.openstack.programs.heat_keeper.log import Log
from crossgate.clouds.openstack.programs.heat_keeper.notes import Notes
from crossgate.clouds.openstack.programs.heat_keeper.rules import Heal, Rules, Scale
from crossgate.clouds.openstack.programs.heat_keeper.scaling import DOWN, UP

judge = healing.judge

NOW = 1_000_000.0
HEAL = Heal(after=60, grace=600, per_hour=4, cut=0.5)
RULES = Rules(service="api", least=2, most=6, heal=HEAL)
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
    assert judge(broken, dead("b"), Notes(), NOW).heal == broken.members[1]


def test_one_that_nova_shows_in_error_and_the_cluster_alive_is_left_alone():
    there = group(member("a"), member("b", "ERROR"))
    assert judge(there, ALL_ALIVE, Notes(), NOW).heal is None


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


def test_after_a_cut_those_that_are_still_away_have_their_time_again():
    notes = since(300, "a", "b")
    judge(FOUR, dead("a", "b"), notes, NOW)
    assert judge(FOUR, dead("b"), notes, NOW + 5).heal is None
    assert judge(FOUR, dead("b"), notes, NOW + 60).heal == FOUR.members[1]


def test_a_group_of_others_is_left_alone_also_when_nova_lost_some():
    verdict = judge(group(member("a"), member("b", GONE)), {"server-x": True}, Notes(), NOW)
    assert verdict.heal is None
    assert "knows none of its machines" in verdict.refused


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
    st.lists(st.tuples(st.sampled_from(["ACTIVE", "SHUTOFF", "BUILD", "ERROR"]), ages), max_size=8),
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
        self.known = alive
        self.unfit: list[str] = []
        self.notes = replace(notes or Notes(), looked=NOW).text()
        self.told: list[str] = []
        self.healed: list[str] = []
        self.signals: list[str] = []
        self.passed: dict[str, str] = {}
        self.answers = True

    def groups(self) -> tuple[list[Group], dict[str, str]]:
        return self.there, self.passed

    def heal(self, group: Group, member: Member, why: str) -> str:
        self.healed.append(f"{group.stack} {member.name}: {why}")
        return "UPDATE_COMPLETE"

    def signal(self, group: Group, policy: str) -> None:
        self.signals.append(f"{group.stack} {policy}")

    def figures(self) -> list[str]:
        return self.told

    def seen(self) -> dict[str, Seen]:
        if not self.answers:
            raise Unanswered("no cluster leader")
        return {
            key: Seen(alive=alive, services={"api": key not in self.unfit})
            for key, alive in self.known.items()
        }

    def recall(self) -> Notes:
        return Notes.of(self.notes)

    def record(self, notes: Notes) -> None:
        self.notes = notes.text()


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path / "metrics.prom")


def figures(log: Log) -> str:
    return log._metrics.read_text()


def test_what_may_ring_is_counted_from_zero_on(log):
    heard = Heard(FOUR, alive=dead())
    look(heard, heard, log, lambda: NOW)
    for figure in ("healed", "failed", "refused"):
        assert f'crossgate_keeper_{figure}_total{{group="{FOUR.name}"}} 0\n' in figures(log)


def test_one_at_a_time_over_all_groups(log):
    other = replace(FOUR, stack="gw-web/1", members=[member(n) for n in "xyz"])
    alive = dead("b") | {"server-x": False, "server-y": True, "server-z": True}
    heard = Heard(FOUR, other, alive=alive, notes=since(60, "b", "x"))
    look(heard, heard, log, lambda: NOW)
    assert heard.healed == ["gw-api/1 b: the cluster sees it dead"]
    look(heard, heard, log, lambda: NOW)
    assert heard.healed[1:] == ["gw-web/1 x: the cluster sees it dead"]


def test_what_is_done_is_noted_before_and_counts_only_when_it_was_done(log):
    counted = []

    class Broken(Heard):
        def heal(self, group: Group, member: Member, why: str) -> str:
            counted.append(Notes.of(self.notes).healed)
            raise Unanswered("OpenStack answers 503")

    heard = Broken(FOUR, alive=dead("b"), notes=since(60, "b"))
    look(heard, heard, log, lambda: NOW)
    assert counted == [{"gw-api/1": [NOW]}]
    assert Notes.of(heard.notes).healed == {"gw-api/1": []}


def test_who_takes_over_late_starts_all_clocks_anew(log):
    heard = Heard(FOUR, alive=dead("b"), notes=since(300, "b"))
    heard.notes = replace(since(300, "b"), looked=NOW - 61).text()
    look(heard, heard, log, lambda: NOW)
    assert heard.healed == []
    assert Notes.of(heard.notes).dead == {"server-b": NOW}


def test_figures_that_cannot_be_read_keep_nobody_from_being_healed(log):
    class Mute(Heard):
        def figures(self) -> list[str]:
            raise ValueError("no JSON")

    heard = Mute(FOUR, alive=dead("b"))
    for second in (0, 60):
        look(heard, heard, log, lambda now=NOW + second: now)
    assert heard.healed == ["gw-api/1 b: the cluster sees it dead"]


def test_a_stack_that_cannot_be_read_does_not_keep_others_from_being_healed(log, capsys):
    heard = Heard(FOUR, alive=dead("b"), notes=since(60, "b"))
    heard.passed = {"gw-web": "Unanswered: OpenStack answers 404"}
    look(heard, heard, log, lambda: NOW)
    assert heard.healed == ["gw-api/1 b: the cluster sees it dead"]
    assert "gw-web: is passed over: Unanswered" in capsys.readouterr().out


def test_rules_and_notes_of_a_later_version_are_read():
    made = asdict(RULES) | {"colour": "red"}
    made["heal"] |= {"mercy": 1}
    assert Rules.of(made) == replace(RULES, scale=[])
    assert Notes.of('{"dead": {"server-a": 1.0}, "colour": "red"}').dead == {"server-a": 1.0}


def test_a_replacement_that_heat_took_back_is_no_success(log):
    class RolledBack(Heard):
        def heal(self, group: Group, member: Member, why: str) -> str:
            return "ROLLBACK_COMPLETE"

    heard = RolledBack(FOUR, alive=dead("b"), notes=since(60, "b"))
    look(heard, heard, log, lambda: NOW)
    assert 'crossgate_keeper_failed_total{group="gw-api"} 1' in figures(log)


def test_it_is_said_once_and_counted(log, capsys):
    heard = Heard(FOUR, alive=dead("a", "b"), notes=since(300, "a", "b"))
    for _ in range(3):
        look(heard, heard, log, lambda: NOW)
    assert capsys.readouterr().out.count("gw-api: heals nobody: 2 of 4") == 1
    assert 'crossgate_keeper_refused_total{group="gw-api"} 3' in figures(log)


def test_a_healing_is_said_and_counted(log, capsys):
    heard = Heard(FOUR, alive=dead("b"), notes=since(60, "b"))
    look(heard, heard, log, lambda: NOW)
    assert capsys.readouterr().out.splitlines() == [
        "gw-api/b: replaces server server-b: the cluster sees it dead",
        "gw-api/b: Heat ended with UPDATE_COMPLETE",
    ]
    assert 'crossgate_keeper_healed_total{group="gw-api"} 1' in figures(log)


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
    assert Notes.of(heard.notes) == Notes(looked=NOW)


# Machines whose service fails.

UNFIT = replace(FOUR, rules=replace(RULES, heal=replace(HEAL, unfit=300)))


def unfit_since(seconds: float, *names: str) -> Notes:
    return Notes(unfit={f"server-{name}": NOW - seconds for name in names})


def failing(there: Group, notes: Notes, *names: str):
    return judge(there, ALL_ALIVE, notes, NOW, unfit={f"server-{name}" for name in names})


def test_a_machine_whose_service_fails_for_long_is_replaced():
    assert failing(UNFIT, unfit_since(299, "b"), "b").heal is None
    verdict = failing(UNFIT, unfit_since(300, "b"), "b")
    assert (verdict.heal, verdict.why) == (UNFIT.members[1], "its service fails")


def test_a_service_that_works_again_starts_anew():
    notes = unfit_since(299, "b")
    failing(UNFIT, notes)
    assert notes.unfit == {}


def test_without_such_a_rule_a_failing_service_replaces_nothing():
    assert failing(FOUR, unfit_since(9999, "b"), "b").heal is None


def test_half_of_them_failing_have_something_in_common():
    verdict = failing(UNFIT, unfit_since(999, "a", "b"), "a", "b")
    assert verdict.heal is None
    assert "2 of 4 fail at once" in verdict.refused


def test_a_new_machine_may_take_its_grace_until_its_service_works():
    young = replace(UNFIT, members=[member("a"), member("new", born=NOW - 600)])
    assert failing(young, unfit_since(999, "new"), "new").heal is None


def test_a_dead_machine_goes_before_an_unfit_one():
    notes = unfit_since(999, "a")
    notes.dead["server-b"] = NOW - 60
    verdict = judge(UNFIT, dead("b"), notes, NOW, unfit={"server-a"})
    assert verdict.heal == UNFIT.members[1]


def test_the_keeper_looks_at_the_groups_own_service(log):
    heard = Heard(UNFIT, alive=ALL_ALIVE, notes=unfit_since(300, "b"))
    heard.unfit = ["server-b"]
    look(heard, heard, log, lambda: NOW)
    assert heard.healed == ["gw-api/1 b: its service fails"]


# Growing and shrinking.

CONNECTIONS = Scale(on="connections", target=40, cooldown=60, calm=300, shrink=True)


def scaled(size: int, **changes) -> Group:
    rule = replace(CONNECTIONS, **changes)
    return group(*(member(str(n)) for n in range(size)), rules=replace(RULES, scale=[rule]))


def step(size: int, connections: int, notes: Notes | None = None, **changes):
    return scaling.judge(scaled(size, **changes), Load(connections), notes or Notes(), NOW)


def quiet(seconds: float) -> Notes:
    return Notes(calm={"gw-api/1": NOW - seconds})


def test_a_group_grows_at_once_when_its_machines_have_more_than_the_target():
    assert step(2, 80).policy == ""
    assert (step(2, 81).policy, step(2, 81).why) == (UP, "81 connections to 2 machines")


def test_a_group_never_grows_beyond_its_maximum_and_says_so():
    assert step(6, 999).policy == ""
    assert step(6, 999).refused == "it needs more than its 6 machines"


def test_a_group_does_not_grow_again_before_its_cooldown():
    assert step(2, 999, Notes(scaled={"gw-api/1": NOW - 59})).policy == ""
    assert step(2, 999, Notes(scaled={"gw-api/1": NOW - 60})).policy == UP


def test_a_group_shrinks_when_fewer_have_been_enough_for_long():
    assert step(3, 72, quiet(299)).policy == ""
    assert step(3, 72, quiet(300)).policy == DOWN


def test_fewer_machines_must_stay_well_below_the_target():
    assert step(3, 73, quiet(300)).policy == ""


def test_the_quiet_time_starts_anew_with_every_burst():
    notes = quiet(299)
    step(3, 73, notes)
    assert notes.calm == {}


def test_a_group_never_shrinks_below_its_minimum():
    assert step(2, 0, quiet(999)).policy == ""


def test_a_group_that_shall_not_shrink_does_not():
    assert step(3, 0, quiet(999), shrink=False).policy == ""


def test_of_several_figures_the_one_that_asks_for_most_wins():
    rules = replace(RULES, scale=[CONNECTIONS, replace(CONNECTIONS, target=10)])
    two = group(member("a"), member("b"), rules=rules)
    assert scaling.judge(two, Load(21), Notes(), NOW).policy == UP


def test_a_group_that_heat_works_at_keeps_its_size():
    busy = replace(scaled(2), status="UPDATE_IN_PROGRESS")
    assert scaling.judge(busy, Load(999), Notes(), NOW).policy == ""


def test_without_figures_a_group_keeps_its_size_and_the_reason_is_said():
    found = scaling.judge(scaled(2), None, Notes(), NOW)
    assert (found.policy, found.refused) == ("", "no balancer tells its figures")


def test_a_group_does_not_shrink_while_a_machine_of_it_is_not_well():
    notes = quiet(999)
    notes.dead["server-0"] = NOW
    assert step(3, 0, notes).policy == ""


def test_a_group_does_not_shrink_while_a_balancer_is_mute():
    assert scaling.judge(scaled(3), Load(0, whole=False), quiet(999), NOW).policy == ""
    assert scaling.judge(scaled(2), Load(81, whole=False), Notes(), NOW).policy == UP


def test_a_group_without_scaling_needs_no_figures():
    assert scaling.judge(FOUR, None, Notes(), NOW) == scaling.Step()


@given(
    st.integers(min_value=2, max_value=6),
    st.integers(min_value=0, max_value=10_000),
    st.floats(min_value=1, max_value=500),
)
def test_a_group_that_has_shrunk_does_not_grow_again_by_the_same_load(size, connections, target):
    found = step(size, connections, quiet(999), target=target)
    if found.policy == DOWN:
        assert step(size - 1, connections, target=target).policy == ""


def told(connections: int, age: float = 0.0, service: str = "api") -> str:
    return json.dumps({"at": NOW - age, "services": {service: {"connections": connections}}})


def test_the_load_is_what_all_balancers_tell_together():
    assert load_of("api", [told(10), told(5)], NOW) == Load(15)


def test_what_a_balancer_told_half_a_minute_ago_no_longer_counts():
    assert load_of("api", [told(10), told(5, age=31)], NOW) == Load(10, whole=False)
    assert load_of("api", [told(5, age=31)], NOW) is None


def test_a_balancer_that_told_nothing_for_a_quarter_of_an_hour_is_one_no_more():
    assert load_of("api", [told(10), told(5, age=901)], NOW) == Load(10)


@pytest.mark.parametrize("bad", ["", "[]", "{}", '{"at": "now", "services": {}}'])
def test_what_cannot_be_read_makes_the_sum_no_whole(bad):
    assert load_of("api", [told(10), bad], NOW) == Load(10, whole=False)


def test_two_groups_of_one_service_share_its_load(log):
    second = replace(scaled(2), stack="gw-more/1")
    heard = Heard(scaled(2), second, alive={f"server-{n}": True for n in range(2)})
    heard.told = [told(160)]
    look(heard, heard, log, lambda: NOW)
    assert heard.signals == []
    heard.told = [told(161)]
    look(heard, heard, log, lambda: NOW)
    assert len(heard.signals) == 1


def test_what_is_told_of_other_services_is_no_load():
    assert load_of("api", [told(10, service="web")], NOW) is None


def test_a_step_is_signalled_said_counted_and_noted(log, capsys):
    heard = Heard(scaled(2), alive={f"server-{n}": True for n in range(2)})
    heard.told = [told(81)]
    look(heard, heard, log, lambda: NOW)
    assert heard.signals == ["gw-api/1 scale-up"]
    assert capsys.readouterr().out == "gw-api size: scale-up: 81 connections to 2 machines\n"
    assert 'crossgate_keeper_scale_up_total{group="gw-api"} 1' in figures(log)
    assert Notes.of(heard.notes).scaled == {"gw-api/1": NOW}


def test_a_signal_that_heat_does_not_obey_is_said_and_counted(log, capsys):
    heard = Heard(scaled(2), alive={f"server-{n}": True for n in range(2)})
    for minute in range(3):
        heard.told = [told(81, age=-60 * minute)]
        look(heard, heard, log, lambda now=NOW + 60 * minute: now)
    said = capsys.readouterr().out
    assert said.count("gw-api signal: the last one changed nothing") == 1
    assert 'crossgate_keeper_ignored_total{group="gw-api"} 2' in figures(log)


def test_a_group_that_grew_and_must_grow_again_has_obeyed(log):
    heard = Heard(scaled(2), alive={f"server-{n}": True for n in range(4)})
    heard.told = [told(200)]
    look(heard, heard, log, lambda: NOW)
    heard.there = [scaled(3)]
    heard.told = [told(200, age=-60)]
    look(heard, heard, log, lambda: NOW + 60)
    assert len(heard.signals) == 2
    assert "ignored" not in figures(log)


def test_a_dead_machine_is_replaced_before_a_group_grows(log):
    heard = Heard(scaled(2), alive={"server-0": False, "server-1": True}, notes=since(60, "0"))
    heard.told = [told(999)]
    look(heard, heard, log, lambda: NOW)
    assert (len(heard.healed), heard.signals) == (1, [])
