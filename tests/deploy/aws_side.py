"""An app of its own: the AWS side of the two-cloud gateway, and nothing of OpenStack."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta

from crossgate import (
    App,
    AutoScalingGroup,
    AwsCloud,
    AwsMachines,
    Capacity,
    Gateway,
    Grant,
    GroupPlan,
    Health,
    Image,
    Listener,
    Machine,
    Reference,
    Scaling,
    Scheduled,
    Spot,
    Step,
    Steps,
    Termination,
    TerraformStack,
    Text,
    WarmPool,
)
from stacks.gateway import API

app = App()
# A test changes it when it deploys again.
SERVICE = replace(API, image=app.node.try_get_context("image") or API.image, max_connections=100)
BATCH = replace(API, name="batch", port=9191)
stack = TerraformStack(app, "gateway")
aws = AwsCloud(
    stack,
    "aws",
    region="us-east-1",
    zones=["us-east-1a", "us-east-1b"],
    network="10.20.0.0/16",
    image={
        "x86_64": Image(name="gateway-image-*", owner="self"),
        "arm64": "ami-0000000000000a64",
    },
    root_device="/dev/xvda",
    balancer_metrics=True,
    machines=AwsMachines(
        disk_key="arn:aws:kms:us-east-1:123456789012:alias/gateway",
        detailed_monitoring=True,
        session_access=True,
    ),
    tags={"team": "gateway"},
)
gateway = Gateway(
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
                Scaling(on="queue", target=5),
            ],
        ),
        GroupPlan(
            service=BATCH,
            capacity=Capacity(1, 8),
            scaling=[
                Steps(
                    on="connections",
                    steps=[
                        Step(at_least=200, add=1),
                        Step(at_least=400, add=3),
                        Step(at_most=50, remove=1),
                    ],
                    cooldown=timedelta(minutes=2),
                )
            ],
        ),
    ],
    listeners=[Listener(port=9000, to=SERVICE, allow_from=["198.51.100.0/24"])],
)
gateway.edge.dns("api.example.org", zone=aws.zone("example.org"))
AutoScalingGroup(
    stack,
    "mixed",
    clouds=[aws],
    service=BATCH,
    discovery=gateway.discovery,
    capacity=Capacity(3, 9),
    machine=Machine(
        size={"m7i.large": 1, "m7g.xlarge": 2},
        architecture=["x86_64", "arm64"],
        grants=[
            Grant(actions=["s3:GetObject"], resources=["arn:aws:s3:::releases/*"]),
            Grant(
                actions=["ec2:CreateTags"],
                resources=[
                    Text.of(
                        "arn:aws:ec2:us-east-1:123456789012:vpc/", Reference(aws.placement.vpc_id)
                    )
                ],
            ),
        ],
    ),
    termination=Termination(protect=True),
)
AutoScalingGroup(
    stack,
    "warm",
    clouds=[aws],
    service=BATCH,
    discovery=gateway.discovery,
    capacity=Capacity(2, 6, warm=WarmPool(minimum=2, prepared=5, state="hibernated", reuse=True)),
)
app.synth()
