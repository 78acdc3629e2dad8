import json
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from crossgate import (
    FileError,
    Gateway,
    GrpcCheck,
    Scaling,
    Step,
    Steps,
    SynthesisError,
    gateway_file,
    gateway_text,
)
from tools import gateway_schema
from tools.toolbox import ROOT

GOOD = {
    "clouds": {
        "aws": {
            "type": "aws",
            "region": "us-east-1",
            "zones": ["us-east-1a", "us-east-1b"],
            "network": "10.20.0.0/16",
            "image": "ami-0123456789abcdef0",
        }
    },
    "services": [
        {
            "name": "api",
            "port": 9190,
            "protocol": "thrift",
            "image": "registry.example.org/api:1.4",
            "check": {"type": "thrift", "every": "2s"},
        }
    ],
    "listeners": [{"port": 9000, "to": "api", "allow_from": ["198.51.100.0/24"]}],
}


def changed(*path, value=None, remove=False):
    data = json.loads(json.dumps(GOOD))
    place = data
    for part in path[:-1]:
        place = place[part]
    if remove:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return data


def write(tmp_path, data, name="gateway.json"):
    path = tmp_path / name
    path.write_text(yaml.safe_dump(data) if path.suffix != ".json" else json.dumps(data))
    return path


def test_the_good_file_builds_a_gateway(tmp_path, stack, synth):
    Gateway.from_file(stack, "gw", write(tmp_path, GOOD))
    assert "aws_autoscaling_group" in synth()["resource"]


def test_json_and_yaml_say_the_same(tmp_path):
    one = gateway_file.read(write(tmp_path, GOOD))
    other = gateway_file.read(write(tmp_path, GOOD, "gateway.yaml"))
    assert (one.services, one.clouds) == (other.services, other.clouds)


def test_the_good_file_fits_the_published_schema():
    schema = gateway_file.json_schema()
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate({"$schema": "x", **GOOD})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (changed("services", 0, "port", value=70000), "services[0].port: "),
        (changed("services", 0, "port", value="80"), "services[0].port: must be a whole number"),
        (changed("services", 0, "port", remove=True), "services[0].port: is required"),
        (changed("services", 0, "name", value="My API"), "services[0].name: is not a DNS label"),
        (changed("services", 0, "prot", value=1), "services[0].prot: is not known here"),
        (
            changed("services", 0, "check", "type", value="ping"),
            "services[0].check: has no such type",
        ),
        (
            changed("services", 0, "check", "every", value="2"),
            "services[0].check.every: is no duration",
        ),
        (
            changed("services", 0, "capacity", value={"minimum": 5, "maximum": 2}),
            "services[0].capacity: ",
        ),
        (
            changed("services", 0, "market", value={"type": "spot", "max_price": "x"}),
            "services[0].market.max_price: is not money",
        ),
        (
            changed("services", 0, "per_cloud", value={"mars": {}}),
            "services[0].per_cloud: is no cloud of this file",
        ),
        (changed("services", 0, "clouds", value=["mars"]), "services[0].clouds: is no cloud"),
        (
            changed("services", 0, "machine", value={"size": ["x9.huge"]}),
            "services[0]: test/gw/api",
        ),
        (changed("services", value=[]), "services: "),
        (changed("services", 0, "clouds", value=[]), "services[0].clouds: "),
        (changed("services", value=[GOOD["services"][0]] * 2), "services[1].name: two services"),
        (changed("listeners", 0, "to", value="apy"), "listeners[0].to: leads to a service"),
        (changed("listeners", 0, "port", value=0), "listeners[0].port: "),
        (changed("listeners", value=GOOD["listeners"] * 2), "listeners[1].port: one port"),
        (changed("listeners", 0, "port", value=8404), "listeners[0].port: test/gw/edge"),
        (changed("clouds", value={}), "clouds: "),
        (changed("clouds", "aws", "type", value="awz"), "clouds.aws.type: has no such"),
        (changed("clouds", "aws", "type", remove=True), 'clouds.aws: must say its "type"'),
        (changed("clouds", "aws", "regoin", value="x"), "clouds.aws.regoin: is not known here"),
        (changed("clouds", "aws", "region", remove=True), "clouds.aws.region: is required"),
        (changed("clouds", "aws", "region", value="mars"), "clouds.aws: test/aws: region"),
        (changed("clouds", "aws", "network", value="10.20/16"), "clouds.aws: "),
        (changed("clouds", "aws", "zones", value=["us-east-1a"]), "clouds.aws"),
        (changed("clouds", "aws", "image", value="debian-99"), "clouds.aws"),
        (
            changed("clouds", "aws", "machines", value={"disk_key": "alias/x"}),
            "clouds.aws.machines: ",
        ),
        (
            changed("discovery", value={"type": "consul", "count": 4}),
            "discovery: test/gw/discovery",
        ),
        (changed("discovery", value={"type": "zookeeper"}), "discovery.type: has no such type"),
        (changed("balancer", value={"type": "haproxy", "count": 1}), "balancer: test/gw/edge"),
        (changed("balancer", value="haproxy"), 'balancer: must say its "type"'),
        (changed("extra", value=1), "extra: is not known here"),
    ],
)
def test_an_error_names_its_place_in_the_file(tmp_path, stack, data, says):
    with pytest.raises((FileError, SynthesisError)) as caught:
        Gateway.from_file(stack, "gw", write(tmp_path, data))
    first = getattr(caught.value, "problems", [caught.value])[0]
    assert str(first).startswith(f"gateway.json: {says}")
    if ": test/" not in says:
        assert stack.node.try_find_child("gw") is None


