"""An app of its own: the AWS side of the two-cloud gateway, and nothing of OpenStack."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta

from crossgate import (
    App,
    AwsCloud,
    Capacity,
    Gateway,
    GroupPlan,
    Health,
    Image,
    Listener,
    Scaling,
    Scheduled,
    Spot,
    Termination,
    TerraformStack,
)
from stacks.gateway import API

app = App()
# A test changes it when it deploys again.
SERVICE = replace(API, image=app.node.try_get_context("image") or API.image)
stack = TerraformStack(app, "gateway")
aws = AwsCloud(
    stack,
    "aws",
    region="us-east-1",
    zones=["us-east-1a", "us-east-1b"],
    network="10.20.0.0/16",
    image=Image(name="gateway-image-*", owner="self"),
    balancer_metrics=True,
    tags={"team": "gateway"},
)
Gateway(
    stack,
    "gw",
    clouds=[aws],
    services=[
        GroupPlan(
            service=SERVICE,
            capacity=Capacity(
                2,
                6,
                scheduled=[
                    Scheduled("day", at=time(7), time_zone="Europe/Berlin", minimum=4, maximum=6)
                ],
            ),
            market=Spot(on_demand_base=1, max_price="0.05"),
            termination=Termination(
                policies=["oldest-launch-template"],
                max_lifetime=timedelta(days=7),
            ),
            health=Health(grace=timedelta(minutes=4), unfit=timedelta(minutes=3)),
            scaling=[
                Scaling(on="cpu", target=0.55),
                Scaling(on="connections", target=200, shrink=False),
            ],
        )
    ],
    listeners=[Listener(port=9000, to=SERVICE, allow_from=["198.51.100.0/24"])],
)
app.synth()
