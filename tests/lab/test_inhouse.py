"""In-house servers for real: `cdktf deploy` over SSH to seven hosts with nothing but sshd."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crossgate.discovery.consul.acl import MANAGEMENT_TOKEN
from lab.events import MODES
from lab.machine import until
from lab.network import entered
from lab.rack import HOSTS, VIP
from lab.trial import Trial
from tests.lab.rack import Rack, booted, found
from tools.toolbox import ROOT, environment

if TYPE_CHECKING:
    from lab.deploy import Deployed

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.terraform]


@dataclass
class Gateway:
    """The gateway on the rack, once it is deployed."""

    rack: Rack
    deployed: Deployed | None = None

    def deploy(self, version: str) -> str:
        """Deploy it with a version of the service; return what the CLI printed."""
        self.deployed = self.rack.deploy(version)
        return self.deployed.output

    def terraform(self, *words: str) -> subprocess.CompletedProcess[str]:
        assert self.deployed is not None, "it is not deployed"
        with entered(self.rack.lab.client_namespace):
            return self.deployed.terraform(*words)


@pytest.fixture(scope="module")
def rack() -> Iterator[Rack]:
    with booted("inhouse", HOSTS) as made:
        yield made


@pytest.fixture(scope="module")
def gateway(rack: Rack) -> Gateway:
    made = Gateway(rack)
    made.deploy("1.4")
    return made


@dataclass
class Load:
    """Calls at the shared address, until they are ended."""

    process: subprocess.Popen[str]

    def ended(self) -> dict[str, Any]:
        self.process.send_signal(signal.SIGTERM)
        summary: dict[str, Any] = json.loads(self.process.communicate(timeout=30)[0])
        return summary


@pytest.fixture
def load(rack: Rack, tmp_path: Path) -> Iterator[Callable[..., Load]]:
    started: list[subprocess.Popen[str]] = []

    def start(*more: str) -> Load:
        with entered(rack.lab.client_namespace):
            process = subprocess.Popen(
                [sys.executable, "-m", "lab.load", "--target", f"{VIP}:9000", "--seconds", "300",
                 "--raw", str(tmp_path / "raw.jsonl"), *more],
                cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                env=environment() | {"PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        started.append(process)
        return Load(process)

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def called(load: Callable[..., Load]) -> dict[str, Any]:
    """Return what two seconds of calls bring."""
    running = load()
    with pytest.raises(subprocess.TimeoutExpired):
        running.process.wait(timeout=2)
    return running.ended()


# In this order: each test goes on where the one before ended.


def test_it_is_deployed_by_the_real_cli_and_serves(gateway, rack, load):
    seen = called(load)
    assert seen["failed"] == 0
    assert set(seen["servers"]) == {"h14", "h15"}


def test_the_hosts_say_themselves_who_is_what(gateway, rack):
    (site,) = rack.running().sites
    assert site.servers == ["h11", "h12", "h13"]
    assert site.services == ["h14", "h15"]
    assert site.balancers == ["h16", "h17"]


def test_one_balancer_has_the_shared_address(gateway, rack):
    having = [n for n in (16, 17) if VIP in rack.machine(n).run("ip", "address")]
    assert len(having) == 1


def test_applied_again_nothing_changes(gateway):
    done = gateway.terraform("plan", "-detailed-exitcode", "-no-color")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("number", [11, 14, 16])
def test_the_script_run_again_touches_nothing(gateway, rack, number):
    machine = rack.machine(number)
    pids = "systemctl show --property=MainPID --value consul api haproxy crossgate-vip"
    files = "find / -xdev -newer /tmp/mark -type f"
    machine.run("touch", "/tmp/mark")  # noqa: S108  # on the machine
    before = machine.run("sh", "-c", pids)
    said = machine.run("sh", "/var/lib/crossgate/host/host.sh", "apply")
    assert "done, nothing to change" in said
    assert machine.run("sh", "-c", pids) == before
    touched = machine.run("sh", "-c", files).split()
    own = re.compile(r"/(proc|sys|dev|run|tmp|var/log|opt/consul|var/lib/crossgate/host)/")
    assert [path for path in touched if not own.match(path)] == []


def test_a_new_version_rolls_without_a_failed_call(gateway, rack, load):
    agents = [rack.machine(n).run("pidof", "consul") for n in HOSTS]
    running = load()
    output = gateway.deploy("1.5")
    seen = running.ended()
    assert seen["failed"] == 0, seen
    assert set(seen["versions"]) == {"1.4", "1.5"}
    assert [rack.machine(n).run("pidof", "consul") for n in HOSTS] == agents
    steps = re.findall(r"crossgate: 10\.40\.0\.(\d+): (leaving work|done)", output)
    assert steps == [
        ("14", "leaving work"), ("14", "done"), ("15", "leaving work"), ("15", "done"),
    ]  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_all_that_consul_keeps_secret_is_exchanged_without_a_failed_call(
    gateway, rack, tmp_path, mode
):
    before, key = rack.rotation(), primary(rack)
    running = rack.running()
    running.save()
    result = Trial(gateway=running, folder=tmp_path).run("exchange", mode=mode)
    assert [call for call in result.calls if not call.ok] == []
    assert rack.rotation() == before + 1

    def exchanged() -> bool:
        said = managed(rack, "acl", "token", "list")
        return f"crossgate {before + 1}: " in said and f"crossgate {before}: " not in said

    until(exchanged, seconds=120, what="the tokens before are good no more")
    until(lambda: primary(rack) not in ("", key), seconds=60, what="all use the new gossip key")


def primary(rack: Rack) -> str:
    """Return the key with which all agents encrypt; nothing while some use another."""
    rows = [line.split() for line in managed(rack, "keyring", "-list-primary").splitlines()]
    everybody = f"[{len(HOSTS)}/{len(HOSTS)}]"
    return next((row[0] for row in rows if row[1:] == [everybody]), "")


def test_consul_is_restored_from_a_snapshot_without_a_failed_call(gateway, rack, tmp_path):
    running = rack.running()
    running.save()
    result = Trial(gateway=running, folder=tmp_path).run("servers-restored")
    assert [call for call in result.calls if not call.ok] == []


def managed(rack: Rack, *words: str) -> str:
    """Return what Consul says to who may do anything."""
    token = f"CONSUL_HTTP_TOKEN_FILE={MANAGEMENT_TOKEN}"
    return rack.machine(HOSTS[0]).run("env", token, "consul", *words, check=False)


def test_a_balancer_that_is_killed_keeps_the_shared_address_and_its_clients(
    gateway, rack, tmp_path
):
    running = rack.running()
    running.save()
    result = Trial(gateway=running, folder=tmp_path).run("balancer-killed", mode="lasting")
    assert len(result.failed) <= result.raw.settings["workers"]
    assert result.longest_gap < 2


def test_the_shared_address_moves_when_its_host_vanishes(gateway, rack, load):
    (number,) = [n for n in (16, 17) if VIP in rack.machine(n).run("ip", "address")]
    other = rack.machine(33 - number)
    running = load("--timeout", "2")
    with pytest.raises(subprocess.TimeoutExpired):
        running.process.wait(timeout=2)
    rack.machine(number).kill()
    began = time.monotonic()
    until(lambda: VIP in other.run("ip", "address"), seconds=3, what="the address has moved")
    moved = time.monotonic() - began
    with pytest.raises(subprocess.TimeoutExpired):
        running.process.wait(timeout=4)
    seen = running.ended()
    rack.machine(number).start()
    rack.machine(number).wait_port(22)
    assert moved < 1
    assert VIP in other.run("ip", "address"), "a host that comes back takes nothing"
    # Calls that the dead host had are lost, and their clients give up after two seconds; a
    # connection that was under way is tried again by the client's kernel after one.
    assert seen["failed"] <= seen["workers"]
    assert max(seen["longest_gap"]) < 3


def test_nothing_of_the_key_is_in_the_json_or_in_the_state(gateway, rack):
    secret = rack.key.read_text().splitlines()[3]
    assert secret not in json.dumps(gateway.deployed.json)
    (state,) = gateway.deployed.folder.rglob("terraform.inhouse.tfstate")
    assert "self.input" not in state.read_text()
    assert str(rack.key) in state.read_text()
    assert secret not in state.read_text()


def test_destroyed_every_host_is_as_it_was(gateway, rack):
    done = gateway.terraform("destroy", "-auto-approve", "-no-color")
    assert done.returncode == 0, done.stdout + done.stderr
    for number in HOSTS:
        machine = rack.machine(number)
        assert found(machine) ^ rack.before[machine.order.name] == set()
