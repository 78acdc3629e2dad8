"""What runs in a lab, written down before it is made, and how all of it is taken away again.

A lab's folder, /run/crossgate-lab/NAME, says what there is. All that is made has a name from
there: mounts are below the folder, network namespaces are called `cg-NAME` and `cg-NAME.MACHINE`,
and every process is in a control group below `crossgate-lab/NAME`. So a lab can be taken down
whoever made it, however that ended.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab import cgroup
from lab.command import output
from lab.fault import Fault
from lab.mounts import unmount_below
from tools.toolbox import ToolError

HOME = Path("/run/crossgate-lab")
"""Where labs are written down."""

NAMESPACES = Path("/run/netns")

_NSPAWN = Path("/run/systemd/nspawn")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,9}[a-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a machine is to be.

    Attributes:
        name: its host name, unique in the lab; at most 11 characters, for interfaces are named
            after it.
        site: the network that it hangs on.
        address: its IPv4 address there.
        instance: the cloud's own id of it, which cloud-init learns. Default: one of the lab's.
        user_data: the bytes that the cloud's API holds, plain or gzip, which cloud-init gets
            through a NoCloud seed. Default None: a bare machine with sshd and nothing else.
        authorized_key: the public key that the user `operator`, who may use sudo without a
            password, logs in with; of a bare machine only. Default none.
        memory: the most it may take, in MiB. Default: no limit.
        disk: what it can write to its disk, in MiB, held in memory. Default 1024.
        files: what the machine is born with beside its user data: absolute path to content, mode
            0644. It is what surrounds a machine in its cloud. Default none.

    """

    name: str
    site: str
    address: str
    instance: str | None = None
    user_data: bytes | None = None
    authorized_key: str | None = None
    memory: int | None = None
    disk: int = 1024
    files: Mapping[str, bytes] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the order as JSON can hold it."""
        coded = {path: base64.b64encode(data).decode() for path, data in self.files.items()}
        data = None if self.user_data is None else base64.b64encode(self.user_data).decode()
        return asdict(self) | {"user_data": data, "files": coded}

    @classmethod
    def from_json(cls, made: Mapping[str, Any]) -> Order:
        """Return the order that `to_json` wrote."""
        data = made["user_data"]
        files = {path: base64.b64decode(coded) for path, coded in made["files"].items()}
        user_data = None if data is None else base64.b64decode(data)
        return cls(**{**made, "user_data": user_data, "files": files})


def check_name(name: str, what: str) -> str:
    """Return `name`; raise ToolError when interfaces and host names could not be called so."""
    if not _NAME.fullmatch(name):
        raise ToolError(
            f"{what} {name!r}: not a name that an interface can be made of.",
            do="use 1 to 11 lower-case letters, digits and hyphens.",
        )
    return name


def names() -> list[str]:
    """Return the labs that are written down."""
    return sorted(path.name for path in HOME.iterdir()) if HOME.exists() else []


class Registry:
    """The folder of one lab.

    Args:
        name: of the lab.

    """

    def __init__(self, name: str) -> None:
        self.name = check_name(name, "lab")
        self.folder = HOME / name
        self.namespace = f"cg-{name}"

    def exists(self) -> bool:
        """Tell whether there is anything of this lab."""
        return self.folder.exists() or bool(self._namespaces()) or cgroup.exists(self.name)

    def create(self, sites: Mapping[str, str], image: Path) -> None:
        """Write a new lab down: its sites with their ranges, and the root of its image."""
        try:
            self.folder.mkdir(parents=True)
        except FileExistsError:
            raise ToolError(
                f"a lab named {self.name} is just being brought up.", do="give this one a name."
            ) from None
        (self.folder / "machines").mkdir()
        made = {"sites": dict(sites), "image": str(image), "claims": {}}
        self._write(self.folder / "lab.json", made)

    def about(self) -> tuple[dict[str, str], Path]:
        """Return the sites with their ranges, and the root of the image.

        Raises ToolError when no such lab is up.
        """
        made = self._read()
        return made["sites"], Path(made["image"])

    def claim(self, site: str, address: str) -> None:
        """Let an address that the router answers to belong to a site: a cut takes it along."""
        with self._alone():
            made = self._read()
            claims = made["claims"].setdefault(site, [])
            claims += [address] if address not in claims else []
            self._write(self.folder / "lab.json", made)

    def ranges(self, site: str) -> list[str]:
        """Return all addresses of a site: its range, and what it claimed."""
        made = self._read()
        return [made["sites"][site], *made["claims"].get(site, ())]

    def _read(self) -> dict[str, Any]:
        try:
            made: dict[str, Any] = json.loads((self.folder / "lab.json").read_text())
        except FileNotFoundError:
            raise ToolError(
                f"no lab named {self.name} is up.", do="bring one up: python -m lab up."
            ) from None
        return made

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process, or thread, at a time in."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def faults(self) -> Iterator[list[Fault]]:
        """Hold the list of what is broken; as it is when the block is left, it is written down.

        Nobody else can change what is written down meanwhile.
        """
        path = self.folder / "faults.json"
        with self._alone():
            made = json.loads(path.read_text()) if path.exists() else []
            faults = [Fault(**one) for one in made]
            try:
                yield faults
            finally:
                self.write_faults(faults)

    def write_faults(self, faults: Iterable[Fault]) -> None:
        """Write down what is broken; for whoever holds the list."""
        self._write(self.folder / "faults.json", [asdict(fault) for fault in faults])

    def machine_folder(self, name: str) -> Path:
        """Return where a machine's files are."""
        return self.folder / "machines" / name

    def note(self, order: Order) -> None:
        """Write a machine down, before anything of it is made.

        Raises ToolError when its name or its address is another's.
        """
        with self._alone():
            for one in self.orders().values():
                if order.name == one.name or order.address == one.address:
                    raise ToolError(
                        f"{order.name}: there is a machine {one.name} with address {one.address}.",
                        do="take another name and another address, or destroy that one.",
                    )
            folder = self.machine_folder(order.name)
            folder.mkdir(exist_ok=True)
            self._write(folder / "order.json", order.to_json())

    def orders(self) -> dict[str, Order]:
        """Return the machines that are written down, by name."""
        return {
            path.parent.name: Order.from_json(json.loads(path.read_text()))
            for path in sorted(self.folder.glob("machines/*/order.json"))
        }

    def end(self, machine: str) -> None:
        """End all processes of a machine, and what makes its line slow."""
        for part in (machine, line(machine)):
            cgroup.end(self.name, part)

    def forget(self, machine: str) -> None:
        """Take away all that a machine left; it may be half made, or gone already."""
        self.end(machine)
        folder = self.machine_folder(machine)
        self._forget_nspawn(machine)
        unmount_below(folder)
        delete_namespace(f"{self.namespace}.{machine}")
        shutil.rmtree(folder, ignore_errors=True)

    def clear(self) -> None:
        """Take the whole lab away, whatever state it is in."""
        cgroup.end(self.name)
        for machine in self.folder.glob("machines/*"):
            self.forget(machine.name)
        unmount_below(self.folder)
        for namespace in self._namespaces():
            delete_namespace(namespace)
        shutil.rmtree(self.folder, ignore_errors=True)
        _remove_empty(self.folder.parent)
        if NAMESPACES.exists() and not any(NAMESPACES.iterdir()):
            unmount_below(NAMESPACES)  # `ip netns` mounts it on itself for the first one
            _remove_empty(NAMESPACES)

    def _forget_nspawn(self, machine: str) -> None:
        """Take away what systemd-nspawn keeps of a machine, and leaves when it is killed."""
        root = self.machine_folder(machine) / "root"
        if root.exists():
            found = root.stat()
            (_NSPAWN / f"locks/inode-{found.st_dev}:{found.st_ino}").unlink(missing_ok=True)
        for folder in _NSPAWN.glob(f"*/{self.name}.{machine}"):
            unmount_below(folder)
            shutil.rmtree(folder, ignore_errors=True)

    def _namespaces(self) -> list[str]:
        if not NAMESPACES.exists():
            return []
        names = (path.name for path in NAMESPACES.iterdir())
        return [
            name
            for name in names
            if name == self.namespace or name.startswith(f"{self.namespace}.")
        ]

    @staticmethod
    def _write(path: Path, made: object) -> None:
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(made))
        draft.replace(path)


def line(place: str) -> str:
    """Return the part of a lab that the program of a slow line is; no machine is called so."""
    return f"delay.{place}"


def delete_namespace(name: str) -> None:
    """Delete a named network namespace, if it is there, with the interfaces in it."""
    if (NAMESPACES / name).exists():
        output("ip", "netns", "delete", name)


def _remove_empty(folder: Path) -> None:
    try:
        os.rmdir(folder)  # noqa: PTH106  (Path.rmdir says no more)
    except OSError:
        return
