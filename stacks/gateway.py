"""The two-cloud gateway: one Thrift API behind HAProxy, in AWS and in OpenStack at the same time.

Every look-up is replaced by an id, so that this stack can be planned without any account. Put your
own image ids and network in.
"""

from __future__ import annotations

from datetime import timedelta

from crossgate import (
    JETSTREAM2,
    AwsCloud,
    Capacity,
    Construct,
    Gateway,
    GroupPlan,
    HAProxy,
    Listener,
    OpenStackCloud,
    Scaling,
    Service,
    Spot,
    TerraformStack,
    ThriftCheck,
)

API = Service(
    name="api",
    protocol="thrift",
    port=9190,
    image="registry.example.org/api:1.4",
    check=ThriftCheck(call="ping", every=timedelta(seconds=2)),
)

# Another balancer is another line here: Fabio with the place of its program (docs/fabio.md).
BALANCER = HAProxy()


class GatewayStack(TerraformStack):
    """One API, three Consul servers and two balancers in each of two clouds."""

    def __init__(self, scope: Construct, id: str) -> None:
        """Describe everything once."""
        super().__init__(scope, id)
        aws = AwsCloud(
            self,
            "aws",
            region="us-east-1",
            zones=["us-east-1a", "us-east-1b"],
            network="10.20.0.0/16",
            image="ami-0123456789abcdef0",
            root_device="/dev/xvda",
        )
        nova = OpenStackCloud(
            self,
            "nova",
            profile=JETSTREAM2,
            network="10.30.0.0/16",
            image="5f3c1d2e-8a4b-4c6d-9e7f-0a1b2c3d4e5f",
            external_network_id="0b6f4d4c-6c1e-4d2a-9a3e-1f0c5b8d7e21",
        )
        Gateway(
            self,
            "gw",
            clouds=[aws, nova],
            services=[
                GroupPlan(
                    service=API,
                    capacity={aws: Capacity(2, 6), nova: Capacity(2, 4)},
                    market={aws: Spot(on_demand_base=1)},
                    scaling={
                        aws: [Scaling(on="cpu", target=0.6)],
                        nova: [Scaling(on="connections", target=500)],
                    },
                )
            ],
            listeners=[Listener(port=9000, to=API, allow_from=["198.51.100.0/24"])],
            balancer=BALANCER,
        )
