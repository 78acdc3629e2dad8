"""Takes snapshots of Consul, encrypts them and keeps them; brings one back.

    consul_snapshot.py SETTINGS save             take one, on the leader alone
    consul_snapshot.py SETTINGS list             print the names of those that are kept
    consul_snapshot.py SETTINGS restore [NAME]   bring one back; default: the newest
        --file FILE   it is in this file, encrypted
        --key FILE    it was encrypted with the key in this file
        --yes         do not ask

A snapshot is checked by Consul before it is kept, and before it is brought back; what it replaces
is saved beside, so that there is a way back. Snapshots are Fernet tokens of Python's
`cryptography`: one that is cut short, changed, or opened with another key is refused.
"""

from __future__ import annotations

import argparse
import base64
import calendar
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LARGEST = 64 * 1024 * 1024
"""Bytes of a snapshot: to encrypt a larger one takes more memory than the unit has."""

LAST = 3
"""So many of the newest are kept, however old they are."""

AT_ONCE = 10
"""More are not dropped in one run: a clock that is wrong by years has not done all its harm."""

_FORM = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"consul-(\d{8}T\d{6}Z)-(\d+)\.snap\.fernet\Z")
_SECONDS = 10
_COMMAND_SECONDS = 180
_FREE = 4 * LARGEST
_ALIVE = 1  # of a member: what Serf calls it


def name_of(at: float, index: int) -> str:
    """Return what a snapshot is called: when it was taken, and Consul's index then."""
    return f"consul-{_written(at)}-{index}.snap.fernet"


def _written(at: float) -> str:
    return time.strftime(_FORM, time.gmtime(at))


def taken_at(name: str) -> float | None:
    """Return when a snapshot was taken, by its name; None: it is no snapshot of ours."""
    found = _NAME.match(name)
    try:
        return calendar.timegm(time.strptime(found[1], _FORM)) if found else None
    except ValueError:  # such as of a 13th month
        return None


def newest_first(names: Sequence[str]) -> list[str]:
    """Return the names of snapshots, and nothing else, the newest first."""
    return sorted((name for name in names if taken_at(name) is not None), reverse=True)


def outdated(names: Sequence[str], keep: float, now: float) -> list[str]:
    """Return which snapshots go: those that are too old, but not the last ones, oldest first.

    Args:
        names: all that are kept.
        keep: seconds for which each is kept.
        now: seconds since the epoch.

    """
    old = [name for name in newest_first(names)[LAST:] if now - (taken_at(name) or now) > keep]
    return old[::-1][:AT_ONCE]


class Refused(Exception):  # noqa: N818  (it is said to people, and nothing goes wrong in it)
    """It is not done, for a reason that is said."""


