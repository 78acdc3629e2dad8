from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Network

import pytest

from crossgate import (
    InstanceRefresh,
    Leave,
    PolicyError,
    Ports,
    ReplaceGroup,
    Scaling,
    Service,
    Step,
    Steps,
    Termination,
)
from crossgate.policy import (
    calm_covers_the_drain,
    no_world_open_admin_port,
    odd_server_count,
    protected_groups_do_not_shrink,
    rollouts_leave_enough,
    servers_come_one_by_one,
    somebody_waits,
    steps_settle,
)
from crossgate.policy.name_taken_once import Names


@pytest.mark.parametrize("count", [3, 5])
def test_three_or_five_servers_vote(count):
    odd_server_count.check(count, "consul")


@pytest.mark.parametrize("count", [0, 1, 2, 4, 6, 7, -3, True, "3", 3.5])
def test_other_numbers_of_servers_are_refused(count):
    with pytest.raises(PolicyError, match="want: 3"):
        odd_server_count.check(count, "consul")


@pytest.mark.parametrize("source", ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "64.0.0.0/2"])
@pytest.mark.parametrize("port", [22, 8500, 8404])
def test_the_world_never_reaches_an_admin_port_not_even_by_halves(source, port):
    with pytest.raises(PolicyError, match="administrative port"):
        no_world_open_admin_port.check(
            IPv4Network(source), Ports(first=port, last=port), {8404}, "edge"
        )


def test_a_range_of_ports_around_an_admin_port_is_refused():
    with pytest.raises(PolicyError, match=r"\(22\)"):
        no_world_open_admin_port.check(
            IPv4Network("0.0.0.0/0"), Ports(first=20, last=25), (), "edge"
        )


@pytest.mark.parametrize(
    ("source", "port"),
    [("198.51.100.0/24", 22), ("10.0.0.0/8", 8500), ("0.0.0.0/0", 9000), ("100.64.0.0/10", 22)],
)
def test_known_ranges_and_client_ports_are_allowed(source, port):
    no_world_open_admin_port.check(
        IPv4Network(source), Ports(first=port, last=port), {8404}, "edge"
    )


def test_a_name_is_taken_once_for_each_kind():
    names = Names()
    assert names.take("role", "a-b", "x") == "a-b"
    assert names.take("role", "a-b", "x") == "a-b"
    assert names.take("group", "a-b", "y") == "a-b"
    with pytest.raises(PolicyError, match="the name of x"):
        names.take("role", "a-b", "y")


@pytest.mark.parametrize(
    ("servers", "share"), [(3, 1.0), (3, 0.67), (3, 2 / 3), (5, 0.6), (5, 3 / 5), (5, 0.8)]
)
def test_a_rollout_that_leaves_a_quorum_is_fine(servers, share):
    refresh = InstanceRefresh(min_healthy=share, max_healthy=1.0)
    rollouts_leave_enough.check(refresh, servers, rollouts_leave_enough.quorum(servers), "consul")


@pytest.mark.parametrize(
    ("servers", "share", "want"),
    [
        (3, 0.5, "0.67, which is 2 of 3"),
        (3, 0.66, "0.67, which is 2"),
        (5, 0.59, "0.6, which is 3"),
    ],
)
def test_a_rollout_that_may_leave_less_than_a_quorum_is_refused(servers, share, want):
    refresh = InstanceRefresh(min_healthy=share)
    least = rollouts_leave_enough.quorum(servers)
    with pytest.raises(PolicyError, match="consul: rollout: while it is replaced") as caught:
        rollouts_leave_enough.check(refresh, servers, least, "consul")
    assert want in str(caught.value)


@pytest.mark.parametrize(
    ("servers", "rollout"),
    [
        (3, InstanceRefresh()),
        (5, InstanceRefresh()),
        (3, InstanceRefresh(max_healthy=1.33)),
        (5, InstanceRefresh(max_healthy=1.2)),
        (5, Leave()),
    ],
)
def test_one_new_server_at_a_time_is_fine(servers, rollout):
    servers_come_one_by_one.check(rollout, servers, "consul")


