"""The AWS side of the gateway alone, to be compared with other bindings of the same resources."""

from __future__ import annotations

import sys

from crossgate import App, AwsCloud, Gateway, GroupPlan, Listener, TerraformStack
from stacks.gateway import API

_, folder = sys.argv

app = App(outdir=folder)
stack = TerraformStack(app, "aws")
cloud = AwsCloud(
    stack,
    "aws",
    region="us-east-1",
    zones=["us-east-1a", "us-east-1b"],
    network="10.20.0.0/16",
    image="ami-0123456789abcdef0",
)
Gateway(
    stack,
    "gw",
    clouds=[cloud],
    services=[GroupPlan(service=API)],
    listeners=[Listener(port=9000, to=API)],
)
app.synth()