class Snapshots:
    """Takes, lists and brings back snapshots of the Consul on this machine.

    Args:
        settings: see `settings` in discovery/consul/snapshots.py.

    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self._folder = Path(settings["folder"])
        token = Path(settings["token"])
        self._token = token.read_text(encoding="utf-8").strip() if token.is_file() else ""

    def save(self) -> str:
        """Take a snapshot where it is this machine's turn; return what was done."""
        now = time.time()
        self._note(attempt=now)
        try:
            if not (self._settings["each"] or self._leads()):
                self._note(failed=0, takes=0)
                return "another server is the leader and takes it"
            self._note(takes=1)
            name, size = self._kept(now)
            self._note(success=now, bytes=size, failed=0)
            kept = self.names()
            gone = outdated(kept, self._settings["keep"], now)
            for old in gone:
                self._store("drop", old)
        except BaseException:
            self._note(failed=1)
            raise
        self._note(kept=len(kept) - len(gone))
        return f"kept {name}, {size} bytes" + (f"; dropped {', '.join(gone)}" if gone else "")

    def _kept(self, now: float) -> tuple[str, int]:
        with _work() as work:
            plain, sealed = Path(work, "plain"), Path(work, "sealed")
            index = self._taken(plain)
            sealed.write_bytes(self._fernet().encrypt(plain.read_bytes()))
            plain.unlink()
            name = name_of(now, index)
            self._store("put", name, str(sealed))
            return name, sealed.stat().st_size

    def _taken(self, file: Path) -> int:
        """Have Consul write a snapshot and check it; return its index."""
        if shutil.disk_usage(file.parent).free < _FREE:
            raise Refused(f"less than {_FREE} bytes are free for it: Consul may need them")
        self._consul("save", str(file))
        if file.stat().st_size > LARGEST:
            raise Refused(f"it has {file.stat().st_size} bytes, more than {LARGEST}")
        return self._inspected(file)

    def _inspected(self, file: Path) -> int:
        said = json.loads(self._consul("inspect", "-format=json", str(file)))
        return int(said["Meta"]["Index"])

    def names(self) -> list[str]:
        """Return the names of what is kept, the newest first."""
        return newest_first(self._store("list").split())

    def restore(self, name: str | None, file: str | None, key: str | None, *, yes: bool) -> str:
        """Bring one back; until it has been checked nothing is changed."""
        with _work() as work:
            plain, sealed = Path(work, "plain"), Path(work, "sealed")
            if file is None:
                name = name or next(iter(self.names()), None)
                if name is None:
                    raise Refused("no snapshot is kept")
                self._store("get", name, str(sealed))
            else:
                name, sealed = file, Path(file)
            plain.write_bytes(self._opened(sealed, key))
            index = self._inspected(plain)
            if not self._ask("/status/leader"):
                raise Refused("the servers have no leader: they must run before it is brought back")
            asked = f"{name}, of index {index}, replaces all that Consul holds now. Go on? [yes/no]"
            if not yes and input(f"{asked} ") != "yes":
                raise Refused("nothing is changed")
            before = self._folder / f"before-restore-{_written(time.time())}.snap"
            self._taken(plain_before := Path(work, "before"))
            shutil.copyfile(plain_before, before)
            self._consul("restore", str(plain))
        self._make_room()
        return f"{name} is back; what was there before is in {before}, not encrypted"

    def _make_room(self) -> None:
        """Strike off nodes that are alive under another id than the one that came back.

        A server that lost its disk has its old name and a new id. Consul keeps the name for the old
        one as long as somebody of that name is alive: nothing of the new one would be taken.
        """
        alive = {
            one["Name"]: one["Tags"].get("id")
            for one in self._ask("/agent/members")
            if one["Status"] == _ALIVE
        }
        for node in self._ask("/catalog/nodes?consistent"):
            if node["ID"] and alive.get(node["Node"], node["ID"]) != node["ID"]:
                self._ask("/catalog/deregister", put={"Node": node["Node"]})

    def _opened(self, file: Path, key: str | None) -> bytes:
        from cryptography.fernet import InvalidToken  # noqa: PLC0415  (what lists needs none of it)

        try:
            opened: bytes = self._fernet(key).decrypt(file.read_bytes())
        except InvalidToken:
            raise Refused(
                "it does not open: it is not whole, or was encrypted with another key; "
                "nothing is changed"
            ) from None
        return opened

    def _fernet(self, key: str | None = None) -> Any:  # noqa: ANN401  (as above)
        from cryptography.fernet import Fernet  # noqa: PLC0415  (as above)

        said = Path(key or self._settings["key"]).read_bytes().strip()
        try:
            # Terraform writes plain base64, Fernet reads the kind that suits addresses.
            return Fernet(base64.urlsafe_b64encode(base64.b64decode(said, validate=True)))
        except ValueError as error:
            raise Refused(f"the key is none, 32 bytes in base64: {error}") from None

    def _leads(self) -> bool:
        """Return whether this machine's server is the leader.

        Raises:
            Refused: there is none.

        """
        leader = self._ask("/status/leader")
        if not leader:
            raise Refused("the servers have no leader, so nothing can be saved")
        me = self._ask("/agent/self")["Member"]
        return bool(leader == f"{me['Addr']}:{me['Tags']['port']}")

    def _ask(self, path: str, put: object = None) -> Any:  # noqa: ANN401  (what Consul answers)
        headers = {"X-Consul-Token": self._token} if self._token else {}
        body, method = (None, "GET") if put is None else (json.dumps(put).encode(), "PUT")
        url = f"{self._settings['agent']}/v1{path}"
        request = Request(url, data=body, headers=headers, method=method)  # noqa: S310  (as below)
        with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310  (the machine's own agent)
            return json.load(answer)

    def _consul(self, *arguments: str) -> str:
        own = {"CONSUL_HTTP_ADDR": self._settings["agent"]}
        own |= {"CONSUL_HTTP_TOKEN": self._token} if self._token else {}
        return _run([self._settings["consul"], "snapshot", *arguments], os.environ | own)

    def _store(self, *arguments: str) -> str:
        return _run([*self._settings["store"], *arguments])

    def _note(self, **news: float) -> None:
        """Write the figures for whoever watches the machine; those of earlier runs stay."""
        place = self._folder / "metrics.prom"
        known = {}
        if place.is_file():
            lines = place.read_text(encoding="utf-8").splitlines()
            known = dict(line.removeprefix(_PREFIX).split(" ", 1) for line in lines)
        known |= {_FIGURES.get(key, key): f"{number:.0f}" for key, number in news.items()}
        new = place.with_suffix(".new")
        new.write_text("".join(f"{_PREFIX}{k} {v}\n" for k, v in known.items()), encoding="utf-8")
        new.chmod(0o644)
        new.replace(place)


_PREFIX = "crossgate_snapshot_"
_FIGURES = {"success": "last_success_seconds", "attempt": "last_attempt_seconds"}


def _work() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="consul-snapshot-", dir="/var/tmp")


def _run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(  # noqa: S603  (Consul, and the cloud's own program)
        command, env=environment,
        check=False, capture_output=True, text=True, timeout=_COMMAND_SECONDS,
    )  # fmt: skip
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise Refused(f"{Path(command[0]).name} {command[1]} failed: {said}")
    return done.stdout


def main(arguments: Sequence[str]) -> str:
    """Do what the arguments say; return what is to be printed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("settings")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("save", help="take one, on the leader alone")
    verbs.add_parser("list", help="print the names of those that are kept")
    restore = verbs.add_parser("restore", help="bring one back")
    restore.add_argument("name", nargs="?", help="default: the newest")
    restore.add_argument("--file", help="it is in this file, encrypted")
    restore.add_argument("--key", help="it was encrypted with the key in this file")
    restore.add_argument("--yes", action="store_true", help="do not ask")
    given = parser.parse_args(arguments)
    snapshots = Snapshots(json.loads(Path(given.settings).read_text(encoding="utf-8")))
    if given.verb == "save":
        return snapshots.save() + "\n"
    if given.verb == "list":
        return "".join(f"{name}\n" for name in snapshots.names())
    return snapshots.restore(given.name, given.file, given.key, yes=given.yes) + "\n"


if __name__ == "__main__":
    os.umask(0o077)
    try:
        sys.stdout.write(main(sys.argv[1:]))
    except Refused as reason:
        sys.exit(str(reason))
    except HTTPError as error:
        sys.exit(f"Consul answers {error.code}: {error.read().decode(errors='replace').strip()}")
    except URLError as error:
        sys.exit(f"Consul's agent does not answer: {error.reason}")
    except (OSError, EOFError, subprocess.SubprocessError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
