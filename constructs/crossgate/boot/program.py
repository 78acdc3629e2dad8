"""Programs of Python that are shipped to machines: modules of ours, sent as text."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

from crossgate.boot.document import File, Unit
from crossgate.boot.systemd import command_line

if TYPE_CHECKING:
    from collections.abc import Sequence

PYTHON = "/usr/bin/python3"
"""Debian's Python, which runs them: 3.9 or newer, with nothing but its standard library."""

_INDENTED = re.compile(r"^(?: {4})+", re.MULTILINE)
# `ast.unparse` writes no text over several lines, so each of these is an indentation.

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
    """Return a module without what only its readers need: user data has little room.

    Fields of its classes stay: they make them what they are.
    """
    short = ast.unparse(_Shortened().visit(ast.parse(text)))
    return _INDENTED.sub(lambda found: " " * (len(found[0]) // 4), short) + "\n"


class _Shortened(ast.NodeTransformer):
    """Drops docstrings, annotations of functions, and what asks who reads or runs it."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        node.body = _undocumented(node.body) or [ast.Pass()]
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        fields = [one for one in node.body if isinstance(one, ast.AnnAssign)]
        body = _undocumented(node.body) or [ast.Pass()]
        node.body = [one if one in fields else self.visit(one) for one in body]
        return node

    def visit_Module(self, node: ast.Module) -> ast.AST:
        node.body = _undocumented(node.body)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return node
        return ast.Assign([node.target], node.value, lineno=node.lineno)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt] | None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        if ast.unparse(node.test) == "__name__ == '__main__'":
            return node.body  # on a machine nobody imports it
        return self.generic_visit(node)


def _undocumented(body: list[ast.stmt]) -> list[ast.stmt]:
    said = [
        one for one in body if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)
    ]
    return [one for one in body if one not in said]


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
