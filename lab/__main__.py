"""Runs the lab's command line: `python -m lab`."""

from lab.cli import main

main()
