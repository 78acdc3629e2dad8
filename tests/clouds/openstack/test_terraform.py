"""Whole stacks, against the schemas of both provider versions and the real older provider."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Network

import pytest

from crossgate.clouds.openstack import (
    JETSTREAM2,
    ExistingNetwork,
    NetworkByName,
    OwnNetwork,
)
from crossgate.model.machine import Image, Machine
from crossgate.model.net import Ports
from crossgate.model.rollout import InstanceRefresh
from crossgate.specs import Archive, Ingress, MachinesSpec, NameSpec
from crossgate.terraform.engine import Construct
from tests.clouds.openstack.ids import DOCUMENT, by_ids, entry_spec, group_spec, machines_spec
from tests.terraform.conformity import nonconforming, schemas
from tools.toolbox import environment, program, run

LOOKED_UP = {
    "external_network_id": None,
    "image": Image(name="debian-12"),
    "network": NetworkByName("corp", subnet="machines"),
}
VARIANTS = {
    "own network": {},
    "own network, all said": {
        "network": OwnNetwork(
            "10.30.0.0/16",
            subnet="10.30.1.0/24",
            dns=["9.9.9.9"],
            first="10.30.1.10",
            last="10.30.1.200",
        ),
        "key_pair": "ops",
        "tags": {"team": "edge"},
        "cloud": "js2",
        "profile": replace(JETSTREAM2, zones=["a", "b"]),
    },
    "existing network": {
        "network": ExistingNetwork(network_id="net-1", subnet_id="sub-1", cidr="10.9.0.0/24")
    },
    "looked up": LOOKED_UP,
    "without Octavia": {"profile": replace(JETSTREAM2, octavia=False)},
}


def whole(stack, **changes):
    """Build one of everything, with disks on the flavor and on volumes."""
    cloud = by_ids(stack, **changes)
    spec = entry_spec(cloud, stack, proxied=(9001,) if cloud.profile.octavia else ())
    own = spec.reservation.firewalls[0]
    entry = cloud.entry(stack, "entry", spec)
    entry.allow(IPv4Network("198.51.100.0/24"), 9000)
    name = NameSpec(
        name="api.example.org",
        entries={"nova": entry.addresses},
        port=9000,
        weights={"nova": 1},
        ttl=30,
    )
    # A plan that needs no cloud looks nothing up.
    found = None if "image" in changes else "7a1c"
    cloud.zone("example.org", zone_id=found).lead(stack, "name", name)
    own.allow(Ingress(peer=own, ports=Ports(first=8301, last=8301, transport="udp"), why="gossip"))
    edge = MachinesSpec(
        name="test-edge",
        machine=Machine(cpu=2, memory=4, disk=40),
        document=DOCUMENT,
        firewalls=(own,),
        count=2,
        reservation=spec.reservation,
        entry=entry,
        rollout=InstanceRefresh(min_healthy=0.0, max_healthy=1.0),
    )
    cloud.machines(stack, "edge", edge)
    part = Construct(stack, "part")
    archive = Archive(
        name="test-servers",
        keep=timedelta(days=14),
        program=("/usr/bin/python3", "/opt/archive.py", "/etc/archive.json"),
    )
    servers = machines_spec(cloud, part, name="test-servers")
    cloud.machines(part, "servers", replace(servers, archive=archive))
    group = group_spec(cloud, stack, machine=Machine(cpu=8, memory=4, disk=80), tags={"a": "b"})
    cloud.group(stack, "group", group)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_block_conforms_to_both_versions(stack, synth, variant):
    whole(stack, **VARIANTS[variant])
    made = synth()
    known = schemas()
    assert {"openstack-1.54.1", "openstack-3.4.0"} <= set(known)
    assert nonconforming(made, known) == []


@pytest.mark.terraform
@pytest.mark.parametrize("octavia", [True, False], ids=["Octavia", "shared address"])
def test_the_real_provider_validates_and_plans_it_without_a_cloud(stack, app, tmp_path, octavia):
    whole(stack, profile=replace(JETSTREAM2, octavia=octavia))
    app.synth()
    folder = tmp_path / "cdktf.out" / "stacks" / "test"

    def terraform(*words):
        return run([program("terraform"), *words], cwd=folder, env=environment(), do="see above")

    terraform("init", "-input=false")
    found = json.loads(terraform("validate", "-json"))
    assert found["valid"] is True
    assert found["error_count"] == 0
    terraform("plan", "-input=false", "-lock=false", "-out=plan")
    plan = json.loads(terraform("show", "-json", "plan"))
    changes = [change["change"]["actions"] for change in plan["resource_changes"]]
    assert changes
    assert all(actions == ["create"] for actions in changes)
