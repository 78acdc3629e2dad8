"""As many autoscaling groups as asked for, in one stack in AWS; prints how long they took."""

from __future__ import annotations

import json
import sys
import time

from crossgate import App, AutoScalingGroup, AwsCloud, TerraformStack
from stacks.gateway import API

_, count, folder = sys.argv

start = time.perf_counter()
app = App(outdir=folder)
stack = TerraformStack(app, "groups")
cloud = AwsCloud(
    stack,
    "aws",
    region="us-east-1",
    zones=["us-east-1a", "us-east-1b"],
    network="10.20.0.0/16",
    image="ami-0123456789abcdef0",
)
for number in range(int(count)):
    AutoScalingGroup(stack, f"group-{number}", clouds=[cloud], service=API)
built = time.perf_counter()
app.synth()
print(json.dumps({"build": built - start, "synth": time.perf_counter() - built}))
