"""The lab's machines: that they are what was ordered, break as asked and leave nothing behind."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from crossgate.boot import cloud_init
from crossgate.boot.document import Document
from crossgate.boot.hashicorp import hashicorp
from lab import container, faults, image
from lab.cli import app
from lab.lab import Lab
from lab.machine import Machine, Order, until
from lab.network import entered
from lab.registry import Registry
from tools.toolbox import ROOT, ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.lab

NAME = f"t{os.getpid()}"
SITES = {"aws": "10.20.0.0/16", "nova": "10.30.0.0/16", "clients": "10.99.0.0/24"}
HELLO = b"""#cloud-config
write_files:
- {path: /etc/hello, content: hello}
runcmd:
- [sh, -c, "echo ran >>/etc/ran"]
"""
FAILS = b"""#cloud-config
runcmd:
- [sh, -c, "echo no such luck; exit 3"]
"""


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ssh") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.fixture(scope="module")
def lab(key: Path) -> Iterator[Lab]:
    document = Document.merge(
        hashicorp("consul", "1.20.0"),
        hashicorp("consul-template", "0.41.1"),
        Document(label="more", packages=("haproxy", "keepalived", "curl", "ca-certificates")),
    )
    offline = cloud_init.render(document).sample().encode()
    public = key.with_suffix(".pub").read_text().strip()
    with Lab.create(SITES, name=NAME) as lab:
        lab.boot_all([
            Order(name="bare", site="aws", address="10.20.0.10", authorized_key=public),
            Order(name="small", site="nova", address="10.30.0.10", memory=96, disk=64),
            Order(name="plain", site="aws", address="10.20.0.11", user_data=HELLO),
            Order(
                name="zipped", site="aws", address="10.20.0.12", user_data=gzip.compress(HELLO),
                files={"/etc/hosts": b"127.0.0.1 localhost\n10.20.0.1 api.example\n"},
            ),
            Order(name="fails", site="nova", address="10.30.0.11", user_data=FAILS),
            Order(name="offline", site="nova", address="10.30.0.12", user_data=offline),
        ])  # fmt: skip
        yield lab


@pytest.fixture
def bare(lab: Lab) -> Machine:
    return _up(lab.machine("bare"))


@pytest.fixture
def small(lab: Lab) -> Machine:
    return _up(lab.machine("small"))


@pytest.fixture
def mended(lab: Lab) -> Iterator[Lab]:
    yield lab
    faults.mend(lab)


def _up(machine: Machine) -> Machine:
    if not machine.running:
        machine.start()
    machine.wait_port(22)
    return machine


def seconds_to(address: str, namespace: str) -> float | None:
    """How long the first word of sshd takes; None when it does not come within a second."""
    started = time.monotonic()
    try:
        with entered(namespace), socket.create_connection((address, 22), timeout=1) as line:
            assert line.recv(3) == b"SSH"
    except TimeoutError:
        return None
    return time.monotonic() - started


def test_a_bare_machine_lets_its_operator_in_and_become_root(lab, bare, key, tmp_path):
    known = tmp_path / "known_hosts"
    known.write_text(f"{bare.order.address} {bare.host_key}\n")
    options = ("-F", "none", "-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes")
    done = subprocess.run(
        [
            *("ip", "netns", "exec", lab.client_namespace, "ssh", *options, "-i", key),
            *(f"operator@{bare.order.address}", "sudo", "-n", "id", "-un"),
        ],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "root\n"


def test_a_bare_machine_runs_no_cloud_init(bare):
    assert bare.run("cloud-init", "status") == "status: disabled\n"


@pytest.mark.parametrize("name", ["plain", "zipped"])
def test_cloud_init_does_what_user_data_says(name, lab):
    machine = lab.machine(name)
    machine.wait_booted(60)
    assert (machine.read("/etc/hello"), machine.read("/etc/ran")) == ("hello", "ran\n")


def test_user_data_arrives_byte_for_byte(lab):
    machine = lab.machine("zipped")
    seen = (machine.root / "var/lib/cloud/seed/nocloud/user-data").read_bytes()
    assert seen == machine.order.user_data


def test_a_machine_finds_the_files_of_its_surroundings(lab):
    assert lab.machine("zipped").run("getent", "hosts", "api.example").split()[0] == "10.20.0.1"


def test_a_command_of_user_data_that_fails_is_told_with_its_words(lab):
    with pytest.raises(ToolError, match=r"fails: cloud-init failed(?s:.*)no such luck"):
        lab.machine("fails").wait_booted(60)


def test_the_programs_of_a_boot_document_are_there_without_the_internet(lab):
    machine = lab.machine("offline")
    machine.wait_booted(60)
    said = machine.read("/var/log/cloud-init-output.log")
    assert "consul 1.20.0 is there\n" in said
    assert "consul-template 0.41.1 is there\n" in said
    assert "apt-get" not in said


def test_no_unit_of_a_machine_fails(lab):
    machine = lab.machine("plain")
    machine.wait_booted(60)
    assert machine.run("systemctl", "--failed", "--no-legend") == ""


def test_user_data_is_done_once_and_not_again_when_the_machine_starts_again(lab):
    machine = lab.machine("plain")
    machine.wait_booted(60)
    machine.stop()
    machine.start()
    machine.wait_booted(60)
    assert machine.run("cloud-init", "status") == "status: done\n"
    assert machine.read("/etc/ran") == "ran\n"


def test_a_machine_may_set_what_is_its_own_networks(bare):
    setting = "/proc/sys/net/ipv4/ip_nonlocal_bind"
    assert bare.run("sh", "-c", f"echo 1 >{setting}; cat {setting}") == "1\n"


def test_a_command_that_fails_is_told_with_its_words(bare):
    with pytest.raises(ToolError, match=r"bare: `ls /none` failed with code 2:\n.*No such file"):
        bare.run("ls", "/none")


def test_a_command_that_takes_too_long_is_ended(bare):
    with pytest.raises(ToolError, match=r"bare: `sleep 987` takes longer than 0\.5 s"):
        bare.run("sleep", "987", timeout=0.5)
    assert "sleep 987" not in bare.run("ps", "ax")


def test_a_machine_may_reboot_by_itself(bare):
    leader = bare.leader
    bare.run("systemctl", "reboot", check=False)
    until(lambda: not container.is_leader(leader), seconds=20, what="it goes down")
    bare.wait_port(22)
    assert bare.leader != leader
    assert bare.run("hostname") == "bare\n"


def test_a_file_is_written_and_read_while_the_machine_is_off(bare):
    bare.stop()
    bare.write("/etc/note/well", "this")
    assert bare.read("/etc/note/well") == "this"
    assert _up(bare).run("cat", "/etc/note/well") == "this"


def test_no_link_leads_out_of_a_machines_disk(bare, tmp_path):
    bare.run("ln", "-sfn", str(tmp_path), "/out")
    bare.stop()
    with pytest.raises(ToolError, match="a link that leads out of its disk"):
        bare.write("/out/x", "no")
    assert list(tmp_path.iterdir()) == []


def test_a_machine_that_vanishes_ends_no_connection(lab, bare):
    with entered(lab.client_namespace):
        line = socket.create_connection((bare.order.address, 22), timeout=1)
    with line:
        assert line.recv(3) == b"SSH"
        bare.kill()
        line.sendall(b"SSH-2.0-nobody\r\n")
        line.recv(4096)  # the rest of its first words
        with pytest.raises(TimeoutError):
            line.recv(1)


def test_a_machine_that_is_powered_off_ends_its_connections(lab, bare):
    with entered(lab.client_namespace):
        line = socket.create_connection((bare.order.address, 22), timeout=10)
    with line:
        assert line.recv(3) == b"SSH"
        bare.stop()
        line.recv(4096)
        assert line.recv(1) == b""


def test_a_machine_starts_again_from_its_own_disk(bare):
    bare.write("/etc/kept", "yes")
    bare.kill()
    assert _up(bare).read("/etc/kept") == "yes"


def test_a_machine_takes_no_more_memory_than_ordered(small):
    taking = "import sys; b = bytearray(200 << 20); print(len(b))"
    said = small.run("python3", "-c", taking, check=False)
    assert said == "209715200\n"  # what is run from outside is not in the machine's groups
    small.run(
        "systemd-run", "--quiet", "--unit=eater", "--wait", "python3", "-c", taking, check=False
    )
    assert small.run("systemctl", "show", "--property=Result", "eater") == "Result=signal\n"


def test_what_is_cut_off_keeps_its_link_and_comes_back(mended, bare, small):
    clients = mended.client_namespace
    faults.cut(mended, "bare")
    assert seconds_to("10.20.0.10", clients) is None
    assert seconds_to("10.20.0.10", mended.network.namespace("plain")) is None
    assert seconds_to("10.30.0.10", clients) is not None
    assert "state UP" in bare.run("ip", "link", "show", "eth0")
    faults.mend(mended, "bare")
    assert seconds_to("10.20.0.10", clients) is not None


def test_two_sites_are_cut_from_each_other_alone(mended, bare, small):
    faults.cut(mended, "aws", "nova")
    assert seconds_to("10.20.0.10", mended.network.namespace("small")) is None
    assert seconds_to("10.30.0.10", mended.network.namespace("bare")) is None
    assert seconds_to("10.20.0.10", mended.client_namespace) is not None


def test_a_site_that_is_cut_off_goes_on_within(mended, bare, small):
    mended.registry.claim("aws", "10.99.0.1")
    faults.cut(mended, "aws")
    assert seconds_to("10.20.0.10", mended.client_namespace) is None
    assert seconds_to("10.20.0.10", mended.network.namespace("plain")) is not None
    assert "10.99.0.1 . 10.30.0.0/16" in _cuts(mended)
    faults.mend(mended)
    assert seconds_to("10.20.0.10", mended.client_namespace) is not None


def _cuts(lab: Lab) -> str:
    command = [
        "ip",
        "netns",
        "exec",
        lab.network.router,
        "nft",
        "list",
        "set",
        "inet",
        "lab",
        "cut",
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("place", ["bare", "aws"])
def test_what_is_slow_takes_longer_by_the_delay(place, mended, bare):
    clients = mended.client_namespace
    faults.slow(mended, place, delay=150)
    slow = seconds_to("10.20.0.10", clients)
    faults.mend(mended, place)
    quick = seconds_to("10.20.0.10", clients)
    assert slow is not None
    assert quick is not None
    assert 0.3 <= slow < 0.6  # the first packet, and the third
    assert quick < 0.15


def test_all_packets_to_a_lossy_machine_are_lost(mended, bare):
    faults.slow(mended, "bare", loss=100)
    assert seconds_to("10.20.0.10", mended.client_namespace) is None


def test_a_machine_that_starts_again_has_a_link_without_faults(mended, bare):
    faults.cut(mended, "bare")
    faults.slow(mended, "bare", loss=100)
    bare.kill()
    assert seconds_to("10.20.0.10", mended.client_namespace) is None
    bare.start()
    bare.wait_port(22)
    assert faults.mend(mended) == []


def test_a_full_disk_takes_nothing_more_until_it_is_mended(mended, small):
    faults.fill(mended, "small", free=1)
    assert "No space left" in small.run("sh", "-c", "yes | head -c 2000000 >/etc/more", check=False)
    faults.mend(mended)
    assert small.run("sh", "-c", "yes | head -c 2000000 >/etc/more") == ""


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (Order(name="Bad_name", site="aws", address="10.20.1.1"), "not a name"),
        (Order(name="farfaraway12", site="aws", address="10.20.1.1"), "not a name"),
        (Order(name="new", site="mars", address="10.20.1.1"), "no site 'mars'"),
        (Order(name="new", site="aws", address="10.30.1.1"), "no address for a machine"),
        (Order(name="new", site="aws", address="10.20.0.1"), "no address for a machine"),
        (Order(name="new", site="aws", address="here"), "no address for a machine"),
        (Order(name="new", site="aws", address="10.20.0.10"), "there is a machine bare"),
        (Order(name="bare", site="aws", address="10.20.1.1"), "there is a machine bare"),
        (Order(name="clients", site="aws", address="10.20.1.1"), "clients are there"),
    ],
)
def test_fails_on_an_order_that_cannot_be_met(order, reason, lab):
    with pytest.raises(ToolError, match=reason):
        lab.boot(order)


def test_a_machine_that_is_destroyed_is_not_known_any_more(lab):
    lab.boot(Order(name="gone", site="aws", address="10.20.0.99")).destroy()
    with pytest.raises(ToolError, match="no machine 'gone'"):
        lab.machine("gone")
    assert left_of(f"{NAME}/machines/gone") == []


def run_lab(*words: str, name: str = NAME) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lab", *words], cwd=ROOT, env=os.environ | {"CROSSGATE_LAB": name},
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def test_the_command_line_breaks_a_machine_and_mends_it(lab, bare, monkeypatch):
    monkeypatch.setenv("CROSSGATE_LAB", NAME)
    said = [
        CliRunner().invoke(app, words.split()).output
        for words in ("slow bare --delay 20", "mend", "kill bare", "start bare", "stop bare")
    ]
    assert said == [
        "bare is slow: 20 ms more, 0 % lost. To undo it: python -m lab mend bare\n",
        "Mended: bare is slow: 20 ms more, 0 % lost.\n",
        "bare has vanished. To have it again: python -m lab start bare\n",
        "bare is starting.\n",
        "bare is off. To have it again: python -m lab start bare\n",
    ]


def test_a_command_is_run_on_a_machine(lab, bare):
    assert run_lab("shell", "bare", "hostname").stdout == "bare\n"


def test_the_command_line_tells_errors_in_words(lab):
    done = run_lab("kill", "nobody")
    assert done.returncode == 1
    assert done.stdout.startswith("no machine 'nobody'.\nWhat to do: name one of bare, fails, ")


def test_an_image_of_other_contents_has_another_name(monkeypatch):
    before = image.key()
    monkeypatch.setattr(image, "_SETUP", image._SETUP.replace("keepalived", "keepalived vim"))
    assert image.key() != before
    assert image.ready() is None


def test_a_second_lab_of_the_same_name_is_refused(lab):
    with pytest.raises(ToolError, match="python -m lab down"):
        Lab.create(name=NAME)


CRASHES = f"C{os.getpid()}".lower()
CRASHING = """\
import os, signal, sys
from lab.lab import Lab
from lab.machine import Order

