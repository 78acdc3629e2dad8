"""Starts the engine beside the rest of the package, and its kernel in one Node instead of two.

Imported first, it hides how long the kernel, a program of its own, takes to start and to read its
JavaScript: meanwhile Python reads the modules that need no engine. The one that does need it waits.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import crossgate_node
from crossgate.terraform.choice import ENGINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

LAUNCHER = Path(__file__).with_name("kernel.js")
_PROGRAM = "CROSSGATE_KERNEL"
"""Tells the launcher where the kernel's own program is."""

# How the kernel's program opens its channel; the launcher knows no other way.
_CHANNEL = "readFD:3,writeFD:3"

# While it reads the engine's code, the kernel fills its nursery of 16 MB again and again, and
# copies what survives. In a larger one it hardly ever does.
_NODE_OPTIONS = "--preserve-symlinks --max-semi-space-size=32"


def _start() -> threading.Thread | None:
    # Nothing that is imported is garbage: Python's collector would walk through it again and again.
    gc.disable()
    crossgate_node.choose_node()
    if ENGINE in sys.modules:
        return None
    try:
        # Reading this is work for Python alone, so there is nothing to gain beside it.
        jsii = importlib.import_module("jsii")
    except ImportError:
        return None
    thread = threading.Thread(target=_load, args=[jsii], name="engine", daemon=True)
    thread.start()
    return thread


def wait() -> None:
    """Return once the kernel can be asked: it answers one question at a time."""
    if _thread is not None:
        _thread.join()


def finish() -> None:
    """Say that the engine is imported: its objects live as long as the program."""
    gc.freeze()
    if _collects:
        gc.enable()


def _load(jsii: ModuleType) -> None:
    # Whatever is wrong shows again, to the user, where the engine is imported.
    with contextlib.suppress(Exception), _environment(_settings(jsii)):
        jsii.stats()  # the first question of any kind starts the kernel
    with contextlib.suppress(Exception):
        for package in ("constructs", ENGINE):
            # What the package's own import asks for; the second time the kernel has it.
            spec = importlib.util.find_spec(package)
            for folder in (spec and spec.submodule_search_locations) or ():
                for file in Path(folder, "_jsii").glob("*.jsii.tgz"):
                    name, _, version = file.name.removesuffix(".jsii.tgz").rpartition("@")
                    jsii.load(name, version, str(file))


def _settings(jsii: ModuleType) -> Mapping[str, str]:
    """Return what starts the kernel through our launcher; nothing where a user has a word in it."""
    if os.name != "posix" or {"JSII_RUNTIME", "NODE_OPTIONS"} & os.environ.keys():
        return {}
    program = Path(jsii.__file__ or "").parent / "_embedded" / "jsii" / "lib__program.js"
    if not program.is_file() or _CHANNEL not in program.read_text(encoding="utf-8"):
        return {}
    return {
        "JSII_RUNTIME": str(LAUNCHER),
        "NODE_OPTIONS": _NODE_OPTIONS,
        _PROGRAM: str(program),
    }


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Let what starts meanwhile see `settings`: the kernel, and no other program."""
    os.environ.update(settings)
    try:
        yield
    finally:
        for name in settings:
            os.environ.pop(name, None)


_collects = gc.isenabled()
_thread = _start()
