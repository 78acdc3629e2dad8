"""Programs of Python that are shipped to machines: modules of ours, sent as text."""

from __future__ import annotations

import ast
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

from crossgate.boot.document import File, Unit
from crossgate.boot.systemd import command_line

if TYPE_CHECKING:
    from collections.abc import Sequence

PYTHON = "/usr/bin/python3"
"""Debian's Python, which runs them: 3.9 or newer, with nothing but its standard library."""

OWN_USER = ("DynamicUser=yes",)
"""Of a unit's `[Service]`: it runs as a user that only exists meanwhile."""


def program(path: str, package: str, module: str) -> File:
    """Return the file that `PYTHON` runs on a machine, without what only its readers need.

    Args:
        path: where it lies there.
        package: name of the package that holds its module.
        module: name of the module.

    """
    return File(path, _short(files(package).joinpath(f"{module}.py").read_text(encoding="utf-8")))


def package(folder: str, name: str) -> tuple[File, ...]:
    """Return the files of a package that `PYTHON -m` runs on a machine, with `folder` in its path.

    Args:
        folder: where the package's own folder lies there.
        name: the package, of which the machine knows the last part.

    """
    own = name.rpartition(".")[2]
    return tuple(
        File(f"{folder}/{own}/{file.name}", _short(file.read_text(encoding="utf-8")))
        for file in sorted(files(name).iterdir(), key=lambda file: file.name)
        if file.name.endswith(".py")
    )


@lru_cache
def _short(text: str) -> str:
    """Return a module without comments and docstrings, but its own: user data has little room."""
    tree = ast.parse(text)
    inside: set[int] = set()
    dropped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Constant, ast.JoinedStr)):
            inside.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        body = getattr(node, "body", ())
        for place, statement in enumerate(body if isinstance(body, list) else ()):
            said = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            own = isinstance(node, ast.Module) and place == 0
            if said and not own and len(body) > 1:
                dropped.update(range(statement.lineno, (statement.end_lineno or 0) + 1))
    return "".join(
        f"{line}\n"
        for number, line in enumerate(text.splitlines(), 1)
        if number not in dropped and (number in inside or not line.lstrip().startswith("#"))
    )


def program_unit(
    name: str,
    command: Sequence[str],
    *,
    description: str,
    lines: Sequence[str] = OWN_USER,
    restart: Literal["always", "on-failure"] = "always",
) -> Unit:
    """Return a unit that keeps a program running, and lets it write nothing but what is its own.

    Args:
        name: what the unit is called after `crossgate-`.
        command: the program and its arguments.
        description: what it does, for whoever lists the units.
        lines: of its `[Service]`, beside; default: it runs as a user that only exists meanwhile.
        restart: when it is started again: whenever it ends (the default), or when it fails.

    """
    text = "\n".join([
        "[Unit]",
        f"Description={description}",
        "Wants=network-online.target",
        "After=network-online.target",
        # Never given up on.
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        *lines,
        f"ExecStart={command_line(command)}",
        f"Restart={restart}",
        "RestartSec=5",
        "NoNewPrivileges=yes",
        "ProtectHome=yes",
        "ProtectSystem=strict",
        "PrivateDevices=yes",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
        "",
    ])  # fmt: skip
    return Unit(f"crossgate-{name}.service", text)
