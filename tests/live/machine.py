"""Machines for tests: this machine's own Debian, booted by systemd in a container of its own.

Each has a layer of its own to write on, an address on a network that nothing else is on, and the
boot document that a cloud would give it. Root and Linux only; no image is fetched.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import signal
import subprocess
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from crossgate.boot.document import Document, File
from crossgate.boot.script import BOOT_SCRIPT, boot_script
from crossgate.model.text import Text
from lab import cgroup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from crossgate.model.text import Reference

_BRIDGE = ipaddress.IPv4Interface("10.71.0.1/24")
_T = TypeVar("_T")
_LIFETIME = 1800
_CLONE_NEWNET = 0x40000000

_JOIN = """\
files=$1; shift
while [ "$files" -gt 0 ]; do echo $$ >"$1"; shift; files=$((files - 1)); done
exec "$@"
"""

_TARGET = """\
[Unit]
Requires=basic.target dbus.socket
After=basic.target dbus.socket
AllowIsolate=yes
"""

_NETWORK_UNIT = """\
[Unit]
DefaultDependencies=no
Before=basic.target network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/sbin/ip link set lo up
ExecStart=/sbin/ip address add {address} dev host0
ExecStart=/sbin/ip link set host0 up
ExecStart=/sbin/ip route add default via {gateway}
"""


class Network:
    """A switch that only these machines, and the test, are on."""

    def __enter__(self) -> Self:
        script = (
            f"ip link set lo up && ip link add br0 type bridge && ip address add {_BRIDGE} dev br0"
            f" && ip link set br0 up && echo up && exec sleep {_LIFETIME}"
        )
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", script], stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "up\n"
        self.pid = self._holder.pid
        return self

    @property
    def name(self) -> str:
        """What control groups of its machines are called together."""
        return f"tests-{self.pid}"

    def __exit__(self, *_: object) -> None:
        self._holder.kill()
        self._holder.communicate()
        cgroup.end(self.name)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Make the sockets that this thread opens belong to the network."""
        libc = ctypes.CDLL(None, use_errno=True)
        with (
            Path("/proc/thread-self/ns/net").open("rb") as home,
            Path(f"/proc/{self.pid}/ns/net").open("rb") as away,
        ):
            assert libc.setns(away.fileno(), _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                assert libc.setns(home.fileno(), _CLONE_NEWNET) == 0


class Machine:
    """A machine with a boot document; leave the `with` block and nothing of it is left.

    Args:
        network: the switch it hangs on.
        folder: where its files are mounted.
        name: its host name.
        address: its IPv4 address.
        document: what it is given at birth.
        programs: files of this machine that it has too: path inside, path here.
        known: what references of the document turn out to hold.

    """

    def __init__(
        self,
        network: Network,
        folder: Path,
        name: str,
        address: str,
        document: Document,
        *,
        programs: Mapping[str, Path],
        known: Mapping[Reference, str],
    ) -> None:
        self.name = name
        self.address = address
        self._network = network
        self._folder = folder / name
        self._root = self._folder / "root"
        self._document = document
        self._programs = programs
        self._known = known

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "crossgate", str(self._folder))
        try:
            self._boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_nspawn"):
            self.kill()
        for mounted in (self._root, self._folder):
            if os.path.ismount(mounted):
                _run("umount", str(mounted))

    def _boot(self) -> None:
        for part in ("upper", "work", "root"):
            (self._folder / part).mkdir()
        layers = f"lowerdir=/,upperdir={self._folder / 'upper'},workdir={self._folder / 'work'}"
        _run("mount", "-t", "overlay", "-o", layers, "crossgate", str(self._root))
        identity = uuid.uuid4().hex
        network = _NETWORK_UNIT.format(address=f"{self.address}/24", gateway=_BRIDGE.ip)
        own = (
            File("/etc/machine-id", identity + "\n"),
            File("/etc/hostname", self.name + "\n"),
            File("/etc/systemd/system/machine.target", _TARGET),
            File("/etc/systemd/system/test-network.service", network),
            File(BOOT_SCRIPT, boot_script(self._document), mode=0o700),
        )
        for file in (*own, *(file for _, file in self._document.written())):
            self.write(file)
        wants = self._root / "etc/systemd/system/machine.target.wants"
        wants.mkdir()
        (wants / "test-network.service").symlink_to("../test-network.service")
        binds = [f"--bind-ro={here}:{inside}" for inside, here in self._programs.items()]
        for inside in self._programs:
            place = self._root / inside.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        # Two systemds in one group take each other's services away.
        joins = [str(path) for path in cgroup.make(self._network.name, self.name)]
        log = (self._folder / "console.log").open("wb")
        with log:
            self._nspawn = subprocess.Popen(
                [
                    "/bin/sh", "-c", _JOIN, "sh", str(len(joins)), *joins,
                    "nsenter", f"--net=/proc/{self._network.pid}/ns/net",
                    "systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit",
                    "--console=pipe", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
                    f"--directory={self._root}", f"--machine={self.name}", f"--uuid={identity}",
                    "--network-bridge=br0", *binds, "systemd.unit=machine.target",
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self.leader = until(self._find_leader, seconds=20, what=f"{self.name} starts")
        until(
            lambda: self.run("systemctl", "is-active", "machine.target", check=False) == "active\n",
            seconds=60,
            what=f"{self.name} is up",
        )
        self.run("sh", BOOT_SCRIPT)

    def _find_leader(self) -> int | None:
        if self._nspawn.poll() is not None:
            raise AssertionError((self._folder / "console.log").read_text(errors="replace"))
        for status in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                text = status.read_text()
                lines = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
                nested = lines["NSpid"].split()
                if int(lines["PPid"]) == self._nspawn.pid and nested[1:] == ["1"]:
                    return int(nested[0])
        return None

    def write(self, file: File) -> None:
        """Put a file on the machine, as its cloud would."""
        path = self._root / file.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(Text.of(file.text).sample(known=self._known), encoding="utf-8")
        path.chmod(file.mode)

    def read(self, path: str) -> str:
        """Return what a file of the machine holds."""
        return (self._root / path.lstrip("/")).read_text(encoding="utf-8")

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command on the machine and return what it printed."""
        done = subprocess.run(
            ["nsenter", f"--target={self.leader}", "--all", *command],
            check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=120,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{self.name}: {command}: {done.stdout}"
        return done.stdout

    def journal(self, unit: str) -> str:
        """Return what a unit has said."""
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}")

    def kill(self) -> None:
        """End the machine without a word, as when its host dies."""
        if self._nspawn.poll() is None and hasattr(self, "leader"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.leader, signal.SIGKILL)
        try:
            self._nspawn.wait(20)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait(10)
        cgroup.end(self._network.name, self.name)


def until(find: Callable[[], _T | None], *, seconds: float, what: str) -> _T:
    """Return what `find` finds, asking every tenth of a second; fail after `seconds`."""
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        if found := find():
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
