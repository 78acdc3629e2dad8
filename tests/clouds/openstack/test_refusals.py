from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from random import Random

import pytest

from crossgate.boot.document import Document, File
from crossgate.clouds.openstack import JETSTREAM2
from crossgate.model.capacity import Capacity
from crossgate.model.grant import Grant
from crossgate.model.machine import Machine
from crossgate.model.market import OnDemand, Spot
from crossgate.model.rollout import InstanceRefresh, Leave, ReplaceGroup
from crossgate.model.schedule import Scheduled
from crossgate.model.termination import Termination
from crossgate.model.warm_pool import WarmPool
from tests.clouds.openstack.ids import by_ids, entry_spec, group_spec

# What Nova counts is base64: three bytes become four.
LARGE = Document(
    label="api",
    files=[File("/opt/model", Random(1).randbytes(30_000).hex())],  # noqa: S311  # no secret
)
SLOW = InstanceRefresh(warmup=timedelta(hours=2))
MORNING = Scheduled("morning", at=time(7), time_zone="Europe/Berlin", minimum=4, maximum=8)

GRANTED = Machine(
    cpu=2,
    memory=4,
    grants=[Grant(actions=["s3:GetObject"], resources=["arn:aws:s3:::releases/*"])],
)
BOTH = Machine(cpu=2, memory=4, architecture=["arm64", "x86_64"])

REFUSED = [
    ({}, {"market": Spot()}, "Jetstream2 has no spot market"),
    ({}, {"market": Spot()}, "Spot(..., otherwise=OnDemand())"),
    ({"heat": False}, {}, "Jetstream2 has no Heat"),
    ({"heat": False}, {}, "leave the cloud out of the group's clouds="),
    ({}, {"machine": Machine(size=["m3.smal"])}, "want: m3.small"),
    ({}, {"machine": Machine(cpu=128, memory=4)}, "has no flavor that is large enough"),
    ({}, {"document": LARGE}, "want: at most 65,535 bytes"),
    ({}, {"document": LARGE}, "api: /opt/model (60,"),
    ({}, {"capacity": Capacity(2, 1000)}, "want: a maximum of 996"),
    (
        {},
        {"capacity": Capacity(2, 600), "rollout": ReplaceGroup()},
        "want: a maximum of 498: a rollout adds 498",
    ),
    ({}, {"capacity": Capacity(2, 900)}, "replacing all machines could take"),
    ({}, {"rollout": SLOW}, "got:  'warmup=2:00:00'"),
    ({}, {"capacity": Capacity(2, 6, scheduled=[MORNING])}, "Heat has no clock"),
    ({}, {"termination": Termination(policies=["newest-instance"])}, "removes its oldest machine"),
    ({}, {"termination": Termination(max_lifetime=timedelta(days=7))}, "no machine for its age"),
    ({}, {"capacity": Capacity(2, 6, warm=WarmPool())}, "Heat keeps no machines at rest"),
    ({}, {"capacity": Capacity(2, 6, warm=WarmPool())}, "leave warm= out for this cloud"),
    ({}, {"termination": Termination(protect=True)}, "Heat protects no machine"),
    ({}, {"rollout": InstanceRefresh(checkpoints=[0.5])}, "neither pauses nor listens"),
    ({}, {"rollout": Leave()}, "Heat replaces the members of a group whenever"),
    ({}, {"rollout": Leave()}, "rollout={aws: Leave()}"),
    ({}, {"rollout": ReplaceGroup(alarms=["errors"])}, "neither pauses nor listens"),
    ({}, {"rollout": InstanceRefresh(alarms=["errors"])}, "neither pauses nor listens"),
    ({"volume_type": "luks"}, {"machine": Machine(cpu=2, memory=4, disk=50)}, "boot volume of a"),
    ({}, {"machine": GRANTED}, "OpenStack gives machines no identity"),
    ({}, {"machine": GRANTED}, "machine={aws: Machine(..., grants=[...])}"),
    ({}, {"machine": BOTH}, "one image in OpenStack, and so one architecture"),
    ({}, {"machine": BOTH}, 'Machine(..., architecture="arm64")'),
    ({}, {"machine": Machine(size={"m3.small": 2})}, "Heat counts machines, whatever they weigh"),
    ({}, {"machine": Machine(size={"m3.small": 2})}, 'Machine(size=["m3.small"])'),
    ({}, {"tags": {"team": "a,b"}}, "cannot be a tag of OpenStack"),
    ({}, {"tags": {"team": "x" * 60}}, "at most 60 characters"),
]


@pytest.mark.parametrize(("lack", "changes", "message"), REFUSED)
def test_a_group_is_refused_with_the_way_out(stack, lack, changes, message):
    cloud = by_ids(stack, profile=replace(JETSTREAM2, **lack))
    (refusal,) = cloud.refusals(group_spec(**changes))
    assert message in str(refusal)


def test_spot_is_built_on_demand_where_the_user_says_so(stack):
    cloud = by_ids(stack)
    assert list(cloud.refusals(group_spec(market=Spot(otherwise=OnDemand())))) == []


def test_the_order_that_heat_has_anyway_is_accepted(stack):
    asked = Termination(policies=["oldest-instance"])
    assert list(by_ids(stack).refusals(group_spec(termination=asked))) == []


def test_all_reasons_are_given_at_once(stack):
    cloud = by_ids(stack, profile=replace(JETSTREAM2, heat=False))
    assert len(cloud.refusals(group_spec(market=Spot(), document=LARGE))) == 3


def test_what_the_cloud_can_do_is_not_refused(stack):
    cloud = by_ids(stack)
    assert list(cloud.refusals(group_spec())) == []
    assert list(cloud.refusals(entry_spec(cloud, stack))) == []
