"""What can be seen of balancers and of Consul servers, and what is left out when nobody shall."""

from __future__ import annotations

import json

import pytest

from crossgate import (
    AutoScalingGroup,
    AwsCloud,
    ConfigError,
    Consul,
    ConsulServers,
    Gateway,
    GroupPlan,
    HAProxy,
    HAProxyNodes,
    Listener,
    NullCloud,
    PolicyError,
    Seen,
    Service,
)
from crossgate.boot.metrics import METRICS_PORT
from crossgate.discovery.consul.settings import METRICS_URL
from crossgate.specs import MachinesSpec
from tests.dashboards.watched import settings_of

SEEN = {"metrics", "haproxy-seen"}


@pytest.fixture
def here(stack):
    return NullCloud(stack, "here", network="10.20.0.0/16")


@pytest.fixture
def consul(stack, here):
    return ConsulServers(stack, "consul", clouds=[here], count=5)


@pytest.fixture
def edge(stack, here, consul, api):
    """Return what makes balancers."""
    AutoScalingGroup(stack, "api", clouds=[here], service=api, discovery=consul)

    def make(seen: Seen | None = None):
        more = {} if seen is None else {"seen": seen}
        listeners = [Listener(port=9000, to=api)]
        return HAProxyNodes(
            stack, "edge", clouds=[here], discovery=consul, listeners=listeners, **more
        )

    return make


def document(cloud, name):
    specs = [spec for spec in cloud.asked if isinstance(spec, MachinesSpec)]
    return next(spec.document for spec in specs if spec.name == name)


def labels(cloud, name):
    return {part.label for part in document(cloud, name).parts}


def test_balancers_show_their_figures_and_those_of_their_agent(edge, here):
    edge()
    made = document(here, "test-edge")
    assert labels(here, "test-edge") >= SEEN
    settings = settings_of(made, "metrics-page.json")
    assert (settings["address"], settings["pages"]) == ("127.0.0.1", {"consul": METRICS_URL})
    assert settings_of(made, "haproxy-seen.json")["listeners"] == ["api-9000"]


def test_consul_servers_show_their_figures_and_how_many_they_should_be(consul, here):
    settings = settings_of(document(here, "test-consul"), "metrics-page.json")
    assert (settings["address"], settings["port"]) == ("0.0.0.0", METRICS_PORT)  # noqa: S104  (closed to all)
    assert settings["pages"] == {"consul": METRICS_URL}
    assert settings["facts"] == {"crossgate_consul_servers_wanted": 5}


def passwords(made):
    """Return what has a password, without what tokens of Consul are worked out from."""
    names = (name.rpartition("_")[0] for name in made["resource"]["random_password"])
    return {name for name in names if "tokens-" not in name}


def test_passwords_are_handed_out_as_sensitive_outputs_and_stand_nowhere(edge, synth):
    edge()
    made = synth()
    logins = {name: one for name, one in made["output"].items() if "_login_" in name}
    assert len(logins) == 2
    for one in logins.values():
        assert one["sensitive"] is True
        assert one["value"].startswith("${random_password.")
    assert passwords(made) == {"consul_here_metrics", "edge_here_stats"}


@pytest.mark.parametrize("name", ["edge", "consul"])
def test_nobody_reaches_the_figures_before_somebody_is_let_in_and_never_the_world(
    edge, consul, here, name
):
    construct = {"edge": edge(), "consul": consul}[name]
    (firewall,) = (one for one in here.firewalls if one.name == f"test-{name}")
    assert not [i for i in firewall.ingress if i.ports.holds(METRICS_PORT)]
    with pytest.raises(PolicyError, match="administrative port"):
        construct.connections.allow_from("0.0.0.0/0", port=METRICS_PORT)
    construct.connections.allow_from("10.20.0.5/32", port=METRICS_PORT)
    (opened,) = (i for i in firewall.ingress if i.ports.holds(METRICS_PORT))
    assert str(opened.peer) == "10.20.0.5/32"


def test_without_figures_and_page_there_is_no_login_no_program_and_no_port(edge, here, synth):
    made = edge(Seen(metrics=False, page=False))
    assert not labels(here, "test-edge") & SEEN
    assert "login" not in str([file.path for _, file in document(here, "test-edge").written()])
    with pytest.raises(ConfigError, match="nothing listens on the port"):
        made.connections.allow_from("10.20.0.5/32", port=METRICS_PORT)
    assert passwords(synth()) == {"consul_here_metrics"}


def test_the_page_alone_brings_a_login_and_no_program(edge, here):
    edge(Seen(metrics=False)).connections.allow_from("10.20.0.5/32", port=METRICS_PORT)
    assert not labels(here, "test-edge") & SEEN
    assert "/etc/haproxy/stats.login" in [f.path for _, f in document(here, "test-edge").written()]


def test_what_only_the_machine_itself_asks_is_opened_to_nobody(edge):
    with pytest.raises(ConfigError, match="nothing listens on the port"):
        edge().connections.allow_from("10.20.0.5/32", port=8406)


def test_consul_servers_may_show_nothing(stack, here, synth):
    ConsulServers(stack, "quiet", clouds=[here], metrics=False)
    assert "metrics" not in labels(here, "test-quiet")
    assert passwords(synth()) == set()


@pytest.mark.parametrize("seen", [True, 0, {"metrics": False}])
def test_fails_on_what_does_not_say_what_is_seen(edge, seen):
    with pytest.raises(ConfigError, match="test/edge: seen is of the wrong type"):
        edge(seen)


def test_with_all_that_can_be_seen_ten_limited_services_fit_into_ec2s_user_data(stack):
    aws = AwsCloud(
        stack,
        "aws",
        region="us-east-1",
        zones=["us-east-1a", "us-east-1b"],
        image="ami-0123456789abcdef0",
        balancer_metrics=True,
    )
    image = "registry.example.org/api:1.4"
    services = [
        Service(name=f"api{n}", port=9190 + n, image=image, max_connections=100) for n in range(10)
    ]
    HAProxyNodes(
        stack,
        "edge",
        clouds=[aws],
        discovery=ConsulServers(stack, "consul", clouds=[aws]),
        listeners=[Listener(port=9000 + n, to=to) for n, to in enumerate(services)],
    )


def test_a_gateway_and_its_file_say_the_same(stack, here, api, tmp_path, synth):
    gateway = {
        "clouds": {
            "aws": {
                "type": "aws",
                "region": "us-east-1",
                "zones": ["us-east-1a", "us-east-1b"],
                "image": "ami-0123456789abcdef0",
            }
        },
        "services": [{"name": "api", "port": 9190, "image": "registry.example.org/api:1"}],
        "listeners": [{"port": 9000, "to": "api"}],
        "discovery": {"type": "consul", "metrics": False},
        "balancer": {"type": "haproxy", "seen": {"metrics": False, "page": False}},
    }
    path = tmp_path / "gateway.json"
    path.write_text(json.dumps(gateway))
    Gateway.from_file(stack, "file", path)
    Gateway(
        stack,
        "code",
        clouds=[here],
        services=[GroupPlan(service=api)],
        listeners=[Listener(port=9000, to=api)],
        discovery=Consul(metrics=False),
        balancer=HAProxy(seen=Seen(metrics=False, page=False)),
    )
    for name in ("test-code-edge", "test-code-discovery"):
        assert not labels(here, name) & SEEN
    assert passwords(synth()) == set()
