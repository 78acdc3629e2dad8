"""A group that follows its processors, for tests on a control plane that measures them."""

from dataclasses import replace
from datetime import timedelta

from crossgate import (
    JETSTREAM2,
    App,
    AutoScalingGroup,
    Capacity,
    OpenStackCloud,
    Service,
    TerraformStack,
)

app = App()
given = app.node.try_get_context("measured")
stack = TerraformStack(app, "measured")
nova = OpenStackCloud(
    stack,
    "nova",
    profile=replace(
        JETSTREAM2,
        auth_url=None,
        region=None,
        aodh=True,
        measured_every=timedelta(seconds=given["every"]),
    ),
    network="10.40.0.0/16",
    image=given["image"],
    external_network_id=given["external_network_id"],
    healing=None,
)
group = AutoScalingGroup(
    stack,
    "api",
    clouds=[nova],
    service=Service(name="api", port=9190, command=["/usr/bin/api"]),
    capacity=Capacity(2, 4),
)
group.scale_on_cpu(target=0.6, cooldown=timedelta(seconds=5), calm=timedelta(seconds=60))
app.synth()
