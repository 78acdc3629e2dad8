"""In-house servers in a gateway file."""

from __future__ import annotations

import json

import pytest

from crossgate import ConfigError, Gateway
from tests.clouds.inhouse.hosts import DATA, KEY, carried, part

HOSTS = [
    {"address": f"10.0.0.{n}", "cpu": 4, "memory": 8, "host_key": KEY, "rack": "a"}
    for n in range(11, 18)
]


def built(stack, tmp_path, **changes):
    file = tmp_path / "gateway.json"
    rack = {"type": "inhouse", "hosts": HOSTS, "user": "deploy", "vip": "10.0.0.100/24"}
    file.write_text(
        json.dumps(
            {
                "clouds": {"rack": rack | changes},
                "services": [
                    {
                        "name": "api",
                        "port": 9190,
                        "image": "registry.example.org/api:1",
                        "capacity": {"minimum": 2},
                    }
                ],
                "listeners": [{"port": 9000, "to": "api"}],
            }
        )
    )
    return Gateway.from_file(stack, "gw", file)


def test_a_file_describes_a_whole_rack(stack, synth, tmp_path):
    built(stack, tmp_path)
    assert carried(synth()) == list(range(11, 18))


def test_a_file_names_the_variable_that_holds_the_key(stack, synth, tmp_path):
    built(stack, tmp_path, key_variable="rack_key")
    made = synth()
    assert made["variable"]["rack_key"] == {"sensitive": True, "type": "string"}
    assert part(made, 11, "content")["connection"]["private_key"] == "${var.rack_key}"


def test_a_file_names_the_file_of_the_key(stack, synth, tmp_path):
    built(stack, tmp_path, key="/keys/rack", timeout="5s")
    connection = part(synth(), 11, "content")["connection"]
    assert connection["private_key"] == '${file(pathexpand("/keys/rack"))}'
    assert connection["timeout"] == "5s"


def test_two_keys_are_one_too_many(stack, tmp_path):
    with pytest.raises(ConfigError, match="names two keys"):
        built(stack, tmp_path, key="/keys/rack", key_variable="rack_key")


def test_a_wrong_host_is_named_by_its_place(stack, tmp_path):
    with pytest.raises(ConfigError, match=r"clouds\.rack\.hosts\[0\]") as caught:
        built(stack, tmp_path, hosts=[HOSTS[0] | {"host_key": "none"}])
    assert "is no public SSH host key" in str(caught.value)


def test_nothing_but_terraforms_own_resource_is_made(stack, synth, tmp_path):
    built(stack, tmp_path)
    made = synth()
    secrets = {kind for kind in made["resource"] if kind.startswith(("random_", "tls_"))}
    assert set(made["resource"]) == {DATA, *secrets}
    assert set(made["terraform"]["required_providers"]) == {"random", "tls"}
