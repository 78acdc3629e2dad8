"""What an OpenStack cloud offers: each is built differently, so a profile says it once."""

from __future__ import annotations

from dataclasses import field
from datetime import timedelta
from typing import Annotated, Literal

import pydantic

from crossgate.model.machine import Architecture
from crossgate.model.units import Duration
from crossgate.model.value import Many, Table, value


@value
class Flavor:
    """A machine size of one cloud.

    Attributes:
        cpu: virtual processors.
        memory: memory, GiB.
        disk: root disk, GiB; default 0: the flavor has none, so the machine boots from a volume.
        architecture: processor family; default `x86_64`.

    """

    cpu: Annotated[int, pydantic.Field(ge=1)]
    memory: Annotated[float, pydantic.Field(gt=0, strict=False)]
    disk: Annotated[int, pydantic.Field(ge=0)] = 0
    architecture: Architecture = "x86_64"


@value
class OpenStackProfile:
    """What one OpenStack cloud offers; change a ready one with `dataclasses.replace`.

    Attributes:
        name: what the cloud is called in messages.
        auth_url: its Keystone; default: from the environment or clouds.yaml, as all credentials.
        region: default: from the environment or clouds.yaml.
        external_network: name of the network that leads out and has the floating addresses.
        external_network_id: its id, which saves a look-up.
        flavors: its machine sizes by name; without any, sizes are named and not checked.
        images: images by our name for them ("ubuntu-24.04"), each with the name the cloud has for
            it; without any, names are not checked.
        zones: availability zones over which fixed machines are spread; with fewer than two, Nova
            chooses.
        credential: which credentials the cloud gives: `any`, or `application-credential` only.
        heat: whether it has Heat, which groups need, and its Keystone gives trusts to the
            credentials in use, which Heat needs (see docs/openstack.md); default False, as for all
            optional services.
        octavia: whether it has Octavia; without it the balancers share an entry's address.
        aodh: whether it has Aodh, and Ceilometer and Gnocchi that measure processors.
        measured_every: how often they do: the granularity of the metric `cpu` in Gnocchi. Default
            five minutes, as of Ceilometer's own archive policy.
        barbican: whether it has Barbican.
        designate: whether it has Designate.
        swift: whether it has Swift, or Ceph's gateway that answers as Swift does, which snapshots
            need.
        swift_role: the role that Swift asks of whoever reads and writes; default "member".
        soft_anti_affinity: whether Nova can keep machines on different hosts where it has enough
            hosts (compute API 2.15); default True.
        server_group_members: how many machines may be kept apart (Nova's quota of that name, 10
            unless the cloud raised it).
        volume_type: volume type of boot volumes of fixed machines; default: the cloud's own.
            Whether a disk is encrypted is a matter of its volume type (and of the hosts for disks
            that are no volumes): crossgate cannot ask for it otherwise.

    """

    name: Annotated[str, pydantic.Field(min_length=1)]
    auth_url: Annotated[str, pydantic.Field(pattern=r"^https?://\S+$")] | None = None
    region: str | None = None
    external_network: Annotated[str, pydantic.Field(min_length=1)] = "public"
    external_network_id: str | None = None
    flavors: Table[str, Flavor] = field(default_factory=dict)
    images: Table[str, str] = field(default_factory=dict)
    zones: Many[str] = ()
    credential: Literal["any", "application-credential"] = "any"
    heat: bool = False
    octavia: bool = False
    aodh: bool = False
    measured_every: Annotated[Duration, pydantic.Field(ge=timedelta(seconds=1))] = timedelta(
        minutes=5
    )
    barbican: bool = False
    designate: bool = False
    swift: bool = False
    swift_role: Annotated[str, pydantic.Field(min_length=1)] = "member"
    soft_anti_affinity: bool = True
    server_group_members: Annotated[int, pydantic.Field(ge=0)] = 10
    volume_type: str | None = None


# Flavors: docs.jetstream-cloud.org/general/instance-flavors; those that anybody has. Log-in, region
# and Keystone: docs.jetstream-cloud.org/ui/cli/auth. Of its featured images only the two that run
# our boot documents (apt) have a name of ours; it features no Debian. Its object store is Ceph's
# gateway, js2.jetstream-cloud.org:8001, which answers as Swift below /swift/v1.
JETSTREAM2 = OpenStackProfile(
    name="Jetstream2",
    auth_url="https://js2.jetstream-cloud.org:5000/v3/",
    region="IU",
    external_network="public",
    flavors={
        "m3.tiny": Flavor(cpu=1, memory=3, disk=20),
        "m3.small": Flavor(cpu=2, memory=6, disk=20),
        "m3.quad": Flavor(cpu=4, memory=15, disk=20),
        "m3.medium": Flavor(cpu=8, memory=30, disk=60),
        "m3.large": Flavor(cpu=16, memory=60, disk=60),
        "m3.xl": Flavor(cpu=32, memory=125, disk=60),
        "m3.2xl": Flavor(cpu=64, memory=250, disk=60),
    },
    images={"ubuntu-22.04": "Featured-Ubuntu22", "ubuntu-24.04": "Featured-Ubuntu24"},
    zones=("nova",),
    credential="application-credential",
    heat=True,
    octavia=True,
    designate=True,
    swift=True,
)
"""Jetstream2, the research cloud at Indiana University."""

# Flavors: `create_flavors` in lib/nova of opendev.org/openstack/devstack; region and external
# network: its stackrc. What it enables by itself is Nova, Neutron, Glance, Cinder and Placement.
DEVSTACK = OpenStackProfile(
    name="DevStack",
    region="RegionOne",
    external_network="public",
    flavors={
        "m1.tiny": Flavor(cpu=1, memory=0.5, disk=1),
        "m1.small": Flavor(cpu=1, memory=2, disk=20),
        "m1.medium": Flavor(cpu=2, memory=4, disk=40),
        "m1.large": Flavor(cpu=4, memory=8, disk=80),
        "m1.xlarge": Flavor(cpu=8, memory=16, disk=160),
    },
    zones=("nova",),
)
"""A plain DevStack: no Heat and no Octavia, which it has by its plug-ins only.

With `enable_plugin heat` and `enable_plugin octavia` in its local.conf:
`dataclasses.replace(DEVSTACK, heat=True, octavia=True, auth_url="http://HOST/identity/v3")`.
"""

PROFILES = {"devstack": DEVSTACK, "jetstream2": JETSTREAM2}
"""The ready profiles, by the name that a gateway file uses."""
