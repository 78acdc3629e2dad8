"""What goes wrong on one of two hosts: the message names it, and the next apply goes on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crossgate import (
    App,
    AutoScalingGroup,
    Capacity,
    Host,
    InHouse,
    Machine,
    Service,
    ServiceFile,
    TerraformStack,
)
from crossgate.terraform.engine import LocalBackend
from lab.network import entered
from tests.lab.rack import Rack, booted, found, offer_packages
from tools.toolbox import environment, program

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.terraform]

HOSTS = (18, 19)
PORT = 7000
ECHO = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["VALUE"].encode())
http.server.ThreadingHTTPServer(("", 7000), Handler).serve_forever()
"""
THEIRS = "# somebody's own file\n"
SUDOERS = "/etc/sudoers.d/operator"


@dataclass
class Pair:
    """Two hosts that run a small service, deployed by Terraform itself."""

    rack: Rack
    folder: Path
    value: int = 0
    count: int = 2

    def apply(self, **changes: Any) -> subprocess.CompletedProcess[str]:
        """Apply the stack with the current value of the service; `changes` are of h19."""
        app = App(outdir=str(self.folder / "out"))
        stack = TerraformStack(app, "pair")
        LocalBackend(stack, path=str(self.folder / "state"))
        hosts = self.rack.hosts(HOSTS)
        hosts[1] |= changes
        spare = InHouse(
            stack,
            "spare",
            hosts=[Host(**host) for host in hosts],
            user="operator",
            key=str(self.rack.key),
            timeout=timedelta(seconds=4),
        )
        service = Service(
            name="echo",
            port=PORT,
            command=["/usr/bin/python3", "/srv/echo/echo.py"],
            environment={"VALUE": str(self.value)},
            files=[ServiceFile("/srv/echo/echo.py", ECHO)],
        )
        group = AutoScalingGroup(
            stack,
            "echo",
            clouds=[spare],
            service=service,
            capacity=Capacity(self.count),
            machine=Machine(cpu=1, memory=1),
        )
        group.connections.allow_from("10.98.0.0/24", port=PORT)
        app.synth()
        if not (self.folder / "out/stacks/pair/.terraform").exists():
            self.terraform("init", "-input=false")
        return self.terraform("apply", "-auto-approve", "-no-color", "-input=false")

    def terraform(self, *words: str) -> subprocess.CompletedProcess[str]:
        with entered(self.rack.lab.client_namespace):
            return subprocess.run(
                [str(program("terraform")), *words],
                cwd=self.folder / "out/stacks/pair",
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=180,
            )

    def says(self, number: int, port: int = PORT) -> str:
        """Return what a host answers; nothing when nobody does."""
        with entered(self.rack.lab.client_namespace):
            return subprocess.run(
                ["curl", "-s", "-m", "2", f"http://10.40.0.{number}:{port}/"],
                check=False,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    with booted("inhouse2", HOSTS) as rack:
        offer_packages(rack.folder / "files")
        rack.machine(18).write("/srv/echo/echo.py", THEIRS)
        rack.before["h18"] = found(rack.machine(18))
        made = Pair(rack, folder)
        done = made.apply()
        assert done.returncode == 0, done.stdout
        yield made


def fails_and_goes_on(pair: Pair, *, says: str, mend: Callable[[], object], **changes: Any) -> None:
    """Apply a new value while h19 is unwell, then again once it is mended."""
    pair.value += 1
    try:
        done = pair.apply(**changes)
    finally:
        mend()
    assert done.returncode != 0
    error = " ".join(done.stdout.split())
    assert says in error, done.stdout
    assert "with terraform_data.echo_spare_group_host-10-40-0-19_content" in error
    assert pair.says(18) == str(pair.value), "the host before it has the new value"
    done = pair.apply()
    assert done.returncode == 0, done.stdout
    assert "crossgate: 10.40.0.18: files of" not in done.stdout
    assert pair.says(19) == str(pair.value)


# In this order: each test goes on where the one before ended.


def test_packages_are_installed_and_both_serve(pair):
    assert [pair.says(number) for number in HOSTS] == ["0", "0"]
    assert "package ii  nftables" in found(pair.rack.machine(18)) - pair.rack.before["h18"]


def test_the_firewall_lets_in_what_was_opened_and_nothing_else(pair):
    machine = pair.rack.machine(18)
    machine.run("systemd-run", "--unit=other", "python3", "-m", "http.server", "7001")
    machine.wait_port(22)
    assert pair.says(18, 7001) == ""
    machine.run("systemctl", "stop", "crossgate-firewall")
    assert pair.says(18, 7001) != ""
    machine.run("systemctl", "start", "crossgate-firewall")
    assert pair.says(18) == "0"
    machine.run("systemctl", "stop", "other")


def test_an_unreachable_host(pair):
    machine = pair.rack.machine(19)
    machine.kill()

    def mend():
        machine.start()
        machine.wait_port(22)

    fails_and_goes_on(pair, says="timeout - last error", mend=mend)


def test_a_wrong_host_key(pair):
    other = pair.rack.machine(18).host_key
    fails_and_goes_on(pair, says="knownhosts: key mismatch", mend=lambda: None, host_key=other)


def test_a_full_disk(pair):
    machine = pair.rack.machine(19)
    machine.run("sh", "-c", "dd if=/dev/zero of=/var/full bs=1M 2>/dev/null || true")
    fails_and_goes_on(pair, says="its disk is full: ", mend=lambda: machine.run("rm", "/var/full"))


def test_no_right_to_become_root(pair):
    machine = pair.rack.machine(19)
    kept = machine.read(SUDOERS)
    machine.run("rm", SUDOERS)
    fails_and_goes_on(
        pair,
        says="crossgate: 10.40.0.19: operator may not become root",
        mend=lambda: machine.write(SUDOERS, kept),
    )


def test_a_mistyped_address_can_be_taken_back(pair):
    done = pair.apply(address="10.40.0.99")
    assert done.returncode != 0
    assert "with terraform_data.spare_presence_" in done.stdout
    assert '["10.40.0.99"]' in done.stdout
    done = pair.apply()
    assert done.returncode == 0, done.stdout
    assert [pair.says(number) for number in HOSTS] == [str(pair.value)] * 2


def test_a_host_that_carries_nothing_any_more_is_given_back(pair):
    pair.count = 1
    done = pair.apply(only="others")
    assert done.returncode == 0, done.stdout
    machine = pair.rack.machine(19)
    assert found(machine) ^ pair.rack.before["h19"] == set()
    assert pair.says(18) == str(pair.value)
    pair.count = 2
    assert pair.apply().returncode == 0


def test_destroyed_both_are_as_they_were(pair):
    done = pair.terraform("destroy", "-auto-approve", "-no-color")
    assert done.returncode == 0, done.stdout
    for number in HOSTS:
        machine = pair.rack.machine(number)
        assert found(machine) ^ pair.rack.before[machine.order.name] == set()
    assert pair.rack.machine(18).read("/srv/echo/echo.py") == THEIRS
