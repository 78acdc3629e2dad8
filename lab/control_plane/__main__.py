"""`python -m lab.control_plane install`: brings the Debian packages, which takes minutes, once."""

from __future__ import annotations

import sys

from rich.console import Console

from lab.control_plane.packages import install
from tools.toolbox import ToolError


def main() -> int:
    """Install, or say what is wrong."""
    console = Console(highlight=False, soft_wrap=True)
    if sys.argv[1:] != ["install"]:
        console.print("python -m lab.control_plane install")
        return 2
    try:
        with console.status("OpenStack's packages (about three minutes the first time) ..."):
            install()
    except ToolError as error:
        console.print(str(error), markup=False, style="red")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
