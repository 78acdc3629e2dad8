"""What tokens and keys of Consul there are, what each allows, and how all are exchanged.

tests/live tries them on machines.
"""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgate import AutoScalingGroup, ConfigError, ConsulServers, NullCloud, Service
from crossgate.discovery.consul.acl import KEYRING, MANAGEMENT_TOKEN, role_of
from crossgate.discovery.consul.programs.consul_tokens import (
    AGENT,
    BALANCER,
    MANAGEMENT,
    SERVER,
    Secret,
    Way,
    oldest,
    policies_of,
    secrets_of,
    services_of,
)
from crossgate.discovery.consul.settings import TLS_DIRECTORY
from crossgate.model.text import Text
from crossgate.specs import GroupSpec, MachinesSpec

LOST = "Consul answers 500: Raft leader not found in server lookup mapping"
# With a digit at the end, as no system service or user has, whose names a service may not have.
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}[0-9]", fullmatch=True)


def rules(role):
    """Return what a role allows, all its policies together."""
    found = {}
    for one in map(json.loads, policies_of(role).values()):
        for kind, names in one.items():
            found[kind] = (
                {**found[kind], **names} if isinstance(names, dict) and kind in found else names
            )
    return found


@given(st.lists(NAMES, min_size=1, max_size=5, unique=True))
def test_a_machine_announces_its_own_services_and_no_others(names):
    services = [
        Service(name=name, port=9190 + place, command=["/usr/bin/x"])
        for place, name in enumerate(names)
    ]
    role = role_of(services)
    assert services_of(role) == sorted(names)
    assert set(rules(role)["service"]) == set(names)
    assert {one["policy"] for one in rules(role)["service_prefix"].values()} == {"read"}


@pytest.mark.parametrize("role", [BALANCER, SERVER, "services:api"])
def test_no_program_of_a_machine_may_write_nodes_or_tokens(role):
    assert rules(role)["node_prefix"] == {"": {"policy": "read"}}
    assert "acl" not in rules(role)


@pytest.mark.parametrize("role", [BALANCER, SERVER])
def test_who_runs_no_service_announces_none(role):
    assert "service" not in rules(role)
    assert rules(role)["service_prefix"] == {"": {"policy": "read"}}


def test_the_agent_itself_may_announce_its_node_and_see_services_alone():
    assert set(rules(AGENT)) == {"node_prefix", "service_prefix"}


@pytest.mark.parametrize(
    "role",
    [
        MANAGEMENT,
        "",
        "root",
        "services:",
        "services:api,",
        "services:b,a",
        "services:a,a",
        'services:a" { policy = "write" } acl = "write',
        "services:../x",
        "services:a/b",
        "services:API",
        "services:" + ",".join(f"s{n:02}" for n in range(21)),
    ],
)
def test_a_role_that_does_not_exist_has_no_token(role):
    assert policies_of(role) == {}


@given(NAMES, NAMES, st.text("abc123", min_size=1), st.text("abc123", min_size=1))
def test_each_role_and_each_secret_has_a_token_of_its_own(one, other, first, second):
    tokens = {
        Secret(1, secret).token(f"services:{name}")
        for secret in {first, second}
        for name in {one, other}
    }
    assert len(tokens) == len({first, second}) * len({one, other})


def test_what_a_token_is_known_by_does_not_tell_it():
    assert Secret(1, "x").accessor(SERVER) != Secret(1, "x").token(SERVER)


def test_secrets_are_read_the_newest_first():
    assert secrets_of("2 new\n1 old\n") == [Secret(2, "new"), Secret(1, "old")]


def node(address, number=None):
    return {"Address": address, "Meta": {} if number is None else {"tokens": str(number)}}


def test_tokens_are_good_until_the_last_machine_has_newer_ones():
    assert oldest([node("10.0.0.1", 2), node("10.0.0.2", 1), node("10.0.0.3", 2)]) == 1
    assert oldest([node("10.0.0.1", 2), node("10.0.0.2", 2)]) == 2


def test_a_dead_server_whose_address_another_one_has_keeps_no_token_good():
    assert oldest([node("10.0.0.1", 1), node("10.0.0.1", 2)]) == 2
    assert oldest([node("10.0.0.1", 2), node("10.0.0.1", 1)]) == 2


def test_a_node_that_is_not_ours_counts_for_nothing():
    assert oldest([node("10.0.0.1", 2), node("10.0.0.9")]) == 2
    assert oldest([node("10.0.0.1", 2), node("10.0.0.9", "two")]) == 2
    assert oldest([node("10.0.0.9"), {"Address": "10.0.0.8", "Meta": None}]) == 0


def test_an_agent_that_has_lost_its_leader_for_long_is_started_anew():
    way = Way()
    assert not way.is_lost(LOST, 100)
    assert not way.is_lost(LOST, 104)
    assert way.is_lost(LOST, 111)


def test_an_agent_that_finds_its_leader_again_goes_on():
    way = Way()
    way.is_lost(LOST, 100)
    way.is_lost("", 104)
    assert not way.is_lost(LOST, 111)


