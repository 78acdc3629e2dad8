"""`python -m crossgate.cli`: the same as `crossgate`."""

from __future__ import annotations

import sys

from crossgate.cli import main

if __name__ == "__main__":
    sys.exit(main())