def test_all_errors_of_a_file_are_told_at_once(tmp_path):
    data = changed("services", 0, "port", value=0)
    data["clouds"]["aws"]["regoin"] = data["clouds"]["aws"].pop("region")
    with pytest.raises(SynthesisError) as caught:
        gateway_file.read(write(tmp_path, data))
    assert "services[0].port" in str(caught.value)
    assert "clouds.aws.regoin" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.json", "{", "is no JSON"),
        ("a.json", "[]", "is no object"),
        ("a.json", '{"clouds": {}, "clouds": {}}', "one key stands twice"),
        ("a.yaml", "clouds: {}\nclouds: {}\n", "one key stands twice"),
        ("a.yaml", "a: [", "is no YAML"),
        ("a.yaml", "a: !!python/object:os.system {}", "is no YAML"),
        ("a.json", '{"clouds": "\ufffd', "is no JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path, name, text, says):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(FileError, match=says):
        gateway_file.read(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileError, match="cannot be read"):
        gateway_file.read(tmp_path / "no.json")


def test_bytes_that_are_not_utf8_are_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(FileError, match="is not UTF-8"):
        gateway_file.read(path)


SCHEDULED = {"name": "day", "at": "07:00", "time_zone": "Europe/Berlin", "days": ["mon"]}


@pytest.mark.parametrize("name", ["gateway.json", "gateway.yaml"])
def test_schedules_and_terminations_reach_the_cloud(tmp_path, stack, synth, name):
    capacity = {"minimum": 2, "maximum": 6, "scheduled": [SCHEDULED | {"minimum": 4}]}
    data = changed("services", 0, "capacity", value=capacity)
    data["services"][0]["termination"] = {"max_lifetime": "7d"}
    Draft202012Validator(gateway_file.json_schema()).validate(data)
    Gateway.from_file(stack, "gw", write(tmp_path, data, name))
    resources = synth()["resource"]
    (schedule,) = resources["aws_autoscaling_schedule"].values()
    assert (schedule["recurrence"], schedule["min_size"]) == ("0 7 * * 1", 4)
    lifetimes = [
        g.get("max_instance_lifetime") for g in resources["aws_autoscaling_group"].values()
    ]
    assert 604_800 in lifetimes


def test_what_all_machines_have_reaches_the_cloud(tmp_path, stack, synth):
    machines = {"detailed_monitoring": True, "session_access": True}
    data = changed("clouds", "aws", "machines", value=machines)
    Draft202012Validator(gateway_file.json_schema()).validate(data)
    Gateway.from_file(stack, "gw", write(tmp_path, data))
    resources = synth()["resource"]
    assert all(t["monitoring"]["enabled"] for t in resources["aws_launch_template"].values())
    names = [policy["name"] for policy in resources["aws_iam_role_policy"].values()]
    assert names.count("session-manager") == 3


def test_grants_reach_the_cloud(tmp_path, stack, synth):
    grant = {"actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::releases/*"]}
    machine = {"cpu": 2, "memory": 4, "grants": [grant]}
    data = changed("services", 0, "per_cloud", value={"aws": {"machine": machine}})
    Draft202012Validator(gateway_file.json_schema()).validate(data)
    Gateway.from_file(stack, "gw", write(tmp_path, data))
    policies = synth()["resource"]["aws_iam_role_policy"].values()
    assert [p["name"] for p in policies].count("grants") == 1


def test_a_wide_grant_names_its_place_in_the_file(tmp_path):
    machine = {"cpu": 2, "memory": 4, "grants": [{"actions": ["s3:*"], "resources": ["*"]}]}
    with pytest.raises(FileError, match=r"services\[0\]\.machine\.grants\[0\]: .*wildcard"):
        gateway_file.read(write(tmp_path, changed("services", 0, "machine", value=machine)))


def test_types_weights_and_images_reach_the_cloud(tmp_path, stack, synth):
    size = {"m7g.large": 2, "m7i.large": 1}
    data = changed(
        "services", 0, "machine", value={"size": size, "architecture": ["arm64", "x86_64"]}
    )
    data["services"][0]["capacity"] = {"minimum": 4, "maximum": 12}
    data["clouds"]["aws"]["images"] = {"x86_64": "ami-00000000000000086", "arm64": "debian-12"}
    Draft202012Validator(gateway_file.json_schema()).validate(data)
    Gateway.from_file(stack, "gw", write(tmp_path, data))
    (mixed,) = (
        group["mixed_instances_policy"]["launch_template"]["override"]
        for group in synth()["resource"]["aws_autoscaling_group"].values()
        if "mixed_instances_policy" in group
    )
    assert {o["instance_type"]: int(o["weighted_capacity"]) for o in mixed} == size


def test_a_wrong_weight_names_its_place_in_the_file(tmp_path):
    machine = {"size": {"m7i.large": 0}}
    with pytest.raises(FileError, match=r"services\[0\]\.machine\.size: the weight of m7i"):
        gateway_file.read(write(tmp_path, changed("services", 0, "machine", value=machine)))


def test_a_warm_pool_and_protection_reach_the_cloud(tmp_path, stack, synth):
    warm = {"minimum": 2, "state": "stopped", "reuse": True}
    data = changed("services", 0, "capacity", value={"minimum": 2, "maximum": 6, "warm": warm})
    data["services"][0]["termination"] = {"protect": True}
    Draft202012Validator(gateway_file.json_schema()).validate(data)
    Gateway.from_file(stack, "gw", write(tmp_path, data))
    (group,) = (
        one
        for one in synth()["resource"]["aws_autoscaling_group"].values()
        if one["name"] == "test-gw-api"
    )
    assert group["warm_pool"]["min_size"] == 2
    assert group["protect_from_scale_in"] is True


def test_a_wrong_time_names_its_place_in_the_file(tmp_path):
    capacity = {"minimum": 2, "scheduled": [SCHEDULED | {"minimum": 4, "at": "7 am"}]}
    with pytest.raises(FileError, match=r"services\[0\]\.capacity\.scheduled\[0\]\.at"):
        gateway_file.read(write(tmp_path, changed("services", 0, "capacity", value=capacity)))


SCALED = [
    {"on": "cpu", "target": 0.6},
    {
        "on": "connections",
        "steps": [{"at_least": 200, "add": 1}, {"at_least": 400, "add": 3}],
        "calm": "10m",
    },
]


def test_a_file_says_targets_and_steps(tmp_path):
    data = changed("services", 0, "scaling", value=SCALED)
    Draft202012Validator(gateway_file.json_schema()).validate(data)
    assert gateway_file.read(write(tmp_path, data)).services[0].scaling["aws"] == (
        Scaling(on="cpu", target=0.6),
        Steps(
            on="connections",
            steps=[Step(at_least=200, add=1), Step(at_least=400, add=3)],
            calm=timedelta(minutes=10),
        ),
    )


def test_a_file_says_how_many_clients_a_listener_takes(tmp_path):
    limits = {"max_connections": 5000, "per_source": 20, "rate": 5, "accept_proxy": True}
    data = changed("listeners", value=[GOOD["listeners"][0] | limits])
    Draft202012Validator(gateway_file.json_schema()).validate(data)
    (listener,) = gateway_file.read(write(tmp_path, data)).listeners
    assert {name: getattr(listener, name) for name in limits} == limits


def test_a_file_says_what_a_machine_takes_and_how_long_others_wait(tmp_path):
    data = changed("services", 0, "max_connections", value=100)
    data["listeners"][0]["queue"] = "10s"
    Draft202012Validator(gateway_file.json_schema()).validate(data)
    (listener,) = gateway_file.read(write(tmp_path, data)).listeners
    assert (listener.to.max_connections, listener.queue) == (100, timedelta(seconds=10))


def web(**more):
    data = changed("services", 0, "protocol", value="http")
    data["services"][0].update(name="web", check={"type": "http"})
    data["services"].append(data["services"][0] | {"name": "api"})
    data["listeners"] = [{"port": 80, "to": "web", "mode": "http", **more}]
    return data


def test_a_file_says_which_requests_go_where(tmp_path, stack, synth):
    routes = [{"host": "api.example.org", "path": "/v1", "to": "api"}]
    page = "<script>let a = `${b}`</script>"
    data = web(routes=routes, keep_alive="30s", maintenance=page)
    Draft202012Validator(gateway_file.json_schema()).validate(data)
    (listener,) = gateway_file.read(write(tmp_path, data)).listeners
    assert [(r.host, r.path, r.to.name) for r in listener.routes] == [
        ("api.example.org", "/v1", "api")
    ]
    assert (listener.to.name, listener.keep_alive) == ("web", timedelta(seconds=30))
    assert listener.maintenance == page
    Gateway.from_file(stack, "gw", write(tmp_path, data))
    assert "web-80" in str(synth()["locals"])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            web(routes=[{"path": "/v1", "to": "apy"}]),
            "listeners[0].routes[0].to: leads to a service that nobody runs",
        ),
        (web(routes=[{"to": "api"}]), "listeners[0].routes[0]: matches every request"),
        (
            web(routes=[{"path": "/a", "to": "api"}, {"path": "/a/", "to": "web"}]),
            "listeners[0]: routes[1] matches the same requests as routes[0]",
        ),
        (
            web(routes=[{"path": "/a", "to": "api"}], mode="tcp"),
            "listeners[0]: says routes, which only HTTP has",
        ),
        (web(routes=[{"path": "a", "to": "api"}]), "listeners[0].routes[0].path: "),
        (
            changed("listeners", 0, "mode", value="http"),
            "listeners[0]: Listener(9000): the service 'api' does not speak HTTP",
        ),
        (web(keep_alive="${x}"), "listeners[0].keep_alive: "),
    ],
)
def test_a_wrong_route_names_its_place_in_the_file(tmp_path, data, says):
    with pytest.raises(FileError) as caught:
        gateway_file.read(write(tmp_path, data))
    assert str(caught.value).startswith(f"gateway.json: {says}")


