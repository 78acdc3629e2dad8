"""Both halves of the gateway, from user data alone: moto, and a real OpenStack control plane."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from crossgate.cli.app import run
from lab.clouds import Clouds
from lab.commands_up import running
from lab.events import MODES
from lab.lab import Lab
from lab.machine import until
from lab.network import entered
from lab.openstack import instances
from lab.targets import judge
from lab.thrift.client import Client
from lab.trial import Trial
from stacks.lab import AWS, NOVA, PORT
from tools.toolbox import ToolError

if TYPE_CHECKING:
    from lab.control_plane.plane import ControlPlane
    from lab.machine import Machine

pytestmark = [
    pytest.mark.openstack,
    # openstacksdk warns of how it calls itself.
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"),
]

QUICK_SECONDS = 0.3
PYTHON = "/usr/bin/python3"


@pytest.fixture(scope="module")
def clouds(plane: ControlPlane) -> Iterator[Clouds]:
    with Lab.create(name="test-two") as lab:
        clouds = Clouds(lab, project=plane.project)
        try:
            clouds.deploy()
            yield clouds
        finally:
            clouds.stop()


def who_serves(clouds: Clouds, address: str) -> str | None:
    async def ask() -> Any:
        client = await Client.connect(address, PORT)
        try:
            return await asyncio.wait_for(client.call("who"), 5)
        finally:
            client.abort()

    try:
        with entered(clouds.lab.client_namespace):
            return asyncio.run(ask()).name
    except (OSError, EOFError, TimeoutError):
        return None


@pytest.mark.parametrize("cloud", [AWS, NOVA])
def test_seven_machines_are_booted_in_each_cloud(clouds, cloud):
    assert sorted(name for name in clouds.machines if name.startswith(cloud)) == [
        f"{cloud}-{role}{number}"
        for role, count in (("api", 2), ("disc", 3), ("edge", 2))
        for number in range(1, count + 1)
    ]


Ask = Callable[[str], tuple[int, Any]]


@pytest.fixture
def ask(clouds, monkeypatch, capsys) -> Ask:
    """Return what runs a command of crossgate on what is deployed in OpenStack."""
    for name, value in clouds.deployed.environment.items():
        if name.startswith("OS_"):
            monkeypatch.setenv(name, value)
    out = str(clouds.deployed.folder / "cdktf.out")

    def asked(command: str) -> tuple[int, Any]:
        code = run([command, "--app-out", out, "--cloud", NOVA, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return asked


def test_a_check_counts_nothing_twice_that_is_deployed(ask):
    code, said = ask("check")
    (cloud,) = said["clouds"]
    rows = {row["what"]: row for row in cloud["findings"]}
    assert (code, [what for what, row in rows.items() if row["verdict"] != "ok"]) == (0, [])
    # A group of two may grow to four, and a rollout adds one.
    assert rows["servers"]["needed"] == "3 more"
    assert not {"networks", "security groups", "server groups", "load balancers"} & set(rows)
    assert not [what for what in rows if what.startswith("Heat stack")]


def unpacked(held: bytes) -> bytes:
    return gzip.decompress(held) if held.startswith(b"\x1f\x8b") else held


def test_a_machine_boots_from_exactly_what_nova_holds(clouds):
    compute = clouds.project.operate().compute
    for name, instance in clouds.places[NOVA].instances.items():
        held = base64.b64decode(compute.get_server(instance.id).user_data)
        machine = clouds.machines[name]
        born = machine.run("base64", "/var/lib/cloud/instance/user-data.txt")
        assert base64.b64decode(born) in {held, unpacked(held)}


@pytest.mark.parametrize("cloud", [AWS, NOVA])
def test_three_consul_servers_elect_a_leader_in_each_cloud(clouds, cloud):
    peers = clouds.machines[f"{cloud}-disc1"].run("consul", "operator", "raft", "list-peers")
    rows = [line.split() for line in peers.splitlines()[1:]]
    assert sorted(row[3] for row in rows) == ["follower", "follower", "leader"]
    assert {row[0].rpartition("-")[0] for row in rows} == {f"{cloud}-disc{n}" for n in (1, 2, 3)}


@pytest.mark.parametrize("cloud", [AWS, NOVA])
def test_each_cloud_serves_at_its_own_entrance(clouds, cloud):
    for address in clouds.places[cloud].addresses:
        until(
            lambda a=address: who_serves(clouds, a) is not None,
            seconds=60,
            what=f"{address} serves",
        )
        seen = {who_serves(clouds, address) for _ in range(40)}
        assert seen == {f"{cloud}-api1", f"{cloud}-api2"}


def quick(clouds: Clouds) -> bool:
    """Return whether each entrance answers at once, many times in a row."""
    for place in clouds.places.values():
        for address in list(place.addresses) * 10:
            began = time.monotonic()
            if who_serves(clouds, address) is None or time.monotonic() - began > QUICK_SECONDS:
                return False
    return True


@pytest.mark.parametrize("mode", MODES)
def test_a_cloud_that_is_cut_off_costs_each_client_one_call_at_most(clouds, tmp_path, mode):
    gateway = running(clouds)
    gateway.save()
    gateway.wait_whole()
    # Fourteen machines that boot leave a call little of two processors, and who gets no answer
    # within a second goes to the other cloud before the first one is cut off.
    until(lambda: quick(clouds), seconds=120, what="each entrance answers at once")

    result = Trial(gateway=gateway, folder=tmp_path).run("cloud-cut", mode=mode)

    assert judge(result).lost == []
    # Those before it was cut off count: of those that are under way then there may be none.
    served = {call.server.partition("-")[0] for call in result.raw.calls if call.ok}
    assert served == {AWS, NOVA}
    assert result.longest_gap < 3


@pytest.mark.parametrize("mode", MODES)
def test_a_cloud_without_machines_leads_its_clients_to_the_other_one(clouds, tmp_path, mode):
    gateway = running(clouds)
    gateway.wait_whole()

    result = Trial(gateway=gateway, folder=tmp_path).run("services-gone", mode=mode, site=NOVA)

    assert judge(result).lost == []
    # All but those of the first second, in which checks fail.
    later = {call.server for call in result.raw.calls if call.ok and call.at > result.done + 1}
    assert later == {f"{AWS}-api1", f"{AWS}-api2"}
    assert result.longest_gap < 3


def test_and_home_again_when_its_own_are_back(clouds):
    (address,) = clouds.places[NOVA].addresses
    names = sorted(services(clouds))
    for name in names:
        clouds.machines[name].run("systemctl", "stop", "api")
    until(
        lambda: (who_serves(clouds, address) or "").startswith(AWS),
        seconds=30,
        what="the other cloud serves",
    )
    for name in names:
        clouds.machines[name].run("systemctl", "start", "api")
    until(
        lambda: {who_serves(clouds, address) for _ in range(20)} == set(names),
        seconds=30,
        what="its own serve again",
    )


def keepers_log(clouds: Clouds) -> str:
    servers = [clouds.machines[f"{NOVA}-disc{number}"] for number in (1, 2, 3)]
    asked = ("journalctl", "--unit=crossgate-heat-keeper", "--output=cat", "--no-pager")
    return "".join(server.run(*asked) for server in servers if server.running)


def services(clouds: Clouds, *, new: bool = False) -> dict[str, str]:
    """Return the ids of the machines that OpenStack has for the service, by our names.

    One that is new, and has none yet, is left out or is called by its id.
    """
    named = {instance.id: name for name, instance in clouds.places[NOVA].instances.items()}
    there = [one.id for one in instances(clouds.project) if one.group.endswith("-api")]
    return {named.get(one, one): one for one in there if new or one in named}


def heat_rests(clouds: Clouds) -> bool:
    # openstacksdk's own listing shows no stacks below others.
    asked = clouds.project.deploy().orchestration.get("/stacks", params={"show_nested": "true"})
    stacks = asked.json()["stacks"]
    return bool(stacks) and not any(one["stack_status"].endswith("IN_PROGRESS") for one in stacks)


def last_words(clouds: Clouds) -> str:
    """Return what the servers have said last, the keeper among them."""
    servers = [f"{NOVA}-disc{number}" for number in (1, 2, 3)]
    return "\n".join(f"{name}:\n{clouds.machines[name].last_words()}" for name in servers)


def heal(clouds: Clouds, lost: str, size: int = 2) -> None:
    """Wait until another machine stands in for a lost one, and serves; boot it as it is made.

    Heat lets the lost one go when the other one has said that it is ready.
    """
    gone = clouds.places[NOVA].instances[lost].id
    kept = set(services(clouds).values()) - {gone}
    now: dict[str, str] = {}

    def healed() -> bool:
        nonlocal now
        clouds.catch_up(NOVA)
        now = services(clouds)
        return gone not in now.values() and len(now) == size

    until(healed, seconds=240, what=f"another stands in for {lost}")
    assert kept < set(now.values()), f"{lost} was dead, no other:\n{last_words(clouds)}"
    # A name that is free is given again.
    (name,) = (name for name, one in now.items() if one not in kept)
    (address,) = clouds.places[NOVA].addresses
    until(lambda: who_serves(clouds, address) == name, seconds=60, what=f"{name} serves")
    # Until Heat has heard that it is ready the keeper looks at nobody else.
    until(lambda: heat_rests(clouds), seconds=90, what="Heat has ended")


def test_a_machine_whose_service_fails_for_long_is_replaced(clouds):
    lost = min(services(clouds))  # as old as the lab, and so beyond its grace
    clouds.machines[lost].run("systemctl", "stop", "api")
    heal(clouds, lost)
    assert "its service fails" in keepers_log(clouds)


def test_a_machine_that_vanishes_is_replaced_by_one_that_serves(clouds):
    lost = min(services(clouds))
    clouds.machines[lost].kill()
    heal(clouds, lost)
    assert "the cluster sees it dead" in keepers_log(clouds)


def test_a_machine_that_is_deleted_behind_heats_back_is_replaced(clouds):
    lost = min(services(clouds))
    clouds.project.operate().compute.delete_server(services(clouds)[lost])
    heal(clouds, lost)
    # Nova shows one that it is deleting as DELETED for a moment.
    assert re.search("Nova shows it as (GONE|DELETED)", keepers_log(clouds))


def test_half_the_machines_dead_at_once_are_a_cut_network_and_nobody_is_replaced(clouds):
    before = services(clouds)
    for name in before:
        clouds.machines[name].kill()
    until(
        lambda: "heals nobody: 2 of 2 are dead at once" in keepers_log(clouds),
        seconds=60,
        what="the healer refuses",
    )
    for name in before:
        clouds.machines[name].start()
    (address,) = clouds.places[NOVA].addresses
    until(
        lambda: {who_serves(clouds, address) for _ in range(10)} == set(before),
        seconds=60,
        what="both serve again",
    )
    assert services(clouds) == before


def test_without_a_leader_nobody_is_replaced_until_there_is_one(clouds):
    servers = [clouds.machines[f"{NOVA}-disc{number}"] for number in (1, 2)]
    before = services(clouds)
    for server in servers:
        server.run("systemctl", "kill", "--signal=KILL", "consul")
        server.run("systemctl", "stop", "consul")
    lost = min(before)
    clouds.machines[lost].kill()
    time.sleep(20)  # twice as long as the healer waits
    assert services(clouds) == before
    for server in servers:
        server.run("systemctl", "start", "consul")
    heal(clouds, lost)


def keeper_of(clouds: Clouds) -> str | None:
    """Return the name of the server whose keeper has the lock; nobody has it while that changes."""
    servers = (f"{NOVA}-disc{number}" for number in (1, 2, 3))
    asked = ("pgrep", "--full", f"^{PYTHON} -m heat_keeper")
    return next((one for one in servers if clouds.machines[one].run(*asked, check=False)), None)


def test_another_server_heals_when_the_one_that_did_has_vanished(clouds):
    found = until_found(lambda: keeper_of(clouds), seconds=60, what="a server looks after groups")
    holder = clouds.machines[found]
    holder.kill()
    lost = min(services(clouds))
    clouds.machines[lost].kill()
    heal(clouds, lost)
    holder.start()


def test_a_group_grows_while_clients_hold_connections_and_shrinks_when_they_go(clouds):
    (address,) = clouds.places[NOVA].addresses
    with entered(clouds.lab.client_namespace):
        held = [socket.create_connection((address, PORT), timeout=10) for _ in range(100)]
    until(lambda: len(services(clouds, new=True)) == 3, seconds=90, what="a machine more")
    (fresh,) = clouds.catch_up(NOVA)
    name = fresh.order.name
    until(lambda: who_serves(clouds, address) == name, seconds=60, what=f"{name} serves")
    # One that dies above the minimum is replaced, and the group is no smaller for it.
    lost = min(services(clouds))
    clouds.machines[lost].kill()
    heal(clouds, lost, size=3)
    there = {name: clouds.machines[name] for name in services(clouds)}
    for connection in held:
        connection.close()
    goer = until_found(lambda: leaving_of(there), seconds=150, what="one hears that it is to go")
    until(lambda: has_left(there[goer]), seconds=30, what=f"{goer} leaves")
    # Heat has waited for it: until now the machine is there, and serves those who hold on to it.
    assert goer in services(clouds)
    until(lambda: len(services(clouds, new=True)) == 2, seconds=60, what="a machine fewer")
    assert goer not in services(clouds)
    said = keepers_log(clouds)
    assert re.search(r"gateway-gw-api size: scale-up: \d+ connections to 2 machines", said)
    assert "gateway-gw-api size: scale-down: " in said
    clouds.catch_up(NOVA)


def said_of_leaving(machine: Machine) -> str:
    return machine.journal("crossgate-leaving") if machine.running else ""


def has_left(machine: Machine) -> bool:
    return "has left" in said_of_leaving(machine)


def leaving_of(machines: Mapping[str, Machine]) -> str | None:
    """Return the name of a machine that has heard that it is to go."""
    told = (name for name, one in machines.items() if "leaves: Heat" in said_of_leaving(one))
    return next(told, None)


def until_found(find: Callable[[], str | None], *, seconds: float, what: str) -> str:
    found: list[str] = []

    def holds() -> bool:
        found.extend(one for one in [find()] if one)
        return bool(found)

    until(holds, seconds=seconds, what=what)
    return found[0]


def passing(clouds: Clouds, cloud: str) -> set[str]:
    """Return the machines of the service that Consul calls fit, by the cloud's own ids."""
    watch = (PYTHON, "/usr/local/lib/crossgate/consul_watch.py", "members")
    members = json.loads(clouds.machines[f"{cloud}-disc1"].run(*watch))
    return {key for key, one in members.items() if one["alive"] and one["services"].get("api")}


