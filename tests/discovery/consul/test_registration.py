from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path

import pytest

from crossgate.discovery.consul.registration import check, definition, registration
from crossgate.errors import ConfigError
from crossgate.model.check import Check, GrpcCheck, HttpCheck, TcpCheck, ThriftCheck
from crossgate.model.service import Service
from crossgate.model.text import Reference, Text
from lab.daemon import free_port
from tests.balancers.haproxy.examples import grpc_server
from tests.discovery.consul.programs import running_consul


def service(check: Check) -> Service:
    return Service(name="api", port=9190, protocol="thrift", command=["/usr/bin/x"], check=check)


@pytest.mark.parametrize("given", [TcpCheck(), ThriftCheck()])
def test_a_connect_is_what_consul_checks(given: Check) -> None:
    assert check(service(given))["tcp"] == "127.0.0.1:9190"


def test_an_http_check_asks_for_the_path() -> None:
    found = check(service(HttpCheck(path="/up")))
    assert found["http"] == "http://127.0.0.1:9190/up"
    assert found["disable_redirects"] is True
    assert "tcp" not in found


def test_a_thrift_check_says_what_consul_cannot_see() -> None:
    assert "'isUp'" in str(check(service(ThriftCheck(call="isUp")))["notes"])
    assert "notes" not in check(service(TcpCheck()))


@pytest.mark.parametrize(("asked", "target"), [("", ""), ("shop.v1.Orders", "/shop.v1.Orders")])
def test_a_grpc_check_is_made_by_consul_itself(asked: str, target: str) -> None:
    found = check(service(GrpcCheck(service=asked)))
    assert found["grpc"] == f"127.0.0.1:9190{target}"
    assert not {"tcp", "http", "notes"} & set(found)


@pytest.mark.live
def test_the_real_consul_calls_the_health_service(tmp_path: Path) -> None:
    """Consul calls by grpc-go: so the server of these tests is one of gRPC's indeed."""
    port = free_port()
    asked = {"all": "", "orders": "shop.v1.Orders", "sick": "shop.v1.Sick", "none": "shop.v1.None"}
    for name, of in asked.items():
        named = Service(name=name, port=port, command=["/x"], check=GrpcCheck(service=of))
        file = registration(named)
        (tmp_path / f"{name}.json").write_text(Text.of(file.text).sample(), encoding="utf-8")
    with grpc_server(port), running_consul(f"-config-dir={tmp_path}") as consul:
        # A check that has said nothing yet is critical too, and says no more than that.
        last = time.monotonic() + 15
        while not all(said for _, said in consul.checks().values()):
            assert time.monotonic() < last
            time.sleep(0.1)
        seen = consul.checks()
    assert {name: status for name, (status, _) in seen.items()} == {
        "all": "passing",
        "orders": "passing",
        "sick": "critical",
        "none": "critical",
    }


def test_times_are_those_of_the_check() -> None:
    found = check(service(TcpCheck(every=timedelta(seconds=5), timeout=timedelta(seconds=2.5))))
    assert (found["interval"], found["timeout"]) == ("5000ms", "2500ms")


def test_consul_checks_no_more_often_than_it_can() -> None:
    fast = TcpCheck(every=timedelta(milliseconds=200), timeout=timedelta(milliseconds=200))
    assert check(service(fast))["interval"] == "1000ms"


def test_a_service_is_announced_with_what_it_speaks() -> None:
    found = definition(service(TcpCheck()))
    assert (found["name"], found["port"], found["tags"]) == ("api", 9190, ["thrift"])
    assert found["meta"] == {"protocol": "thrift"}


def test_the_file_keeps_no_secret_and_root_alone_writes_it() -> None:
    file = registration(service(TcpCheck()))
    assert (file.path, file.mode, file.owner) == (
        "/etc/crossgate/consul/service-api.json", 0o644, "root:root",
    )  # fmt: skip


def test_others_may_say_the_tags_later() -> None:
    tags = Reference("${local.tags_api}")
    file = registration(service(TcpCheck()), tags)
    written = Text.of(file.text).sample(known={tags: '["thrift", "urlprefix-edge=:9000"]'})
    assert json.loads(written)["service"]["tags"] == ["thrift", "urlprefix-edge=:9000"]


def test_fails_on_a_fraction_of_a_millisecond() -> None:
    odd = TcpCheck(every=timedelta(seconds=2, microseconds=1))
    with pytest.raises(ConfigError, match="check: must be a whole number of milliseconds"):
        check(service(odd))