def test_a_file_says_how_a_service_is_known_to_work(tmp_path):
    data = changed("services", 0, "check", value={"type": "grpc", "service": "shop.v1.Orders"})
    data["services"][0]["agent_port"] = 9191
    Draft202012Validator(gateway_file.json_schema()).validate(data)
    (read,) = gateway_file.read(write(tmp_path, data)).services
    assert read.service.check == GrpcCheck(service="shop.v1.Orders")
    assert read.service.agent_port == 9191


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"on": "queue", "steps": [{"add": 1}]}, "scaling[0].steps[0]: is not one bound"),
        ({"on": "queue", "steps": [{"at_least": "5", "add": 1}]}, "scaling[0].steps[0].at_least"),
        ({"on": "queue", "steps": []}, "scaling[0].Steps: says no step"),
        ({"on": "queue"}, "scaling[0].target: is required"),
        ({"on": "memory", "target": 1}, "scaling[0].on"),
        ({"on": "cpu", "target": 0.6, "step": []}, "scaling[0].step: is not known here"),
    ],
)
def test_a_wrong_rule_names_its_place_in_the_file(tmp_path, rule, says):
    with pytest.raises(FileError) as caught:
        gateway_file.read(write(tmp_path, changed("services", 0, "scaling", value=[rule])))
    assert says in str(caught.value)


