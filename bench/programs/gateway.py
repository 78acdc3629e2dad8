"""The two-cloud gateway, as `main.py` makes it."""

from __future__ import annotations

import sys

from crossgate import App
from stacks.gateway import GatewayStack

_, folder = sys.argv

app = App(outdir=folder)
GatewayStack(app, "gateway")
app.synth()
