from ipaddress import IPv4Network

import pytest

from crossgate import PolicyError, Ports
from crossgate.policy import no_world_open_admin_port, odd_server_count
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
