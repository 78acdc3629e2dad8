from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crossgate.boot.document import Document
from crossgate.discovery.consul.acl import KEYRING, Gossip
from crossgate.discovery.consul.agent import client_document, server_document
from crossgate.discovery.consul.settings import (
    GOSSIP_KEY_BYTES,
    GOSSIP_PORTS,
    RPC_PORTS,
    TLS_DIRECTORY,
    Versions,
)
from crossgate.errors import ConfigError
from crossgate.model.check import GrpcCheck, HttpCheck, TcpCheck, ThriftCheck
from crossgate.model.service import Service
from crossgate.model.text import Reference, Text
from crossgate.specs import Addresses, Tagged
from tests.discovery.consul.authority import (
    AUTHORITY,
    CERTIFICATE,
    PRIVATE,
    SERVER,
    TOKENS,
    known,
)
from tests.discovery.consul.programs import assert_consul_accepts, configuration
from tools import toolbox

if TYPE_CHECKING:
    from crossgate.specs import Join

KEY = Reference("${random_bytes.gossip.base64}")
ADDRESS = Reference("${openstack_networking_port_v2.consul_0.all_fixed_ips[0]}")
KNOWN = {
    KEY: base64.b64encode(bytes(GOSSIP_KEY_BYTES)).decode(),
    ADDRESS: "10.30.0.4",
    **known("nova"),
}
ADDRESSES = Addresses(addresses=[Text.of(ADDRESS), Text.of("10.30.0.5")])
TAGGED = Tagged(
    provider="aws", settings={"region": "us-east-1", "tag_key": "crossgate", "tag_value": "gw"}
)
SERVICES = [
    Service(name=name, port=port, command=["/usr/bin/x"], check=check)
    for name, port, check in (
        ("api", 9190, ThriftCheck(call="isUp", transport="framed")),
        ("web", 8080, HttpCheck(path="/health?a=%20\"'${x}")),
        ("raw", 7000, TcpCheck()),
        ("orders", 7001, GrpcCheck(service="shop.v1.Orders")),
    )
]


def server(join: Join = ADDRESSES, expected: int = 3) -> Document:
    return server_document(
        datacenter="nova", gossip=Gossip(key=KEY), join=join, expected=expected, **SERVER
    )


def client(join: Join = ADDRESSES) -> Document:
    return client_document(
        datacenter="nova",
        gossip=Gossip(key=KEY),
        authority=AUTHORITY,
        tokens=TOKENS,
        join=join,
        services=SERVICES,
    )


def settings(document: Document) -> dict[str, Any]:
    """Return what the agent's settings say, all files together."""
    found: dict[str, Any] = {}
    for file in configuration(document).values():
        found |= json.loads(Text.of(file.text).sample(known=KNOWN))
    return found


@pytest.mark.live
@pytest.mark.parametrize("join", [ADDRESSES, TAGGED], ids=["addresses", "tag"])
@pytest.mark.parametrize("make", [server, client])
def test_consul_accepts_the_configuration(tmp_path: Path, make: Any, join: Join) -> None:
    assert_consul_accepts(make(join), tmp_path, KNOWN)


@pytest.mark.parametrize("document", [server(), client()], ids=["server", "client"])
def test_the_gossip_key_is_a_reference_in_a_file_of_its_own(document: Document) -> None:
    (holding,) = [file for _, file in document.written() if KEY in Text.of(file.text).references()]
    assert holding.path == KEYRING
    assert (holding.mode, holding.owner) == (0o640, "root:consul")


@pytest.mark.parametrize("document", [server(), client()], ids=["server", "client"])
def test_others_read_of_the_agent_what_it_announces_alone(document: Document) -> None:
    for file in configuration(document).values():
        own = (0o640, "root:consul")
        wanted = (0o644, "root:root") if "/service-" in file.path else own
        assert (file.mode, file.owner) == wanted


