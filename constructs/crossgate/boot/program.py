"""Programs of Python that are shipped to machines: modules of ours, sent as text."""

from __future__ import annotations

from importlib.resources import files

from crossgate.boot.document import File

PYTHON = "/usr/bin/python3"
"""Debian's Python, which runs them: 3.9 or newer, with nothing but its standard library."""


def program(path: str, package: str, module: str) -> File:
    """Return the file that `PYTHON` runs on a machine.

    Args:
        path: where it lies there.
        package: name of the package that holds its module.
        module: name of the module.

    """
    text = files(package).joinpath(f"{module}.py").read_text(encoding="utf-8")
    return File(path, text)


def package(folder: str, name: str) -> tuple[File, ...]:
    """Return the files of a package that `PYTHON -m` runs on a machine, with `folder` in its path.

    Args:
        folder: where the package's own folder lies there.
        name: the package, of which the machine knows the last part.

    """
    own = name.rpartition(".")[2]
    return tuple(
        File(f"{folder}/{own}/{file.name}", file.read_text(encoding="utf-8"))
        for file in sorted(files(name).iterdir(), key=lambda file: file.name)
        if file.name.endswith(".py")
    )
