"""`FabioNodes` as a construct: what it makes, and what it refuses."""

from __future__ import annotations

import json

import pytest

from crossgate import (
    Artifact,
    AutoScalingGroup,
    ConfigError,
    ConsulServers,
    FabioNodes,
    HAProxyNodes,
    Listener,
    NullCloud,
    Service,
)
from crossgate.model.text import Text
from crossgate.specs import EntrySpec, GroupSpec, MachinesSpec

API = Service(name="api", port=9190, command=["/x"])
PROGRAM = Artifact(url="https://mirror.example.org/fabio-1.7.2-linux_amd64", sha256="0" * 64)


@pytest.fixture
def here(stack) -> NullCloud:
    return NullCloud(stack, "here")


@pytest.fixture
def consul(stack, here) -> ConsulServers:
    return ConsulServers(stack, "consul", clouds=[here])


def edge(stack, here, consul, *listeners: Listener, **more) -> FabioNodes:
    return FabioNodes(
        stack,
        "edge",
        clouds=[here],
        discovery=consul,
        listeners=listeners or [Listener(port=9000, to=API)],
        program=PROGRAM,
        **more,
    )


def machines(here: NullCloud) -> MachinesSpec:
    return [one for one in here.asked if isinstance(one, MachinesSpec)][-1]


def text(spec) -> str:
    return "".join(Text.of(file.text).sample() for _, file in spec.document.written())


def test_a_machine_fetches_the_program_by_its_checksum(stack, here, consul) -> None:
    edge(stack, here, consul)
    (fetched,) = (one for one in machines(here).document.before if "fabio" in str(one))
    assert f"{PROGRAM.url} {PROGRAM.sha256} /opt/fabio file" in str(fetched)


def test_a_machine_runs_it_and_says_how_it_is(stack, here, consul) -> None:
    edge(stack, here, consul)
    units = {unit.name: unit.text for unit in machines(here).document.units}
    assert "/opt/fabio/fabio-1.7.2-linux_amd64 -cfg /etc/fabio/fabio.properties" in str(
        units["fabio.service"]
    )
    assert "crossgate-fabio-health.service" in units


@pytest.mark.parametrize("first", ["group", "balancer"])
def test_machines_of_the_service_say_where_they_are_routed(
    stack, here, consul, synth, first
) -> None:
    def group() -> None:
        AutoScalingGroup(stack, "api", clouds=[here], service=API, discovery=consul)

    def balancer() -> None:
        edge(stack, here, consul)

    for make in (group, balancer) if first == "group" else (balancer, group):
        make()
    (said,) = (
        value for name, value in synth()["locals"].items() if name.startswith("consul_tags_api")
    )
    assert json.loads(said) == ["tcp", "urlprefix-test-edge=:9000 proto=tcp"]


def test_with_haproxy_they_say_nothing_of_routes(stack, here, consul, synth) -> None:
    AutoScalingGroup(stack, "api", clouds=[here], service=API, discovery=consul)
    HAProxyNodes(
        stack,
        "edge",
        clouds=[here],
        discovery=consul,
        listeners=[Listener(port=9000, to=API)],
        spill_over=None,
    )
    assert "urlprefix-" not in json.dumps(synth())


def test_a_group_names_the_list_that_is_written_last(stack, here, consul) -> None:
    AutoScalingGroup(stack, "api", clouds=[here], service=API, discovery=consul)
    (group,) = (one for one in here.asked if isinstance(one, GroupSpec))
    (file,) = (
        file for _, file in group.document.written() if file.path.endswith("service-api.json")
    )
    (list_of_tags,) = Text.of(file.text).references()
    assert list_of_tags.token.startswith("${local.consul_tags_api")
    known = {list_of_tags: '["tcp"]'}
    assert json.loads(Text.of(file.text).sample(known=known))["service"]["tags"] == ["tcp"]


def test_its_page_is_closed_to_all(stack, here, consul) -> None:
    made = edge(stack, here, consul)
    for port in (9998, 9997):
        with pytest.raises(ConfigError, match="nothing listens on the port"):
            made.connections.allow_from("198.51.100.0/24", port=port)


def test_a_discovery_that_is_no_consul_is_refused(stack, here, consul) -> None:
    class Other:
        def __getattr__(self, name: str):
            if name in {"tag", "http"}:
                raise AttributeError(name)
            return getattr(consul, name)

    with pytest.raises(ConfigError, match="from which Fabio reads its routes"):
        edge(stack, here, Other())


def test_one_of_them_alone_is_refused(stack, here, consul) -> None:
    with pytest.raises(ConfigError, match="single point of failure"):
        edge(stack, here, consul, count=1)


@pytest.mark.parametrize("port", [8404, 8405, 9997, 9998, 8500])
def test_a_port_that_the_machine_has_is_refused(stack, here, consul, port) -> None:
    with pytest.raises(ConfigError, match="taken by the balancer itself"):
        edge(stack, here, consul, Listener(port=port, to=API))


def test_a_program_that_must_be_unpacked_is_refused(stack, here, consul) -> None:
    packed = Artifact(url="https://mirror.example.org/fabio.tar.gz", sha256="0" * 64, unpack=True)
    with pytest.raises(ConfigError, match="Fabio is one file"):
        FabioNodes(
            stack,
            "edge",
            clouds=[here],
            discovery=consul,
            listeners=[Listener(port=9000, to=API)],
            program=packed,
        )


@pytest.mark.parametrize(("proxied", "port"), [(False, None), (True, 8408)])
def test_an_entry_asks_as_it_leads(stack, here, consul, proxied, port) -> None:
    asked: list[EntrySpec] = []
    real = here.entry

    def entry(scope, id, spec):
        asked.append(spec)
        return real(scope, id, spec)

    here.entry = entry
    edge(stack, here, consul, Listener(port=9000, to=API, accept_proxy=proxied))
    assert [spec.proxied_health_port for spec in asked] == [port]
    assert f"/healthz 8405 {port or 0} 9000" in str(
        {unit.name: unit.text for unit in machines(here).document.units}
    )


def test_a_strategy_that_fabio_has_not_is_refused(stack, here, consul) -> None:
    with pytest.raises(ConfigError, match="is no strategy of Fabio"):
        edge(stack, here, consul, strategy="leastconn")
