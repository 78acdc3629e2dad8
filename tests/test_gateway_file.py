import json

import pytest
import yaml
from jsonschema import Draft202012Validator

from crossgate import FileError, Gateway, SynthesisError, gateway_file
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
        (changed("services", 0, "port", value=70000), "gateway.json: services[0].port: "),
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
        (changed("services", value=[]), "services: "),
        (changed("services", value=[GOOD["services"][0]] * 2), "services[1].name: two services"),
        (changed("listeners", 0, "to", value="apy"), "listeners[0].to: leads to a service"),
        (changed("listeners", 0, "port", value=0), "listeners[0].port: "),
        (changed("listeners", value=GOOD["listeners"] * 2), "one port is taken twice"),
        (changed("clouds", value={}), "clouds: "),
        (changed("clouds", "aws", "type", value="awz"), 'do:   write "aws"'),
        (changed("clouds", "aws", "type", remove=True), 'clouds.aws: must say its "type"'),
        (changed("clouds", "aws", "regoin", value="x"), "clouds.aws.regoin: is not known here"),
        (changed("clouds", "aws", "region", remove=True), "clouds.aws.region: is required"),
        (changed("clouds", "aws", "region", value="mars"), "clouds.aws: aws: region"),
        (changed("clouds", "aws", "network", value="10.20/16"), "is no IPv4 range"),
        (changed("clouds", "aws", "zones", value=["us-east-1a"]), "at least two"),
        (changed("clouds", "aws", "image", value="debian-99"), 'write "debian-1'),
        (changed("discovery", value={"type": "consul", "count": 4}), "cannot be this many"),
        (changed("discovery", value={"type": "zookeeper"}), "discovery.type: has no such type"),
        (changed("balancer", value={"type": "haproxy", "count": 1}), "single point of failure"),
        (changed("balancer", value="haproxy"), 'balancer: must say its "type"'),
        (changed("extra", value=1), "extra: is not known here"),
    ],
)
def test_an_error_names_its_place_in_the_file_and_nothing_is_written(tmp_path, stack, data, says):
    with pytest.raises((FileError, SynthesisError)) as caught:
        Gateway.from_file(stack, "gw", write(tmp_path, data))
    assert "gateway.json" in str(caught.value)
    assert says.replace("aws: region", "test/aws: region") in str(caught.value)
    assert not list(tmp_path.rglob("cdk.tf.json"))


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


def test_per_cloud_values_override_one_cloud(tmp_path):
    data = changed(
        "services", 0, "per_cloud", value={"aws": {"capacity": {"minimum": 3, "maximum": 9}}}
    )
    read = gateway_file.read(write(tmp_path, data))
    assert read.services[0].capacity["aws"].maximum == 9


def test_the_published_schema_is_fresh():
    assert gateway_schema.TARGET.read_text() == gateway_schema.text(), "run `make bindings`"


def test_the_example_file_fits_the_published_schema():
    example = json.loads((ROOT / "stacks" / "gateway.json").read_text())
    Draft202012Validator(json.loads(gateway_schema.TARGET.read_text())).validate(example)
