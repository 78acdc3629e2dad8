"""One machine of the lab: a layer of its own over the image, booted by systemd."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from lab import container
from lab.command import environment, output
from lab.image import USER
from lab.network import Network, entered
from lab.registry import Order, Registry
from tools.toolbox import ToolError

__all__ = ["Machine", "Order", "until"]

_SEED = "var/lib/cloud/seed/nocloud"
_RESULT = "var/lib/cloud/data/result.json"
_POWER_OFF = signal.SIGRTMIN + 4  # systemd(1), "Signals"
_LAST_LINES = 25
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)


class Machine:
    """A machine that is written down in a lab's registry; it runs, or has been killed or stopped.

    Args:
        registry: of the lab.
        network: of the lab.
        order: what the machine is.

    """

    def __init__(self, registry: Registry, network: Network, order: Order) -> None:
        self.order = order
        self.folder = registry.machine_folder(order.name)
        self.root = self.folder / "root"
        self.namespace = network.namespace(order.name)
        self._registry = registry
        self._network = network
        self._leader: int | None = None

    def make(self, image: Path) -> None:
        """Lay its disk out and boot it for the first time; return when its systemd runs."""
        disk = self.folder / "disk"
        for folder in (disk, self.root):
            folder.mkdir()
        output("mount", "-t", "tmpfs", "-o", f"mode=755,size={self.order.disk}M", "lab", str(disk))
        for part in ("upper", "work"):
            (disk / part).mkdir()
        layers = f"lowerdir={image},upperdir={disk / 'upper'},workdir={disk / 'work'}"
        output("mount", "-t", "overlay", "-o", layers, "lab", str(self.root))
        identity = uuid.uuid4().hex
        (self.folder / "identity").write_text(identity)
        self._be_born(identity)
        self.start()

    def _be_born(self, identity: str) -> None:
        order = self.order
        hosts = f"127.0.0.1 localhost\n127.0.1.1 {order.name}\n::1 localhost\n"
        files: dict[str, bytes] = {
            "/etc/hostname": f"{order.name}\n".encode(),
            "/etc/hosts": hosts.encode(),
            "/etc/machine-id": f"{identity}\n".encode(),
        }
        if order.user_data is None:
            files["/etc/cloud/cloud-init.disabled"] = b""
        else:
            instance = order.instance or f"i-{identity[:17]}"
            about = {"instance-id": instance, "local-hostname": order.name}
            files[f"/{_SEED}/meta-data"] = json.dumps(about).encode()
            files[f"/{_SEED}/user-data"] = order.user_data
        for path, data in {**files, **order.files}.items():
            self._place(path, data)
        key = self.root / "etc/ssh/ssh_host_ed25519_key"
        output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", order.name, "-f", str(key))
        if order.authorized_key is not None:
            home = self.root / "home" / USER
            self._place(f"/home/{USER}/.ssh/authorized_keys", order.authorized_key.encode() + b"\n")
            owner = home.stat()
            for part in (home / ".ssh", home / ".ssh/authorized_keys"):
                os.chown(part, owner.st_uid, owner.st_gid)

    @property
    def leader(self) -> int:
        """Its process number 1, as this system numbers it; ToolError when the machine is off."""
        if self._leader is None or not container.is_leader(self._leader):
            self._leader = container.leader(self._registry.name, self.order.name)
        if self._leader is None:
            raise ToolError(
                f"{self.order.name} is off.", do=f"start it: python -m lab start {self.order.name}."
            )
        return self._leader

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return container.leader(self._registry.name, self.order.name) is not None

    @property
    def host_key(self) -> str:
        """The public key that its sshd shows, as known_hosts has it: type and key."""
        text = (self.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
        return " ".join(text.split()[:2])

    def run(self, *command: str, check: bool = True, timeout: float = 120) -> str:
        """Run a command on the machine, as root, and return what it printed.

        Raises ToolError when it fails and `check` says so, and when it takes `timeout` seconds.
        """
        done = self._inside(*command, timeout=timeout)
        if check and done.returncode:
            raise ToolError(
                f"{self.order.name}: `{shlex.join(command)}` failed with code {done.returncode}:",
                do=f"look into the machine: python -m lab shell {self.order.name}.",
                output=done.stdout.decode(errors="replace"),
            )
        return done.stdout.decode(errors="replace")

    def _inside(
        self, *command: str, timeout: float = 120, given: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        # What nsenter starts there does not end with it, so that is limited by itself.
        limit = ("timeout", "--signal=KILL", str(timeout))
        started = time.monotonic()
        try:
            done = subprocess.run(  # noqa: S603  (what the lab's own machines run)
                ["nsenter", f"--target={self.leader}", "--all", *limit, *command],  # noqa: S607
                check=False, env=environment(), cwd="/", input=given, timeout=timeout + 5,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            done = None
        if done is None or (done.returncode in _KILLED and time.monotonic() - started >= timeout):
            raise ToolError(
                f"{self.order.name}: `{shlex.join(command)}` takes longer than {timeout:g} s.",
                do="give it longer, or see what it waits for: "
                f"python -m lab shell {self.order.name}.",
                output="" if done is None else done.stdout.decode(errors="replace"),
            )
        return done

    def read(self, path: str) -> str:
        """Return what a file of the machine holds, whether it runs or not."""
        if self.running:
            return self.run("cat", path)
        return self._inner(path).read_text()

    def write(self, path: str, text: str) -> None:
        """Put a file on the machine, whether it runs or not; folders are made."""
        if not self.running:
            self._place(path, text.encode())
            return
        script = 'mkdir -p "$(dirname "$1")" && cat >"$1"'
        done = self._inside("sh", "-c", script, "sh", path, given=text.encode())
        if done.returncode:
            raise ToolError(
                f"{self.order.name}: {path} could not be written:",
                do=f"look into the machine: python -m lab shell {self.order.name}.",
                output=done.stdout.decode(errors="replace"),
            )

    def _place(self, path: str, data: bytes) -> None:
        file = self._inner(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def _inner(self, path: str) -> Path:
        """Return where a file of the machine is; none that a link of it leads out to."""
        file = Path(os.path.realpath(self.root / path.lstrip("/")))
        if not file.is_relative_to(self.root):
            raise ToolError(
                f"{self.order.name}: {path} is behind a link that leads out of its disk.",
                do="name the file itself.",
            )
        return file

    def journal(self, unit: str) -> str:
        """Return what a unit has said, on this and on earlier boots."""
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}")

    def last_words(self) -> str:
        """Return the last that our own programs have said on it; what went wrong when it is off."""
        asked = ("journalctl", "--no-pager", f"--lines={_LAST_LINES}", "--output=short-iso")
        try:
            return "".join(
                self.run(*asked, f"--unit={unit}", check=False)
                for unit in ("crossgate-*", "consul*")
            )
        except ToolError as error:
            return str(error)

    def console(self) -> str:
        """Return what the machine printed while booting."""
        return (self.folder / "console.log").read_text(errors="replace")

    def wait_booted(self, seconds: float = 180) -> None:
        """Return when cloud-init has finished.

        Raises ToolError, with the end of its log, when a part of it failed or time is over.
        """
        done = self.root / _RESULT
        until(
            lambda: done.exists() or not self.running,
            seconds=seconds,
            what=f"{self.order.name} is booted by cloud-init",
        )
        if not done.exists():
            raise ToolError(
                f"{self.order.name} went off before it was booted:",
                do=f"see {self.folder / 'console.log'}.",
                output=self.console(),
            )
        errors = json.loads(done.read_text())["v1"]["errors"]
        if errors:
            log = self.root / "var/log/cloud-init-output.log"
            raise ToolError(
                f"{self.order.name}: cloud-init failed: {'; '.join(errors)}.",
                do=f"see the whole log: python -m lab shell {self.order.name}, "
                "then less /var/log/cloud-init-output.log.",
                output="\n".join(log.read_text(errors="replace").splitlines()[-_LAST_LINES:]),
            )

    def wait_port(self, port: int, seconds: float = 60) -> None:
        """Return when the machine answers on a TCP port, as its site's router sees it."""

        def answers() -> bool:
            with (
                entered(self._network.router),
                contextlib.suppress(OSError),
                socket.create_connection((self.order.address, port), timeout=1),
            ):
                return True
            return False

        until(answers, seconds=seconds, what=f"{self.order.name} answers on port {port}")

    def kill(self) -> None:
        """Let it vanish: its link goes first, so not even the end of a connection is seen."""
        self._network.silence(self.order.name)
        with contextlib.suppress(ProcessLookupError, ToolError):
            os.kill(self.leader, signal.SIGKILL)
        self._registry.end(self.order.name)

    def stop(self, seconds: float = 60) -> None:
        """Power it off as its own systemd does it, every service stopped in order."""
        leader = self.leader
        last = time.monotonic() + seconds
        while container.is_leader(leader):
            if time.monotonic() > last:
                raise ToolError(
                    f"{self.order.name} is not off within {seconds:g} s.",
                    do=f"see what it waits for: python -m lab shell {self.order.name}, "
                    "then systemctl list-jobs; or kill it.",
                )
            # A systemd that has just been started does not listen yet, so it is told again.
            with contextlib.suppress(ProcessLookupError):
                os.kill(leader, _POWER_OFF)
            with contextlib.suppress(ToolError):
                until(lambda: not container.is_leader(leader), seconds=1, what="off")
        self._registry.end(self.order.name)

    def start(self) -> None:
        """Boot it, for the first time or again from its own disk; return when systemd runs."""
        order = self.order
        if self.running:
            raise ToolError(f"{order.name} runs already.", do="kill or stop it first.")
        self._registry.end(order.name)
        with self._registry.faults() as faults:
            faults[:] = [one for one in faults if one.place != order.name or one.kind == "fill"]
        (self.root / _RESULT).unlink(missing_ok=True)
        self._network.attach(order.name, order.site, order.address)
        container.start(
            self._registry.name, order.name, self.folder,
            namespace=self.namespace, memory=order.memory,
        )  # fmt: skip
        try:
            until(lambda: self.running, seconds=20, what=f"{order.name} starts")
        except ToolError as error:
            raise ToolError(
                f"{order.name} does not start:",
                do="`python -m lab down` takes away what is there.",
                output=self.console(),
            ) from error

    def destroy(self) -> None:
        """Take it away with its disk; nothing of it is seen any more, as when it vanishes."""
        self.kill()
        self._registry.forget(self.order.name)


def until(holds: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Return as soon as `holds` does; raise ToolError when it does not within `seconds`."""
    last = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > last:
            raise ToolError(f"not within {seconds:g} s: {what}.", do="see python -m lab status.")
        time.sleep(0.05)
