"""An app of the engine with one empty stack: what nobody can do without."""

from __future__ import annotations

import importlib
import sys

_, engine_name, folder = sys.argv

engine = importlib.import_module(engine_name)
app = engine.App(outdir=folder)
engine.TerraformStack(app, "empty")
app.synth()
