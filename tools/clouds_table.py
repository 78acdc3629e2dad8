"""Write docs/clouds.md: what each cloud does, as it says itself (part of `make bindings`).

Each feature is asked of each cloud as a construct would ask it, and what is refused is the table.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import time, timedelta
from typing import TYPE_CHECKING, Any

from crossgate import (
    JETSTREAM2,
    App,
    AwsCloud,
    Capacity,
    Document,
    Grant,
    Healing,
    Health,
    Host,
    InHouse,
    InstanceRefresh,
    Leave,
    Machine,
    OnDemand,
    OpenStackCloud,
    ReplaceGroup,
    Scaling,
    Scheduled,
    Spot,
    Step,
    Steps,
    Termination,
    TerraformStack,
    WarmPool,
)
from crossgate.specs import GroupSpec, ScalingSpec, Watch
from tools.toolbox import ROOT

if TYPE_CHECKING:
    from crossgate.contracts import Cloud
    from crossgate.errors import RefusedError
    from crossgate.model.scaling import Rule

TARGET = ROOT / "docs" / "clouds.md"

_KEY = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBExample="
_ID = "0b6f4d4c-6c1e-4d2a-9a3e-1f0c5b8d7e21"
_SPOT = Spot(on_demand_base=1)
_NIGHT = Scheduled("night", at=time(22), time_zone="Europe/Berlin", minimum=1, maximum=3)
_RANGE = Capacity(2, 6)


@dataclass(frozen=True)
class Feature:
    """What may be asked of a group.

    Attributes:
        said: how it is written.
        changes: what it changes of a plain group.
        scaling: what the group's size follows.

    """

    said: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    scaling: Rule | None = None


FEATURES: Mapping[str, Sequence[Feature]] = {
    "Size": [
        Feature("`Capacity(2)`"),
        Feature("`Capacity(2, 6)`", {"capacity": _RANGE}),
        Feature("`Capacity(scheduled=[...])`", {"capacity": replace(_RANGE, scheduled=[_NIGHT])}),
        Feature("`Capacity(warm=WarmPool())`", {"capacity": replace(_RANGE, warm=WarmPool())}),
    ],
    "Scaling": [
        Feature("`scale_on_cpu`", {"capacity": _RANGE}, Scaling(on="cpu", target=0.6)),
        Feature(
            "`scale_on_connections`", {"capacity": _RANGE}, Scaling(on="connections", target=200)
        ),
        Feature("`scale_on_queue`", {"capacity": _RANGE}, Scaling(on="queue", target=5)),
        Feature(
            "`Steps` of connections",
            {"capacity": _RANGE},
            Steps(on="connections", steps=[Step(at_least=200, add=1), Step(at_most=20, remove=1)]),
        ),
        Feature(
            "`Steps` of processors",
            {"capacity": _RANGE},
            Steps(on="cpu", steps=[Step(at_least=0.8, add=1), Step(at_most=0.1, remove=1)]),
        ),
    ],
    "Market": [
        Feature("`OnDemand()`", {"market": OnDemand()}),
        Feature("`Spot(...)`", {"market": _SPOT}),
        Feature(
            "`Spot(..., otherwise=OnDemand())`", {"market": replace(_SPOT, otherwise=OnDemand())}
        ),
    ],
    "Machine": [
        Feature("`Machine(cpu=2, memory=4)`"),
        Feature(
            '`architecture=["arm64", "x86_64"]`',
            {"machine": Machine(cpu=2, memory=4, architecture=["arm64", "x86_64"])},
        ),
        Feature(
            "`grants=[Grant(...)]`",
            {
                "machine": Machine(
                    cpu=2,
                    memory=4,
                    grants=[Grant(actions=["s3:GetObject"], resources=["arn:aws:s3:::a/*"])],
                )
            },
        ),
    ],
    "Rollout": [
        Feature("`InstanceRefresh()`"),
        Feature("... with `checkpoints`", {"rollout": InstanceRefresh(checkpoints=[0.5])}),
        Feature("... with `alarms`", {"rollout": InstanceRefresh(alarms=["errors"])}),
        Feature("`ReplaceGroup()`", {"rollout": ReplaceGroup()}),
        Feature("`Leave()`", {"rollout": Leave()}),
    ],
    "Health and end": [
        Feature("`Health(unfit=...)`", {"health": Health(unfit=timedelta(minutes=5))}),
        Feature(
            '`Termination(policies=["newest-instance"])`',
            {"termination": Termination(policies=["newest-instance"])},
        ),
        Feature(
            "`Termination(max_lifetime=...)`",
            {"termination": Termination(max_lifetime=timedelta(days=30))},
        ),
        Feature("`Termination(protect=True)`", {"termination": Termination(protect=True)}),
    ],
}

_HEAD = """\
# What each cloud does for a group

Made by asking the clouds: what is refused here is refused while a program runs, in these words and
with the way out. OpenStack is Jetstream2; what other profiles have: [openstack.md](openstack.md).
"""


def clouds(stack: TerraformStack) -> Mapping[str, Cloud]:
    """Return one of each kind, by what the table calls it."""
    return {
        "AWS": AwsCloud(
            stack,
            "aws",
            region="us-east-1",
            zones=["us-east-1a", "us-east-1b"],
            image={"x86_64": "ami-0123456789abcdef0", "arm64": "ami-0123456789abcdef1"},
            root_device="/dev/xvda",
            balancer_metrics=True,
        ),
        "OpenStack": OpenStackCloud(
            stack,
            "nova",
            profile=JETSTREAM2,
            image=_ID,
            network="10.30.0.0/16",
            external_network_id=_ID,
            healing=Healing(),
        ),
        "in-house": InHouse(
            stack,
            "rack",
            hosts=[Host(f"10.0.0.{n}", cpu=4, memory=8, host_key=_KEY) for n in range(11, 15)],
            user="deploy",
        ),
    }


def asked(cloud: Cloud, feature: Feature) -> Sequence[RefusedError]:
    """Return what a cloud refuses of a feature.

    Where a group of a range is refused already, that is what there is to say of what it follows.
    """
    document = Document(label="api", packages=("curl",))
    watch = Watch(cluster="consul", program=("/usr/bin/watch",), document=document)
    group = GroupSpec(
        name="api",
        machine=Machine(cpu=2, memory=4),
        document=document,
        firewalls=(),
        capacity=Capacity(2),
        watch=watch,
        service="api",
        max_connections=100,
    )
    group = replace(group, **feature.changes)
    refused = cloud.refusals(group)
    if refused or feature.scaling is None:
        return refused
    return cloud.refusals(ScalingSpec(group=group, id="${local.group}", scaling=feature.scaling))


def _rows(found: Mapping[str, Cloud]) -> Iterator[str]:
    for title, features in FEATURES.items():
        yield f"\n## {title}\n"
        yield f"| | {' | '.join(found)} |"
        yield "|---|" + "---|" * len(found)
        for feature in features:
            cells = [
                "; ".join(refusal.what for refusal in asked(cloud, feature)) or "yes"
                for cloud in found.values()
            ]
            yield f"| {feature.said} | {' | '.join(cells)} |"


def text() -> str:
    """Return the page."""
    with tempfile.TemporaryDirectory() as folder:
        stack = TerraformStack(App(outdir=folder), "asked")
        return _HEAD + "\n".join(_rows(clouds(stack))) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
