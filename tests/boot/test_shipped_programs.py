"""Programs reach machines without what only their readers need, and do the same."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import crossgate
from crossgate.boot.program import _short

PROGRAMS = sorted(Path(crossgate.__file__).parent.rglob("programs/**/*.py"))


def bare(text: str) -> str:
    """Return what a program does, whatever it says of itself and of its types."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [part for one in body if not _says(one) for part in _run(one)]
            node.body = kept or [ast.Pass()]
            if not isinstance(node, ast.ClassDef):
                node.body = [_untyped(one) for one in node.body]
    return ast.dump(tree)


def _says(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.If):
        return ast.unparse(statement.test) == "TYPE_CHECKING"
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _run(statement: ast.stmt) -> list[ast.stmt]:
    """Return what is left of it where a program is never imported."""
    guards = isinstance(statement, ast.If) and "__main__" in ast.unparse(statement.test)
    return statement.body if guards else [statement]


def _untyped(statement: ast.stmt) -> ast.stmt:
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        return ast.Assign([statement.target], statement.value)
    return statement


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_program_does_on_a_machine_what_it_does_here(path):
    text = path.read_text(encoding="utf-8")
    assert bare(_short(text)) == bare(text)
    assert "__doc__" not in text, "it is not there on a machine"


def test_what_only_readers_need_stays_here_and_what_looks_like_it_does_not():
    assert _short(
        '"""What it is."""\n'
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n"
        "    from collections.abc import Mapping\n"
        "# Why.\n"
        'TEXT: str = "# kept"\n'
        '"""Said of it."""\n'
        "def told(more: Mapping[str, str]) -> str:\n"
        '    """Say it."""\n'
        "    # Why.\n"
        "    said: str = TEXT\n"
        "    return said  # kept as it is\n"
        "class Wrong(Exception):\n"
        '    """It has nothing else."""\n'
        "@dataclass\n"
        "class Found:\n"
        '    """Fields are what it is."""\n'
        "    name: str\n"
        "    size: int = 0\n"
    ) == (
        "from typing import TYPE_CHECKING\n"
        "TEXT = '# kept'\n"
        "\n"
        "def told(more):\n"
        " said = TEXT\n"
        " return said\n"
        "\n"
        "class Wrong(Exception):\n"
        " pass\n"
        "\n"
        "@dataclass\n"
        "class Found:\n"
        " name: str\n"
        " size: int = 0\n"
    )
