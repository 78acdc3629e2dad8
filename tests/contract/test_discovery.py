"""What docs/contracts.md asks of every discovery and every balancer."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from crossgate import (
    App,
    AutoScalingGroup,
    ConfigError,
    Listener,
    NullCloud,
    PolicyError,
    Ports,
    Service,
    SynthesisError,
)
from crossgate.model.text import Text
from crossgate.specs import FellowLines, GroupSpec, ServerLines, WatchedFile


@pytest.fixture
def here(stack):
    return NullCloud(stack, "here", network="10.20.0.0/16")


@pytest.fixture
def there(stack):
    return NullCloud(stack, "there", network="10.30.0.0/16")


@pytest.fixture
def discovery(make_discovery, stack, here, there):
    return make_discovery(stack, "discovery", clouds=[here, there])


def firewall_of(cloud, name):
    return next(f for f in cloud.firewalls if f.name == name)


def peers(firewall):
    return {(getattr(i.peer, "name", str(i.peer)), str(i.ports)) for i in firewall.ingress}


def test_a_machine_finds_it_in_its_own_cloud_only(discovery, here, there):
    assert discovery.joins(here)
    assert discovery.joins(here) != [] != discovery.joins(there)


def test_a_cloud_without_it_is_refused_by_name(discovery, stack):
    elsewhere = NullCloud(stack, "elsewhere")
    with pytest.raises(ConfigError, match="no servers in 'elsewhere'"):
        discovery.joins(elsewhere)


def test_a_member_announces_its_services(discovery, here, api):
    text = str([Text.of(f.text).sample() for _, f in discovery.agent(here, [api]).written()])
    assert "9190" in text


def test_a_watched_file_is_kept_where_it_was_asked_for(discovery, here, api):
    kept = discovery.keep(
        here,
        WatchedFile(
            path="/var/lib/x.cfg",
            pieces=[
                Text.of("head\n"),
                ServerLines(service=api, line="server {name} {address}:{port}\n"),
            ],
            apply="/bin/true",
        ),
    )
    assert "/var/lib/x.cfg" in str([Text.of(f.text).sample() for _, f in kept.written()])


def test_a_member_says_of_which_balancers_it_is_one(discovery, here):
    def text(**said):
        document = discovery.agent(here, [], **said)
        return str([Text.of(f.text).sample() for _, f in document.written()])

    assert "test-edge-of-ours" in text(balancer="test-edge-of-ours")
    assert text() == text(balancer=None)


def test_a_watched_file_may_ask_for_a_line_of_each_balancer(discovery, here):
    kept = discovery.keep(
        here,
        WatchedFile(
            path="/var/lib/x.cfg",
            pieces=[
                FellowLines(balancer="edge", own="me {name}\n", others="they {name} {address}\n")
            ],
            apply="/bin/true",
        ),
    )
    text = str([Text.of(f.text).sample() for _, f in kept.written()])
    assert "me " in text
    assert "they " in text
    assert "{name}" not in text
    assert "{address}" not in text


def test_nobody_else_may_have_its_ports(discovery, stack, here):
    assert discovery.taken_ports
    for port in discovery.taken_ports:
        service = Service(name="api", port=port, image="registry.example.org/api:1")
        with pytest.raises(ConfigError, match="port is taken on the machine"):
            AutoScalingGroup(stack, "api", clouds=[here], service=service, discovery=discovery)


def test_its_agent_tells_prometheus_of_itself_on_the_machine_only(discovery):
    assert discovery.metrics
    assert {urlsplit(url).hostname for url in discovery.metrics.values()} == {"127.0.0.1"}


def test_an_operator_reaches_the_figures_of_its_machines_and_the_world_never(discovery, here):
    discovery.connections.allow_from("10.20.0.5/32", port=8404)
    assert any(("10.20.0.5/32", "tcp/8404") in peers(firewall) for firewall in here.firewalls)
    with pytest.raises(PolicyError, match="administrative port"):
        discovery.connections.allow_from("0.0.0.0/0", port=8404)


def test_members_reach_each_other_inside_a_cloud(discovery, here):
    worn = discovery.member_firewalls(here)
    assert worn
    assert any(i.peer is f for f in worn for i in f.ingress)


def test_the_service_port_is_open_to_its_balancers_only(
    make_balancer, discovery, stack, here, there, api
):
    make_balancer(
        stack,
        "edge",
        clouds=[here, there],
        discovery=discovery,
        listeners=[Listener(port=9000, to=api)],
    )
    AutoScalingGroup(stack, "api", clouds=[here, there], service=api, discovery=discovery)
    for cloud in (here, there):
        assert peers(firewall_of(cloud, "test-api")) == {("test-edge", "tcp/9190")}


def test_the_order_of_constructs_does_not_matter(make_balancer, discovery, stack, here, there, api):
    AutoScalingGroup(stack, "api", clouds=[here, there], service=api, discovery=discovery)
    make_balancer(
        stack,
        "edge",
        clouds=[here, there],
        discovery=discovery,
        listeners=[Listener(port=9000, to=api)],
    )
    assert peers(firewall_of(here, "test-api")) == {("test-edge", "tcp/9190")}


def test_a_listener_to_a_service_that_nobody_runs_is_found_at_synthesis(
    make_balancer, discovery, stack, app: App, here, there, api, tmp_path
):
    make_balancer(
        stack,
        "edge",
        clouds=[here, there],
        discovery=discovery,
        listeners=[Listener(port=9000, to=api)],
    )
    AutoScalingGroup(stack, "api", clouds=[here], service=api, discovery=discovery)
    with pytest.raises(SynthesisError, match="no machine runs it in there") as caught:
        app.synth()
    assert "test/edge" in str(caught.value)
    assert not list(tmp_path.rglob("cdk.tf.json"))


@pytest.mark.parametrize("group_first", [True, False])
def test_a_listener_that_means_another_service_of_that_name_is_refused(
    make_balancer, discovery, stack, here, api, *, group_first
):
    other = Service(name="api", port=9191, image="registry.example.org/api:1.4")

    def group():
        AutoScalingGroup(stack, "api", clouds=[here], service=api, discovery=discovery)

    def edge():
        make_balancer(
            stack,
            "edge",
            clouds=[here],
            discovery=discovery,
            listeners=[Listener(port=9000, to=other)],
        )

    first, second = (group, edge) if group_first else (edge, group)
    first()
    with pytest.raises(ConfigError, match="a service 'api' that differs from the one of test/"):
        second()


def test_two_services_of_one_name_are_refused(discovery, stack, here, there, api):
    other = Service(name="api", port=9191, image="registry.example.org/other:1")
    AutoScalingGroup(stack, "api", clouds=[here], service=api, discovery=discovery)
    with pytest.raises(ConfigError, match="differs from the one of test/api"):
        AutoScalingGroup(stack, "api2", clouds=[there], service=other, discovery=discovery)


def balanced(make_balancer, stack, discovery, clouds, listeners, **more):
    return make_balancer(
        stack, "edge", clouds=clouds, discovery=discovery, listeners=listeners, **more
    )


@pytest.mark.parametrize(
    ("listeners", "says"),
    [
        ([], "leads nowhere"),
        ([9000, 9000], "one port is taken twice"),
        ([22], "taken by the balancer itself"),
    ],
)
def test_bad_listeners_are_refused(make_balancer, discovery, stack, here, api, listeners, says):
    with pytest.raises(ConfigError, match=says):
        balanced(
            make_balancer,
            stack,
            discovery,
            [here],
            [Listener(port=port, to=api) for port in listeners],
        )


def test_one_balancer_is_a_single_point_of_failure(make_balancer, discovery, stack, here, api):
    with pytest.raises(ConfigError, match="single point of failure"):
        balanced(make_balancer, stack, discovery, [here], [Listener(port=9000, to=api)], count=1)


def test_nobody_reaches_a_listener_until_let_in(make_balancer, discovery, stack, here, there, api):
    edge = balanced(make_balancer, stack, discovery, [here], [Listener(port=9000, to=api)])
    assert here.entries[0].allowed == []
    edge.connections.allow_from("198.51.100.0/24", port=9000)
    assert [(str(n), p) for n, p in here.entries[0].allowed] == [("198.51.100.0/24", 9000)]


def test_a_range_of_ports_opens_every_listener_in_it(make_balancer, discovery, stack, here, api):
    listeners = [Listener(port=port, to=api) for port in (9000, 9001)]
    edge = balanced(make_balancer, stack, discovery, [here], listeners)
    edge.connections.allow_from("198.51.100.0/24", port=Ports(first=9000, last=9001))
    assert [port for _, port in here.entries[0].allowed] == [9000, 9001]
    assert not any("198.51" in peer for peer, _ in peers(firewall_of(here, "test-edge")))


def test_a_listener_says_itself_who_may_connect(make_balancer, discovery, stack, here, api):
    balanced(
        make_balancer,
        stack,
        discovery,
        [here],
        [Listener(port=9000, to=api, allow_from=["0.0.0.0/0"])],
    )
    assert [(str(n), p) for n, p in here.entries[0].allowed] == [("0.0.0.0/0", 9000)]


def test_the_world_never_reaches_the_stats_page(make_balancer, discovery, stack, here, api):
    edge = balanced(make_balancer, stack, discovery, [here], [Listener(port=9000, to=api)])
    with pytest.raises(PolicyError, match="administrative port"):
        edge.connections.allow_from("0.0.0.0/0", port=8404)


def test_an_operator_range_reaches_the_stats_page(make_balancer, discovery, stack, here, api):
    edge = balanced(make_balancer, stack, discovery, [here], [Listener(port=9000, to=api)])
    edge.connections.allow_from("10.20.0.0/16", port=8404)
    assert ("10.20.0.0/16", "tcp/8404") in peers(firewall_of(here, "test-edge"))


def test_groups_without_a_common_cloud_cannot_be_connected(discovery, stack, here, there, api):
    one = AutoScalingGroup(stack, "one", clouds=[here], service=api)
    other = AutoScalingGroup(stack, "other", clouds=[there], service=api)
    with pytest.raises(ConfigError, match="shares no cloud with test/other"):
        one.connections.allow_from(other, port=80)


def test_allow_to_is_allow_from_seen_from_the_other_side(discovery, stack, here, there, api):
    one = AutoScalingGroup(stack, "one", clouds=[here, there], service=api)
    other = AutoScalingGroup(stack, "other", clouds=[there], service=api)
    one.connections.allow_to(other, port=Ports(first=5000, last=5010, transport="udp"))
    assert peers(firewall_of(there, "test-other")) == {("test-one", "udp/5000-5010")}
    assert peers(firewall_of(there, "test-one")) == set()


def test_a_group_wears_its_own_firewall_and_the_members(discovery, stack, here, there, api):
    AutoScalingGroup(stack, "api", clouds=[here], service=api, discovery=discovery)
    spec = next(s for s in here.asked if isinstance(s, GroupSpec))
    assert [f.name for f in spec.firewalls] == [
        "test-api",
        *(f.name for f in discovery.member_firewalls(here)),
    ]
