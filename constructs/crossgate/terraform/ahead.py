"""Starts the engine beside the rest of the package: imported first, it saves a tenth of a second.

Most of the engine's import is waiting for its kernel, a program of its own, to read JavaScript.
Meanwhile this one may read all the modules that need no engine. Python itself makes the first
module that does need it wait until the import here is done.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
from typing import TYPE_CHECKING

import crossgate_node
from crossgate.terraform.choice import ENGINE

if TYPE_CHECKING:
    from types import ModuleType


def _import_engine(jsii: ModuleType) -> None:
    # Whatever is wrong is raised again, for the user to see, where the engine is needed. Modules of
    # ours must not be imported here: they would wait for the package, which waits for them.
    with contextlib.suppress(Exception):
        jsii.stats()  # the first question of any kind starts the kernel
        importlib.import_module(ENGINE)


def _start() -> None:
    crossgate_node.choose_node()
    with contextlib.suppress(ImportError):
        # Reading this is work for Python alone, so there is nothing to gain beside it.
        jsii = importlib.import_module("jsii")
        threading.Thread(target=_import_engine, args=[jsii], name="engine", daemon=True).start()


_start()
