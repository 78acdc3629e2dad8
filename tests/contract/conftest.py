"""One suite over every driver: a new one is added to the lists here and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from crossgate import (
    JETSTREAM2,
    Artifact,
    AwsCloud,
    ConsulServers,
    FabioNodes,
    HAProxyNodes,
    Host,
    InHouse,
    NullCloud,
    OpenStackCloud,
)

HOST_KEY = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBExample="

CLOUDS = {
    "null": lambda scope, name, network: NullCloud(scope, name, network=network),
    "aws": lambda scope, name, network: AwsCloud(
        scope,
        name,
        region="us-east-1",
        zones=["us-east-1a", "us-east-1b"],
        image="ami-0123456789abcdef0",
        root_device="/dev/xvda",
        network=network,
    ),
    "openstack": lambda scope, name, network: OpenStackCloud(
        scope,
        name,
        profile=JETSTREAM2,
        network=network,
        image="5f3c1d2e-8a4b-4c6d-9e7f-0a1b2c3d4e5f",
    ),
    "openstack without Octavia": lambda scope, name, network: OpenStackCloud(
        scope,
        name,
        profile=replace(JETSTREAM2, octavia=False),
        network=network,
        image="5f3c1d2e-8a4b-4c6d-9e7f-0a1b2c3d4e5f",
    ),
    "inhouse": lambda scope, name, network: InHouse(
        scope,
        name,
        hosts=[Host(f"10.20.0.{n}", cpu=4, memory=8, host_key=HOST_KEY) for n in range(11, 19)]
        if network.startswith("10.20.")
        else [Host("10.40.0.11", cpu=4, memory=8, host_key=HOST_KEY)],
        user="deploy",
        network=network,
    ),
}
DISCOVERIES = {"consul": ConsulServers}
PROGRAM = Artifact(url="https://mirror.example.org/fabio-1.7.2-linux_amd64", sha256="0" * 64)
BALANCERS = {"haproxy": HAProxyNodes, "fabio": partial(FabioNodes, program=PROGRAM)}


@pytest.fixture(params=CLOUDS)
def make_cloud(request):
    return CLOUDS[request.param]


@pytest.fixture
def cloud(make_cloud, stack):
    return make_cloud(stack, "first", "10.20.0.0/16")


@pytest.fixture(params=DISCOVERIES)
def make_discovery(request):
    return DISCOVERIES[request.param]


@pytest.fixture(params=BALANCERS)
def make_balancer(request):
    return BALANCERS[request.param]
