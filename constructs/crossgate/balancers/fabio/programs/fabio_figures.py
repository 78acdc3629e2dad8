"""Tells the cluster and Prometheus what this balancer has to do.

    fabio_figures.py SETTINGS

The cluster hears how many connections each service has. Fabio counts those that it has opened and
not those that are open, so the machine's own table of connections says it. What one told last stays
there when it ends, so it tells the moment too. Nobody waits in a Fabio.

For Prometheus Fabio's own figures are written into a file, without those of its runtime: the agent
of the discovery shows some of the same names on the same page.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SECONDS = 10
_TABLE = Path("/proc/net/tcp")
_ESTABLISHED = "01"
_OWN = "fabio"


def places(routes: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the service at each address and port, as Fabio's API tells its routes."""
    return {one["dst"].partition("://")[2].rstrip("/"): one["service"] for one in routes}


def open_to(table: str) -> list[str]:
    """Return address and port of the other end of each connection; proc(5), /proc/net/tcp."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return [_place(row[2]) for row in rows if row[3] == _ESTABLISHED]


def _place(text: str) -> str:
    address, _, port = text.partition(":")
    # As the processor has it in memory.
    number = int.from_bytes(bytes.fromhex(address), sys.byteorder)
    return f"{ipaddress.IPv4Address(number)}:{int(port, 16)}"


def figures(
    services: Iterable[str], known: Mapping[str, str], table: str
) -> dict[str, dict[str, int]]:
    """Return what is seen of each service."""
    found = {service: {"connections": 0, "queue": 0} for service in services}
    for place in open_to(table):
        service = known.get(place)
        if service in found:
            found[service]["connections"] += 1
    return found


def told(settings: Mapping[str, Any], known: dict[str, str], record: Sequence[str]) -> None:
    """Tell the cluster once; `known` are machines with their services, those that left too."""
    known |= places(json.loads(_asked(f"{settings['fabio']}/api/routes")) or [])
    seen = figures(settings["services"], known, _TABLE.read_text(encoding="ascii"))
    said = json.dumps({"at": round(time.time()), "services": seen})
    subprocess.run(  # noqa: S603  (the cluster's own program)
        record, check=True, input=said, text=True, timeout=_SECONDS, capture_output=True
    )


def shown(page: str, file: Path) -> None:
    """Write Fabio's own figures down; what was there goes when it does not answer."""
    try:
        said = _asked(page)
    except OSError:
        file.unlink(missing_ok=True)
        raise
    draft = file.with_suffix(".new")
    draft.write_text(own(said), encoding="utf-8")
    draft.chmod(0o644)
    draft.replace(file)


def own(said: str) -> str:
    """Return the lines of a page of Prometheus that are Fabio's."""
    lines = said.splitlines(keepends=True)
    return "".join(line for line in lines if line.split(" ")[2 * (line[0] == "#")].startswith(_OWN))


def _asked(url: str) -> str:
    with urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310  (the machine's own)
        text: str = answer.read().decode()
        return text


def look(settings: Mapping[str, Any], known: dict[str, str], record: Sequence[str]) -> None:
    """Do once what is asked for."""
    if settings["page"]:
        shown(settings["page"], Path(settings["file"]))
    if settings["watch"]:
        told(settings, known, record)


def main(path: str) -> None:
    """Look until stopped; what fails is said once and tried again."""
    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    identity = Path("/etc/machine-id").read_text(encoding="ascii")[:8]
    record = [*settings["watch"], "record", f"figures.{socket.gethostname()}-{identity}"]
    known: dict[str, str] = {}
    before = ""
    while True:
        trouble = ""
        try:
            look(settings, known, record)
        except subprocess.CalledProcessError as error:
            trouble = str(error.stderr).strip()
        except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
            trouble = f"{type(error).__name__}: {error}"
        if trouble and trouble != before:
            sys.stdout.write(f"nothing is told: {trouble}\n")
            sys.stdout.flush()
        before = trouble
        time.sleep(settings["every"])


if __name__ == "__main__":
    main(sys.argv[1])