def test_per_cloud_values_override_one_cloud(tmp_path):
    data = changed(
        "services", 0, "per_cloud", value={"aws": {"capacity": {"minimum": 3, "maximum": 9}}}
    )
    read = gateway_file.read(write(tmp_path, data))
    assert read.services[0].capacity["aws"].maximum == 9


NAMED = {"name": "api.example.org", "zone": {"cloud": "aws", "name": "example.org", "id": "Z1"}}


def test_a_file_says_which_names_lead_to_it(tmp_path, stack, synth):
    named = [{**NAMED, "ttl": "1m", "port": 9000}, {**NAMED, "name": "b.example.org"}]
    Gateway.from_file(stack, "gw", write(tmp_path, changed("names", value=named)))
    found = synth()["resource"]["aws_route53_record"].values()
    assert {(one["name"], one["ttl"], one["zone_id"]) for one in found} == {
        ("api.example.org", 60, "Z1"),
        ("b.example.org", 30, "Z1"),
    }


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ({"zone": {"cloud": "gcp", "name": "example.org"}}, r"names\[0\].zone.cloud: is no cloud"),
        ({"first": "gcp"}, r"names\[0\].first: is no cloud of this file"),
        ({"weights": {"gcp": 1, "aws": 1}}, r"names\[0\].weights: is no cloud of this file"),
        ({"name": "api.example.com"}, r"names\[0\]: .*the name is not in the zone"),
        ({"name": "API"}, r"names\[0\]: .*is no name of DNS"),
        ({"port": 9001}, r"names\[0\]: .*no listener has this port"),
        ({"port": 0}, r"names\[0\].port: "),
        ({"first": "aws"}, r"names\[0\]: .*one cloud is to have all clients"),
        ({"weights": {"aws": 0}}, r"names\[0\]: .*nobody would be led anywhere"),
        ({"ttl": "0s"}, r"names\[0\].ttl: must be longer than nothing"),
        ({"zone": {"cloud": "aws", "name": "example.org."}}, r"names\[0\]: .*is no name of DNS"),
    ],
    ids=str,
)
def test_a_wrong_name_names_its_place_in_the_file(tmp_path, stack, name, says):
    path = write(tmp_path, changed("names", value=[{**NAMED, **name}]))
    with pytest.raises(FileError, match=f"gateway.json: {says}"):
        Gateway.from_file(stack, "gw", path)