left = int(sys.argv[2])

def before(event, args):
    global left
    if event == "subprocess.Popen":
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(before)
lab = Lab.create(name=sys.argv[1])
order = Order(name="one", site="aws", address="10.20.0.10", user_data=b"#cloud-config\\n")
machine = lab.boot(order)
machine.kill()
machine.start()
sys.exit(7)
"""


def left_of(lab: str) -> list[str]:
    """What there is of a lab, of any kind."""
    found = [str(path) for path in Path("/run/crossgate-lab").glob(lab)]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if lab in line]
    found += [str(path) for path in Path("/run/netns").glob(f"cg-{lab}*")]
    found += [str(path) for path in Path("/run/systemd/nspawn").glob(f"*/{lab}.*")]
    for groups in ("", "*/"):
        found += map(str, Path("/sys/fs/cgroup").glob(f"{groups}crossgate-lab/{lab}"))
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"/{lab}" in words or f"cg-{lab}" in words:
            found.append(words)
    return found


def test_nothing_is_left_after_a_crash_before_any_command():
    """The lab dies right before the first command it runs, before the second, and so on."""
    commands = 0
    while True:
        done = subprocess.run(
            [sys.executable, "-c", CRASHING, CRASHES, str(commands)], cwd=ROOT, check=False
        )
        Registry(CRASHES).clear()
        assert left_of(CRASHES) == [], f"before command {commands + 1}"
        if done.returncode == 7:
            break
        assert done.returncode == -9
        commands += 1
    assert commands > 15


def test_down_takes_a_lab_with_all_that_runs_in_it(tmp_path):
    lab = Lab.create(name=CRASHES)
    machine = lab.boot(Order(name="one", site="aws", address="10.20.0.10"))
    container.spawn(CRASHES, "edge", ["sleep", "1000"], tmp_path / "log")
    machine.wait_port(22)
    leader = machine.leader
    assert run_lab("down", name=CRASHES).stdout == f"The lab {CRASHES} is down.\n"
    assert left_of(CRASHES) == []
    until(lambda: not Path(f"/proc/{leader}").exists(), seconds=5, what="the machine is gone")
