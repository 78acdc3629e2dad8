"""Programs reach machines without what only their readers need, and do the same."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import crossgate
from crossgate.boot.program import _short

PROGRAMS = sorted(Path(crossgate.__file__).parent.rglob("programs/**/*.py"))


def bare(text: str) -> str:
    """Return what a program does, whatever it says of itself."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and not isinstance(node, ast.Module):
            node.body = [one for one in body if not _says(one)] or body
        elif isinstance(body, list):
            node.body = [one for place, one in enumerate(body) if place == 0 or not _says(one)]
    return ast.dump(tree)


def _says(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_program_does_on_a_machine_what_it_does_here(path):
    text = path.read_text(encoding="utf-8")
    assert bare(_short(text)) == bare(text)
    assert ast.get_docstring(ast.parse(_short(text))) == ast.get_docstring(ast.parse(text))


def test_comments_and_docstrings_stay_here_and_what_looks_like_them_does_not():
    assert _short(
        '"""What it is."""\n'
        "# Why.\n"
        'TEXT = """\n'
        "# kept\n"
        '"""\n'
        '"""Said of it."""\n'
        "def told():\n"
        '    """Say it."""\n'
        "    # Why.\n"
        "    return TEXT  # kept too\n"
        "class Wrong(Exception):\n"
        '    """Kept: it has nothing else."""\n'
    ) == (
        '"""What it is."""\n'
        'TEXT = """\n'
        "# kept\n"
        '"""\n'
        "def told():\n"
        "    return TEXT  # kept too\n"
        "class Wrong(Exception):\n"
        '    """Kept: it has nothing else."""\n'
    )