def test_a_new_version_rolls_the_group_and_never_fewer_than_before_serve(clouds):
    until(lambda: len(passing(clouds, NOVA)) == 2, seconds=60, what="one that left is forgotten")
    before, seen = passing(clouds, NOVA), []
    clouds.change("1.1", lambda: seen.append(passing(clouds, NOVA)))
    after = set(services(clouds, new=True).values())
    assert not before & after
    assert min(map(len, seen)) >= 2
    assert passing(clouds, NOVA) >= after


def test_a_rollout_that_heat_has_ended_is_told(ask):
    code, said = ask("rollout")
    (rollout,) = said["rollouts"]
    assert (code, rollout["phase"]) == (0, "done")


def test_a_second_plan_of_openstack_is_empty(clouds):
    planned = clouds.deployed.terraform("plan", "-no-color", "-detailed-exitcode")
    changed = [line for line in planned.stdout.splitlines() if line.startswith("  # openstack")]
    assert changed == []


def test_a_version_that_never_gets_ready_ends_the_rollout_and_those_before_serve_on(clouds):
    before, seen = passing(clouds, NOVA), []
    with pytest.raises(ToolError, match="in error status"):
        clouds.change("1.2", lambda: seen.append(passing(clouds, NOVA)), checksum="0" * 64)
    assert all(before <= one for one in seen)
    assert passing(clouds, NOVA) == before


def test_a_rollout_that_failed_is_told_with_heats_reason(ask):
    code, said = ask("rollout")
    (rollout,) = said["rollouts"]
    assert (code, rollout["phase"]) == (1, "failed")
    assert "WaitConditionTimeout" in rollout["said"]
