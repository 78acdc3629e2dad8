"""Makes the server one file that Python 3.11 or newer runs: `python -m lab.thrift.bundle`.

The file is a zip application of this package and of the installed thriftpy2 with what that needs,
sources alone. The same sources and version make the same bytes, so that the checksum that an
`Artifact` carries stays true. Machines fetch it over HTTP; any file server will do:

    python -m http.server --bind 10.99.0.1 --directory .tools/lab/artifacts 8080
"""

from __future__ import annotations

import argparse
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tools import toolbox

FOLDER = toolbox.BOX / "lab" / "artifacts"
"""Where bundles are put, and what the lab serves over HTTP."""

NAME = "gateway-service"

_HERE = Path(__file__).resolve().parent
_OURS = ("__init__.py", "gateway.thrift", "interface.py", "service.py", "stream.py")
_PACKAGES = ("ijson", "ply", "thriftpy2")
# The oldest date that a zip file can hold.
_DATE = (1980, 1, 1, 0, 0, 0)
_INTERPRETER = b"#!/usr/bin/python3\n"
_MAIN = "from lab.thrift.service import main\n\nraise SystemExit(main())\n"
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]*")


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """One built file.

    Attributes:
        path: where it is; its name has the version.
        sha256: its checksum.

    """

    path: Path
    sha256: str


def build(version: str, folder: Path = FOLDER) -> Bundle:
    """Write the bundle of a version and return it.

    Raises:
        ValueError: the version would make no file name.

    """
    if not _VERSION.fullmatch(version):
        raise ValueError(f"a version is letters, digits, dots, + and -, not {version!r}")
    data = _INTERPRETER + _archive(version)
    path = folder / f"{NAME}-{version}.pyz"
    folder.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_bytes(data)
    draft.chmod(0o755)
    draft.replace(path)
    return Bundle(path=path, sha256=hashlib.sha256(data).hexdigest())


def _archive(version: str) -> bytes:
    files = dict(_installed())
    files |= {f"lab/thrift/{name}": (_HERE / name).read_bytes() for name in _OURS}
    files |= {
        "__main__.py": _MAIN.encode(),
        "lab/__init__.py": b"",
        "lab/thrift/version.txt": f"{version}\n".encode(),
    }
    made = io.BytesIO()
    # Stored, not compressed: what a compressor makes depends on its version.
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system = 3  # Unix, on whatever system this runs
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name])
    return made.getvalue()


def _installed() -> Iterator[tuple[str, bytes]]:
    for package in _PACKAGES:
        for file in metadata.files(package) or ():
            name = file.as_posix()
            if file.suffix == ".py" and name.startswith(f"{package}/"):
                yield name, _portable(name, file.read_binary())


def _portable(name: str, source: bytes) -> bytes:
    if name != "thriftpy2/_compat.py":
        return source
    # It takes for granted that its extension modules are there, which no zip file can hold.
    return source + b"\nCYTHON = False\n"


def main() -> int:
    """Build and print the path and the checksum."""
    parser = argparse.ArgumentParser(prog="python -m lab.thrift.bundle", description=__doc__)
    parser.add_argument("--version", default="1.0", help="what its answers carry (default 1.0)")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    bundle = build(options.version, options.folder)
    print(bundle.path)
    print(bundle.sha256)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
