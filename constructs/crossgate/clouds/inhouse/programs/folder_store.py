"""Keeps copies in a folder.

    folder_store.py SETTINGS put NAME FILE    keep a file under a name
    folder_store.py SETTINGS get NAME FILE    write what is kept under a name
    folder_store.py SETTINGS list             print the names, one a line
    folder_store.py SETTINGS drop NAME        keep it no longer

A folder of the machine's own is made; one that is named must be there: below a mount that is
missing it is not, and nothing is written to the wrong disk.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNDONE = ".part"


def main(arguments: Sequence[str]) -> str:
    """Do what the arguments say; return what is to be printed."""
    path, verb, *more = arguments
    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    folder = Path(settings["folder"])
    if settings["own"]:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not folder.is_dir():
        sys.exit(f"{folder} is not there: mount it, or make it in what is mounted")
    if verb == "list" and not more:
        kept = (one.name for one in folder.iterdir() if one.is_file())
        return "".join(f"{name}\n" for name in sorted(kept) if not name.endswith(_UNDONE))
    if verb == "drop":
        (name,) = more
        (folder / name).unlink(missing_ok=True)
    elif verb == "get":
        name, to = more
        shutil.copyfile(folder / name, to)
    elif verb == "put":
        name, file = more
        _put(Path(file), folder / name)
    else:
        raise ValueError(verb)
    return ""


def _put(file: Path, place: Path) -> None:
    """Copy a file so that there is all of it or nothing, also when the power goes."""
    undone = place.with_name(place.name + _UNDONE)
    undone.unlink(missing_ok=True)
    undone.touch(mode=0o600)
    with file.open("rb") as source, undone.open("wb") as target:
        shutil.copyfileobj(source, target)
        target.flush()
        os.fsync(target.fileno())
    undone.replace(place)


if __name__ == "__main__":
    try:
        sys.stdout.write(main(sys.argv[1:]))
    except ValueError:
        sys.exit("folder_store.py SETTINGS put NAME FILE | get NAME FILE | list | drop NAME")
    except OSError as error:
        sys.exit(f"the folder does not take it: {error}")