@pytest.mark.parametrize("document", [server(), client()], ids=["server", "client"])
def test_gossip_is_encrypted_and_verified_both_ways(document: Document) -> None:
    found = settings(document)
    assert "encrypt" not in found  # keys have come before the agent starts, in its keyring
    assert found["encrypt_verify_incoming"] is found["encrypt_verify_outgoing"] is True


@pytest.mark.parametrize("document", [server(), client()], ids=["server", "client"])
def test_agents_trust_whom_the_authority_calls_a_server(document: Document) -> None:
    tls = settings(document)["tls"]
    assert tls["defaults"]["ca_file"] == f"{TLS_DIRECTORY}/ca.pem"
    assert tls["defaults"]["verify_outgoing"] is True
    assert tls["defaults"]["tls_min_version"] == "TLSv1_2"
    assert tls["internal_rpc"]["verify_server_hostname"] is True


def test_servers_hear_whom_the_authority_knows_and_give_clients_their_certificates() -> None:
    assert settings(server())["tls"]["defaults"]["verify_incoming"] is True
    assert settings(server())["auto_encrypt"] == {"allow_tls": True}
    assert settings(client())["auto_encrypt"] == {"tls": True}


def secrets(document: Document) -> dict[str, Text]:
    files = [file for _, file in document.written() if file.path.startswith(TLS_DIRECTORY)]
    assert {(file.mode, file.owner) for file in files} == {(0o640, "root:consul")}
    return {Path(file.path).name: Text.of(file.text) for file in files}


def test_servers_alone_have_a_key_from_terraform() -> None:
    assert {name: text.references() for name, text in secrets(server()).items()} == {
        "ca.pem": (AUTHORITY,),
        "server.pem": (CERTIFICATE,),
        "server.key": (PRIVATE,),
    }
    assert list(secrets(client())) == ["ca.pem"]


@pytest.mark.parametrize("document", [server(), client()], ids=["server", "client"])
def test_interfaces_are_on_the_loopback_address_or_off(document: Document) -> None:
    found = settings(document)
    assert found["client_addr"] == "127.0.0.1"
    assert found["ports"] == {"grpc": -1, "grpc_tls": -1, "serf_wan": -1}
    assert found["enable_script_checks"] is found["enable_local_script_checks"] is False
    assert found["disable_remote_exec"] is True


def test_addresses_are_joined_as_they_turn_out() -> None:
    assert settings(server())["retry_join"] == ["10.30.0.4", "10.30.0.5"]


@pytest.mark.parametrize(
    ("value", "written"),
    [("gw", "gw"), ("a b", '"a b"'), ('q"\\', '"q\\"\\\\"'), ("a=b", '"a=b"')],
)
def test_tags_are_joined_in_the_words_of_go_discover(value: str, written: str) -> None:
    join = Tagged(provider="aws", settings={"region": "us-east-1", "tag_value": value})
    assert settings(client(join))["retry_join"] == [
        f"provider=aws region=us-east-1 tag_value={written}"
    ]


def test_servers_stay_and_clients_leave_when_they_are_stopped() -> None:
    assert settings(server())["leave_on_terminate"] is False
    assert settings(client())["leave_on_terminate"] is True


@pytest.mark.parametrize("count", [3, 5])
def test_servers_expect_their_number_and_keep_to_it(count: int) -> None:
    found = settings(server(expected=count))
    assert found["bootstrap_expect"] == found["autopilot"]["min_quorum"] == count


def test_clients_expect_nothing() -> None:
    assert "bootstrap_expect" not in settings(client())


def test_a_client_that_vanished_is_soon_forgotten() -> None:
    assert settings(client())["advertise_reconnect_timeout"] == "15m"
    assert "advertise_reconnect_timeout" not in settings(server()), "Consul takes it of no server"


def test_each_service_is_registered_in_a_file_of_its_own() -> None:
    assert {"service-api.json", "service-web.json", "service-raw.json"} < set(
        configuration(client())
    )


