"""Starts the engine beside the rest of the package: imported first, it saves a tenth of a second.

Most of the engine's import is waiting for its kernel, a program of its own, to read JavaScript.
Meanwhile this one may read all the modules that need no engine. Python itself makes the first module
that does need it wait until the import here is done.
"""

from __future__ import annotations

import contextlib
import importlib
import threading

import crossgate_node
from crossgate.terraform.choice import ENGINE


def _import_engine() -> None:
    # Whatever is wrong is raised again, for the user to see, where the engine is needed. Modules of
    # ours must not be imported here: they would wait for the package, which waits for them.
    with contextlib.suppress(ImportError):
        importlib.import_module(ENGINE)


def _start() -> None:
    crossgate_node.choose_node()
    with contextlib.suppress(ImportError):
        # All Python, so there is nothing to gain beside it.
        importlib.import_module("jsii")
        threading.Thread(target=_import_engine, name="crossgate-engine", daemon=True).start()


_start()