def test_the_published_schema_is_fresh():
    assert gateway_schema.TARGET.read_text() == gateway_schema.text(), "run `make bindings`"


def test_the_example_file_fits_the_published_schema():
    example = json.loads((ROOT / "stacks" / "gateway.json").read_text())
    Draft202012Validator(json.loads(gateway_schema.TARGET.read_text())).validate(example)


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (("clouds",), "x", "clouds"),
        (("clouds", "aws"), "x", "clouds.aws"),
        (("discovery",), None, "discovery"),
        (("services", 0, "environment"), {"A": 1}, "services[0].environment.A"),
        (("services", 0, "name"), "${TfToken[TOKEN.1]}", "services[0].name"),
        (("services", 0, "environment"), {"A": "${TfToken[T.1]}"}, "services[0].environment.A"),
        (("tags",), {"A": '${file("/etc/passwd")}'}, "tags.A"),
        (("tags",), {"${x}": "a"}, "tags.${x}"),
        (("tags",), {"A": "100%{x"}, "tags.A"),
        (("clouds", "aws", "key_pair"), "${x}", "clouds.aws.key_pair"),
        (("clouds", "aws", "image"), "%{x}", "clouds.aws.image"),
        (("services", 0, "machine"), {"size": ["${x}"]}, "services[0].machine.size[0]"),
        (("services", 0, "port"), 10**400, "services[0].port"),
        (("services", 0, "port"), float("inf"), "services[0].port"),
        (("services", 0, "command"), ["\ud800"], "services[0].command[0]"),
    ],
)
def test_one_mistake_is_told_once_with_its_place(tmp_path, path, value, place):
    with pytest.raises(FileError) as caught:
        gateway_file.read(write(tmp_path, changed(*path, value=value)))
    assert str(caught.value).startswith(f"gateway.json: {place}: ")


def test_a_number_as_environment_is_told_in_our_words(tmp_path):
    data = changed("services", 0, "environment", value={"A": 1})
    with pytest.raises(FileError, match=r"environment\.A: must be text"):
        gateway_file.read(write(tmp_path, data))


def test_text_of_terraform_says_why_it_is_refused(tmp_path):
    data = changed("tags", value={"A": "${x}"})
    with pytest.raises(FileError, match="which Terraform would evaluate"):
        gateway_file.read(write(tmp_path, data))