@pytest.mark.parametrize(
    ("servers", "rollout"),
    [
        (3, ReplaceGroup()),
        (3, InstanceRefresh(max_healthy=1.4)),
        (5, InstanceRefresh(max_healthy=1.3)),
    ],
)
def test_several_new_servers_at_a_time_are_refused(servers, rollout):
    with pytest.raises(PolicyError, match="consul: rollout: several new servers") as caught:
        servers_come_one_by_one.check(rollout, servers, "consul")
    assert f"one more than {servers}" in str(caught.value)


def test_a_group_that_is_left_as_it_is_loses_nobody():
    rollouts_leave_enough.check(Leave(), 2, 2, "edge")


def test_one_balancer_stays():
    rollouts_leave_enough.check(InstanceRefresh(min_healthy=0.5), 2, 1, "edge")
    with pytest.raises(PolicyError, match="fewer than 1 of 2 might serve"):
        rollouts_leave_enough.check(InstanceRefresh(min_healthy=0.4), 2, 1, "edge")


def test_protected_machines_and_scaling_that_only_grows_go_together():
    grows = Scaling(on="cpu", target=0.5, shrink=False)
    protected_groups_do_not_shrink.check(Termination(protect=True), grows, "api")
    protected_groups_do_not_shrink.check(Termination(), Scaling(on="cpu", target=0.5), "api")


def test_protected_machines_are_not_removed_by_steps_either():
    removing = Steps(on="cpu", steps=[Step(at_most=0.2, remove=1)])
    with pytest.raises(PolicyError, match="leave the steps that remove out"):
        protected_groups_do_not_shrink.check(Termination(protect=True), removing, "api")


def steps(adds_at, *removing):
    found = [Step(at_most=bound, remove=machines) for bound, machines in removing]
    return Steps(on="connections", steps=[Step(at_least=adds_at, add=1), *found])


def test_steps_that_settle_are_allowed():
    # 150 for each of 3 machines is 225 for each of 2 that are left.
    steps_settle.check(steps(250, (150, 1)), 2, "api")
    steps_settle.check(steps(250), 1, "api")
    steps_settle.check(steps(100, (90, 1), (60, 2)), 10, "api")


@pytest.mark.parametrize(
    ("found", "least", "said"),
    [
        (steps(250, (150, 1)), 1, "150 for each of 2 machines is 300 for each of 1"),
        (steps(250, (150, 1)), 0, "150 for each of 2 machines is 300 for each of 1"),
        (steps(100, (90, 1), (60, 2)), 2, "90 for each of 3 machines is 135 for each of 2"),
        (steps(100, (50, 1), (45, 3)), 2, "45 for each of 5 machines is 112.5 for each of 2"),
    ],
)
def test_a_group_never_grows_again_by_what_made_it_shrink(found, least, said):
    with pytest.raises(PolicyError, match=said):
        steps_settle.check(found, least, "api")


LONG = Service(name="api", port=9190, command=["/usr/bin/api"], drain=timedelta(minutes=10))


@pytest.mark.parametrize(
    "shrinking",
    [Scaling(on="cpu", target=0.5), Steps(on="cpu", steps=[Step(at_most=0.2, remove=1)])],
)
def test_a_group_does_not_shrink_faster_than_its_machines_leave(shrinking):
    with pytest.raises(PolicyError, match=r"calm of at least 0:10:00"):
        calm_covers_the_drain.check(shrinking, LONG, "api")
    calm_covers_the_drain.check(replace(shrinking, calm=timedelta(minutes=10)), LONG, "api")


def test_what_only_grows_need_not_be_calm():
    calm_covers_the_drain.check(Scaling(on="cpu", target=0.5, shrink=False), LONG, "api")
    calm_covers_the_drain.check(Steps(on="cpu", steps=[Step(at_least=0.8, add=1)]), LONG, "api")


def test_nobody_waits_for_a_service_without_a_limit():
    service = Service(name="api", port=9190, command=["/usr/bin/api"])
    with pytest.raises(PolicyError, match="max_connections="):
        somebody_waits.check(Scaling(on="queue", target=5), service, "api")
    somebody_waits.check(Scaling(on="cpu", target=0.5), service, "api")
