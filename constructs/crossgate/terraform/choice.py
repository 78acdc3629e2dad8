"""Which engine is used: the one that the app has imported, else a named one, else an installed one.

`cdktf` comes before its continuation `cdktn`.
"""

from __future__ import annotations

import importlib.util
import os
import sys

from crossgate.errors import ConfigError

ENGINES = ("cdktf", "cdktn")
VARIABLE = "CROSSGATE_ENGINE"
"""Names the engine to use, where both are installed and none is imported yet."""


def _chosen() -> str:
    """Return the name of the engine to use.

    Raises:
        ConfigError: none is installed, or the variable names none.

    """
    named = os.environ.get(VARIABLE)
    if named and named not in ENGINES:
        raise ConfigError(
            "names no engine",
            path=VARIABLE,
            got=named,
            want=" or ".join(ENGINES),
            do=f"unset {VARIABLE} to take the one that is installed",
        )
    imported = [name for name in ENGINES if name in sys.modules]
    if len(imported) == 1:
        return imported[0]
    if named:
        return named
    for name in imported or ENGINES:
        if importlib.util.find_spec(name) is not None:
            return name
    raise ConfigError(
        "no engine is installed", want=" or ".join(ENGINES), do="pip install 'cdktf>=0.21,<0.22'"
    )


ENGINE = _chosen()
"""The name of the engine in use: `cdktf` or `cdktn`."""