@pytest.mark.parametrize("error", ["Consul answers 500: No cluster leader", "Connection refused"])
def test_where_nobody_leads_nothing_is_started_anew(error):
    way = Way()
    assert not way.is_lost(error, 100)
    assert not way.is_lost(error, 999)


# In a stack


def references(documents, path=""):
    """Return what is written to files by reference, in their order; of all, or of one."""
    files = [file for document in documents for _, file in document.written()]
    texts = [Text.of(file.text) for file in files if path in ("", file.path)]
    return [reference.token for text in texts for reference in text.references()]


def roles(tokens):
    return {found[1] for one in tokens if (found := re.match(r'.*uuidv5\(.*, "(.*)"\]', one))}


@pytest.fixture
def cloud(stack):
    return NullCloud(stack, "here")


def asked(cloud, kind):
    return [spec.document for spec in cloud.asked if isinstance(spec, kind)]


def test_a_machine_of_a_service_has_its_token_and_that_of_its_agent(stack, cloud, api):
    consul = ConsulServers(stack, "consul", clouds=[cloud])
    AutoScalingGroup(stack, "api", clouds=[cloud], service=api, discovery=consul)
    assert roles(references(asked(cloud, GroupSpec))) == {"agent", "services:api"}


def test_the_management_has_a_token_on_servers_alone(stack, cloud):
    ConsulServers(stack, "consul", clouds=[cloud])
    servers = asked(cloud, MachinesSpec)
    assert roles(references(servers)) == {"agent", "server", "management"}
    assert roles(references(servers, MANAGEMENT_TOKEN)) == {"management"}


def test_no_token_and_no_secret_is_in_the_json(stack, cloud, synth):
    ConsulServers(stack, "consul", clouds=[cloud])
    for made in synth()["resource"]["random_password"].values():
        assert "result" not in made


def test_servers_know_the_secret_before_until_all_machines_have_the_new_one(stack, cloud):
    ConsulServers(stack, "consul", clouds=[cloud], rotation=3)
    secrets = references(asked(cloud, MachinesSpec), "/etc/crossgate/consul-tokens.secrets")
    assert [re.findall(r"tokens-(\d)", one) for one in secrets] == [["3"], ["2"]]


def gossip_of(documents):
    """Return the numbers of the gossip keys that machines begin with; the first had none."""
    found = references(documents, KEYRING)
    return [re.search(r"gossip-?(\d?)", one)[1] or "1" for one in found]


@pytest.mark.parametrize("spec", [MachinesSpec, GroupSpec], ids=["servers", "services"])
def test_all_machines_encrypt_with_the_gossip_key_before_and_know_the_newest(
    stack, cloud, api, spec
):
    consul = ConsulServers(stack, "consul", clouds=[cloud], rotation=2)
    AutoScalingGroup(stack, "api", clouds=[cloud], service=api, discovery=consul)
    assert gossip_of(asked(cloud, spec)) == ["1", "2"]


def test_before_the_first_exchange_there_is_one_gossip_key(stack, cloud, synth):
    ConsulServers(stack, "consul", clouds=[cloud])
    assert gossip_of(asked(cloud, MachinesSpec)) == ["1"]
    assert len(synth()["resource"]["random_bytes"]) == 1


def authorities(made, name):
    """Return the references to the certificate of an authority."""
    found = made["resource"]["tls_self_signed_cert"]
    return [f"${{tls_self_signed_cert.{one}.cert_pem}}" for one in found if f"_{name}_" in one]


@pytest.mark.parametrize(
    ("rotation", "trusted"),
    [
        (1, ["authority", "authority-2"]),
        (2, ["authority", "authority-2", "authority-3"]),
        (3, ["authority-2", "authority-3", "authority-4"]),
    ],
)
def test_machines_trust_the_authority_before_theirs_and_the_next_one(
    stack, synth, cloud, api, rotation, trusted
):
    consul = ConsulServers(stack, "consul", clouds=[cloud], rotation=rotation)
    AutoScalingGroup(stack, "api", clouds=[cloud], service=api, discovery=consul)
    made = synth()
    wanted = [name for one in trusted for name in authorities(made, one)]
    for spec in (MachinesSpec, GroupSpec):
        assert references(asked(cloud, spec), f"{TLS_DIRECTORY}/ca.pem") == wanted
    (signed,) = made["resource"]["tls_locally_signed_cert"].values()
    (own,) = authorities(made, "authority" if rotation == 1 else f"authority-{rotation}")
    assert signed["ca_cert_pem"] == own


def test_an_exchange_makes_a_new_key_for_the_servers(stack, synth, cloud):
    ConsulServers(stack, "consul", clouds=[cloud], rotation=2)
    (request,) = synth()["resource"]["tls_cert_request"].values()
    assert "_certificate-2-key_" in request["private_key_pem"]


@pytest.mark.parametrize(
    ("wrong", "why"), [(0, "counts from 1"), (True, "wrong type"), ("2", "wrong type")]
)
def test_fails_on_a_rotation_that_is_no_count(stack, cloud, wrong, why):
    with pytest.raises(ConfigError, match=f"rotation .*{why}"):
        ConsulServers(stack, "consul", clouds=[cloud], rotation=wrong)