def test_what_a_machine_gets_may_hold_any_text(tmp_path):
    data = changed("services", 0, "environment", value={"A": "${x} %{y}"})
    data["services"][0]["command"] = ["${A}"]
    data["services"][0]["files"] = [{"path": "/etc/x", "text": "%{z}"}]
    assert gateway_file.read(write(tmp_path, data)).services[0].service.command == ("${A}",)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.yaml", "? [a]: b", "a key is no text"),
        ("a.yaml", "? [a]\n: b", "a key is no text"),
        ("a.yaml", "1: b", "a key is no text"),
        ("a.yaml", "true: b", "a key is no text"),
        ("a.yaml", "a: !!bool zz", "is no bool of YAML 1.2"),
        ("a.yaml", "a: !!int zz", "is no int of YAML 1.2"),
        ("a.yaml", "a: !!timestamp zz", "is no YAML"),
        ("a.yaml", "a: !!binary aGk=", "is no YAML"),
        ("a.yaml", "a: 0640", "write 0o640 for octal"),
        ("a.yaml", "a: " + "1" * 5000, "too large"),
        ("a.yaml", "a: 0x" + "f" * 9000, "a: is a number that is too large"),
        ("a.yaml", "a: " + "[" * 3000 + "]" * 3000, "is nested too deeply"),
        ("a.yaml", "a: &x [*x]", "is no YAML"),
        ("a.json", '{"a": ' + "1" * 5000 + "}", "too large"),
        ("a.json", "[" * 100_000, "is nested too deeply"),
        ("a.json", '{"a": ' + "[" * 100 + "]" * 100 + "}", "is nested too deeply"),
    ],
)
def test_a_trap_of_yaml_or_json_is_an_error_of_the_file(tmp_path, name, text, says):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(FileError, match=says) as caught:
        gateway_file.read(path)
    assert str(caught.value).startswith(name)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on: 1", {"on": 1}),
        ("NO: yes", {"NO": "yes"}),
        ("a: 2:30", {"a": "2:30"}),
        ("a: 2020-13-45", {"a": "2020-13-45"}),
        (
            "a: [~, true, -7, 0o17, 0x1f, 1.5, 2e3, '1']",
            {"a": [None, True, -7, 15, 31, 1.5, 2e3, "1"]},
        ),
    ],
)
def test_yaml_is_read_by_the_core_schema_of_1_2(tmp_path, text, value):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    assert gateway_text.parse(path) == value


@pytest.mark.parametrize("path", [None, 7, b"a.json", Path("a\0b")])
def test_a_path_that_is_none_is_an_error_of_the_file(path):
    with pytest.raises(FileError, match=r"is no path|cannot be read"):
        gateway_file.read(path)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("clouds", "aws", "network"), "10.20/16", "is no IPv4 range"),
        (("clouds", "aws", "zones"), ["us-east-1a"], "at least two"),
        (("clouds", "aws", "image"), "debian-99", 'write "debian-1'),
        (("clouds", "aws", "type"), "awz", 'do:   write "aws"'),
        (("discovery",), {"type": "consul", "count": 4}, "cannot be this many"),
        (("balancer",), {"type": "haproxy", "count": 1}, "single point of failure"),
        (("listeners", 0, "port"), 8404, "taken by the balancer itself"),
        (("services", 0, "name"), "${TfToken[T.1]}", "a token of the program"),
        (("services", 0, "clouds"), [], "at least 1 item"),
    ],
)
def test_an_error_of_a_driver_keeps_its_words(tmp_path, stack, path, value, says):
    with pytest.raises(FileError, match=says):
        Gateway.from_file(stack, "gw", write(tmp_path, changed(*path, value=value)))


def test_it_has_snapshots_taken_where_it_says(tmp_path, stack, synth):
    consul = {"type": "consul", "snapshots": {"aws": {"every": "30m", "keep": "30d"}}}
    Gateway.from_file(stack, "gw", write(tmp_path, GOOD | {"discovery": consul}))
    assert len(synth()["resource"]["aws_s3_bucket"]) == 1


@pytest.mark.parametrize(
    ("snapshots", "says"),
    [
        ({"mars": {}}, r"discovery\.snapshots: is no cloud of this gateway"),
        ({"aws": {"every": "1m"}}, r"discovery\.snapshots\.aws\.every: "),
        ({"aws": {"every": "2h", "keep": "1h"}}, r"discovery\.snapshots\.aws: .*less time"),
        ({"aws": {"to": "${bucket}"}}, r"gateway\.json: discovery\.snapshots\.aws\.to: "),
        ({"aws": {"to": "No Bucket"}}, "is no bucket of S3"),
    ],
)
def test_wrong_snapshots_are_refused_with_their_place(tmp_path, stack, snapshots, says):
    data = GOOD | {"discovery": {"type": "consul", "snapshots": snapshots}}
    with pytest.raises(FileError, match=says):
        Gateway.from_file(stack, "gw", write(tmp_path, data))


def test_a_file_may_say_that_none_are_taken(tmp_path, stack, synth):
    consul = {"type": "consul", "snapshots": {"aws": None}}
    Gateway.from_file(stack, "gw", write(tmp_path, GOOD | {"discovery": consul}))
    assert "aws_s3_bucket" not in synth()["resource"]
