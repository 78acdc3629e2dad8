"""Looks at all processes of this balancer together, which after a reload are several.

    haproxy_figures.py SETTINGS

It keeps each server to its limit: a new process counts from none, so it may send a server only what
the old ones leave of it. And it tells the cluster what it sees of each service: connections, and
how many of them wait. Whoever scales a group by it adds up what all balancers tell. What one told
last stays there when it ends, so it tells the moment too.
"""

from __future__ import annotations

import csv
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SECONDS = 10
_ANSWER_SECONDS = 2.0
"""The next look is soon: no process, which may be ending, is waited for longer."""

_LOOK_SECONDS = 1.0
"""A process that has just started may send a server too much for so long."""

# "show stat" in HAProxy's management guide: every proxy, of types backend and server.
QUESTION = b"show stat -1 6 -1\n"


def figures(said: str, service_of: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Return what is seen of each service.

    `connections` are those that clients have opened, `queue` those among them that wait for a
    server that has room.

    Args:
        said: HAProxy's answer, a table in CSV.
        service_of: the service of each backend.

    """
    found = {service: {"connections": 0, "queue": 0} for service in service_of.values()}
    for row in csv.DictReader(said.strip()[2:].splitlines()):  # the head begins with "# "
        service = service_of.get(row["pxname"])
        if service is None:
            continue
        # Who waits for one server stands in its row, who waits for any in the backend's.
        found[service]["queue"] += int(row["qcur"] or 0)
        if row["svname"] == "BACKEND":
            found[service]["connections"] += int(row["scur"] or 0)
    return found


def limited(limits: Mapping[str, int], said: str, old: Iterable[str]) -> list[str]:
    """Return what to say to the newest process so that no server has more than its limit.

    Args:
        limits: of a server of each backend, over all processes.
        said: what the newest process answers.
        old: what the others answer.

    """
    held: dict[tuple[str, str], int] = {}
    for one in old:
        for row in csv.DictReader(one.strip()[2:].splitlines()):
            place = (row["pxname"], row["svname"])
            held[place] = held.get(place, 0) + int(row["scur"] or 0)
    wanted = []
    for row in csv.DictReader(said.strip()[2:].splitlines()):
        place = backend, server = row["pxname"], row["svname"]
        if backend in limits and server != "BACKEND":
            # None would be no limit at all.
            room = max(1, limits[backend] - held.get(place, 0))
            if row["slim"] != str(room):
                wanted.append(f"set maxconn server {backend}/{server} {room}\n")
    return wanted


def added_up(seen: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    """Return the sum of what several processes see."""
    found: dict[str, dict[str, int]] = {}
    for one in seen:
        for service, counted in one.items():
            total = found.setdefault(service, {})
            for figure, number in counted.items():
                total[figure] = total.get(figure, 0) + number
    return found


def old_workers(master: str) -> list[str]:
    """Return what each process says that a reload has left with its sessions; see `show proc`."""
    if not Path(master).exists():
        return []
    _, _, old = ask(master, b"show proc\n").partition("# old workers")
    rows = [line.split() for line in old.partition("#")[0].splitlines()]
    pids = [row[0] for row in rows if row and row[0].isdigit()]
    return [ask(master, f"@!{pid} ".encode() + QUESTION) for pid in pids]


def ask(path: str, question: bytes) -> str:
    """Return HAProxy's answer."""
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(_ANSWER_SECONDS)
        asked.connect(path)
        asked.sendall(question)
        # The master answers as long as somebody may ask.
        asked.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: asked.recv(65536), b"")).decode()


def look(settings: Mapping[str, Any], record: Sequence[str]) -> None:
    """Keep the limits once, and tell once where `record` says how."""
    said, old = ask(settings["socket"], QUESTION), old_workers(settings["master"])
    for words in limited(settings["limits"], said, old):
        ask(settings["socket"], words.encode())
    if record:
        seen = added_up(figures(one, settings["service_of"]) for one in (said, *old))
        told = json.dumps({"at": round(time.time()), "services": seen})
        subprocess.run(  # noqa: S603  (the cluster's own program)
            record, check=True, input=told, text=True, timeout=_SECONDS, capture_output=True
        )


def main(path: str) -> None:
    """Look until stopped; what fails is said once and tried again."""
    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    identity = Path("/etc/machine-id").read_text(encoding="ascii")[:8]
    record = [*settings["watch"], "record", f"figures.{socket.gethostname()}-{identity}"]
    before, due = "", 0.0
    while True:
        telling = bool(settings["watch"]) and time.monotonic() >= due
        if telling:
            due = time.monotonic() + settings["every"]
        try:
            look(settings, record if telling else ())
            trouble = ""
        except subprocess.CalledProcessError as error:
            trouble = str(error.stderr).strip()
        except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
            trouble = f"{type(error).__name__}: {error}"
        if trouble and trouble != before:
            sys.stdout.write(f"nothing is told: {trouble}\n")
            sys.stdout.flush()
        before = trouble
        time.sleep(_LOOK_SECONDS if settings["limits"] else settings["every"])


if __name__ == "__main__":
    main(sys.argv[1])
