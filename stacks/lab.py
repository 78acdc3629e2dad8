"""The two-cloud gateway as the lab runs it: `stacks/gateway.py` without internet and accounts.

Numbers, shapes and checks are those of the gateway. What differs is what belongs to a place: the
service is a file that the lab serves instead of an image of a registry, clients are the lab's, and
images and networks are those of the control planes that are up. A cloud whose control plane is not
up is left out.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from crossgate import (
    JETSTREAM2,
    Artifact,
    AwsCloud,
    Capacity,
    Construct,
    Gateway,
    GroupPlan,
    Healing,
    Health,
    InstanceRefresh,
    Listener,
    OpenStackCloud,
    Scaling,
    Spot,
    TerraformStack,
)
from stacks.gateway import API

if TYPE_CHECKING:
    from crossgate.contracts import Cloud

AWS = "aws"
NOVA = "nova"
CONNECTIONS = Scaling(
    on="connections",
    target=40,
    cooldown=timedelta(seconds=10),
    calm=timedelta(seconds=30),
)
"""What a group follows: more of them than any trial of the lab opens, and less patience."""

UNFIT = Health(grace=timedelta(seconds=150), unfit=timedelta(seconds=45))
"""Longer than any fault of the lab makes a service fail, and than a machine boots among many."""

QUICK = InstanceRefresh(warmup=timedelta(seconds=5))
"""Long enough to look at a machine that has said that it is ready."""

PORT = 9000
"""Where they connect."""

CLIENTS = "10.99.0.0/24"
"""Where the lab's clients are."""


class LabStack(TerraformStack):
    """One API, three Consul servers and two balancers in each cloud that is up.

    Args:
        scope: the app.
        id: the stack's name.
        artifact: the service, a program of Python in one file.
        clouds: those that are up, of `AWS` and `NOVA`.
        image: id of an image in OpenStack; needed with `NOVA` alone.
        external_network_id: of the network that leads out of it; needed with `NOVA` alone.
        keystone: its Keystone, as its machines reach it; needed with `NOVA` alone.

    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        artifact: Artifact,
        clouds: Collection[str],
        image: str = "",
        external_network_id: str = "",
        keystone: str = "",
    ) -> None:
        """Describe everything once."""
        super().__init__(scope, id)
        built: dict[str, Cloud] = {}
        if AWS in clouds:
            built[AWS] = AwsCloud(
                self,
                AWS,
                region="us-east-1",
                zones=["us-east-1a", "us-east-1b"],
                network="10.20.0.0/16",
                image="ami-0123456789abcdef0",
                root_device="/dev/xvda",
                balancer_metrics=True,
            )
        if NOVA in clouds:
            built[NOVA] = OpenStackCloud(
                self,
                NOVA,
                profile=replace(JETSTREAM2, auth_url=None, region=None),
                network="10.30.0.0/16",
                image=image,
                external_network_id=external_network_id,
                # A lab has no patience, and breaks things all day.
                healing=Healing(auth_url=keystone, after=timedelta(seconds=10), per_hour=100),
            )
        name = artifact.url.rpartition("/")[2]
        api = replace(
            API,
            image=None,
            artifact=artifact,
            command=["/usr/bin/python3", f"/opt/{API.name}/{name}", "--port", str(API.port)],
            drain=timedelta(seconds=3),
        )
        capacity = {AWS: Capacity(2, 6), NOVA: Capacity(2, 4)}
        Gateway(
            self,
            "gw",
            clouds=list(built.values()),
            services=[
                GroupPlan(
                    service=api,
                    capacity={cloud: capacity[name] for name, cloud in built.items()},
                    market={built[AWS]: Spot(on_demand_base=1)} if AWS in built else {},
                    health=UNFIT,
                    rollout=QUICK,
                    scaling=[CONNECTIONS],
                )
            ],
            listeners=[Listener(port=PORT, to=api, allow_from=[CLIENTS])],
        )