@pytest.mark.parametrize(
    ("versions", "of_server", "of_client"),
    [
        (Versions(consul="1.19.2"), "1.19.2", "1.19.2"),
        (Versions(consul="1.21.0", agents="1.20.0"), "1.21.0", "1.20.0"),
    ],
    ids=["all", "servers first"],
)
def test_versions_are_pinned(versions: Versions, of_server: str, of_client: str) -> None:
    same = {"datacenter": "nova", "gossip": Gossip(key=KEY), "join": ADDRESSES}
    documents = (
        server_document(**same, **SERVER, expected=3, versions=versions),
        client_document(**same, authority=AUTHORITY, tokens=TOKENS, versions=versions),
    )
    for document, wanted in zip(documents, (of_server, of_client), strict=True):
        assert any(f" consul {wanted}" in str(command.line) for command in document.before)


@pytest.mark.parametrize("agents", ["1.20.1", "1.21.0", "1.100.0", "2.0.0"])
def test_fails_on_agents_that_are_newer_than_servers(agents: str) -> None:
    with pytest.raises(ConfigError, match="newer than the servers"):
        Versions(consul="1.20.0", agents=agents)


@pytest.mark.parametrize("version", ["1.20", "1.20.0; reboot", "latest"])
def test_fails_on_a_version_that_is_none(version: str) -> None:
    with pytest.raises(ConfigError, match="Versions: consul"):
        Versions(consul=version)


@pytest.mark.parametrize("document", [server(), client()], ids=["server", "client"])
def test_two_parts_of_one_machine_agree_about_the_agent(document: Document) -> None:
    assert Document.merge(document, document).units == document.units


@pytest.mark.root
@pytest.mark.parametrize("document", [server(), client()], ids=["server", "client"])
def test_systemd_accepts_the_unit(tmp_path: Path, document: Document) -> None:
    # Of what the others are ordered after, the service is not this document's.
    (tmp_path / "api.service").write_text("[Service]\nExecStart=/bin/true\n")
    for unit in document.units:
        (tmp_path / unit.name).write_text(str(unit.text), encoding="utf-8")
    done = subprocess.run(
        [toolbox.program("systemd-analyze"), "verify", *(unit.name for unit in document.units)],
        env=dict(os.environ, SYSTEMD_UNIT_PATH=f"{tmp_path}:"),
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_ports_are_those_that_agents_use() -> None:
    assert [str(ports) for ports in GOSSIP_PORTS] == ["tcp/8301", "udp/8301"]
    assert [str(ports) for ports in RPC_PORTS] == ["tcp/8300"]


def leaving(document: Document) -> str:
    (unit,) = (unit for unit in document.units if unit.name == "crossgate-leave.service")
    return str(unit.text)


def test_a_machine_leaves_the_lists_before_its_services_stop() -> None:
    text = leaving(client())
    assert "After=consul.service api.service web.service raw.service orders.service\n" in text
    assert "ExecStop=/bin/sh /usr/local/lib/crossgate/leave\n" in text
    assert "TimeoutStopSec=95\n" in text  # four services of 20 seconds, and its own 15


def test_leaving_waits_until_the_lists_are_without_it_then_for_its_connections() -> None:
    (script,) = (f for f in client().files if f.path == "/usr/local/lib/crossgate/leave")
    lines = str(script.text).splitlines()
    assert lines.index("sleep 3") < lines.index("drain 20 9190")
    assert [command.line for command in client().leave] == [script.path]


def test_after_a_reboot_it_takes_work_again() -> None:
    for name in ("api", "web", "raw", "orders"):
        line = f"ExecStart=/bin/sh -c 'until consul maint -disable -service={name}; do"
        assert line in leaving(client())


def test_what_runs_no_service_has_nothing_to_leave() -> None:
    names = [unit.name for unit in server().units]
    assert names == ["consul.service", "crossgate-consul-tokens.service"]
