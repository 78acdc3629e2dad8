"""Instance refreshes of a group as values: how far one is, and the way back when it fails."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

_ALL = 100
_ACTIVE = ("Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking")
_KEPT = (
    "MinHealthyPercentage",
    "MaxHealthyPercentage",
    "InstanceWarmup",
    "ScaleInProtectedInstances",
    "StandbyInstances",
)
"""Preferences that the way back has too. Checkpoints would make it pause, and an alarm that rings
would end it."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version of a launch template: its id, and the number as the API writes it."""

    template: str
    number: str


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine of a group.

    Attributes:
        id: its id.
        state: where it is in its life, in the API's words.
        healthy: whether the group takes it for healthy.
        version: what it was launched from; None: not from a launch template.

    """

    id: str
    state: str
    healthy: bool
    version: Version | None

    @property
    def serves(self) -> bool:
        """Whether it counts."""
        return self.healthy and self.state == "InService"


@dataclass(frozen=True, kw_only=True)
class Group:
    """An Auto Scaling group.

    Attributes:
        name: its name.
        template: what it launches from; None: a mixed instances policy says it, or a launch
            configuration.
        policy: its mixed instances policy, as the API has it; None: it has none.
        machines: those that there are.

    """

    name: str
    template: Version | None = None
    policy: Mapping[str, Any] | None = None
    machines: Sequence[Machine] = ()

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Group:
        """Return what DescribeAutoScalingGroups shows of one."""
        policy = found.get("MixedInstancesPolicy")
        named = found.get("LaunchTemplate")
        return cls(
            name=found["AutoScalingGroupName"],
            template=_version(named) if named and not policy else None,
            policy=policy,
            machines=[
                Machine(
                    id=one["InstanceId"],
                    state=one["LifecycleState"],
                    healthy=one["HealthStatus"].lower() == "healthy",
                    version=_version(one["LaunchTemplate"]) if "LaunchTemplate" in one else None,
                )
                for one in found["Instances"]
            ],
        )

    @property
    def named(self) -> dict[str, str]:
        """The version that it names of each of its templates, by the template's id."""
        if self.policy is None:
            return {self.template.template: self.template.number} if self.template else {}
        return {one.template: one.number for one in map(_version, _templates(self.policy))}

    @property
    def serving(self) -> Counter[Version]:
        """How many machines serve of each version."""
        return Counter(one.version for one in self.machines if one.serves and one.version)


@dataclass(frozen=True, kw_only=True)
class Refresh:
    """An instance refresh.

    Attributes:
        id: its id.
        status: the API's word for how it is.
        reason: why, in the API's words; empty: it says nothing.
        percent: how much is done.
        left: machines that are still to be replaced.
        desired: the versions that it replaces by, by the template's id; empty: those that the group
            names.
        preferences: as the API has them.

    """

    id: str
    status: str
    reason: str = ""
    percent: int = 0
    left: int | None = None
    desired: Mapping[str, str] = field(default_factory=dict)
    preferences: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Refresh:
        """Return what DescribeInstanceRefreshes shows of one."""
        back = found.get("RollbackDetails") or {}
        desired = found.get("DesiredConfiguration") or {}
        named = [desired["LaunchTemplate"]] if "LaunchTemplate" in desired else []
        if "MixedInstancesPolicy" in desired:
            named = list(_templates(desired["MixedInstancesPolicy"]))
        return cls(
            id=found["InstanceRefreshId"],
            status=found["Status"],
            reason=found.get("StatusReason") or back.get("RollbackReason") or "",
            percent=found.get("PercentageComplete") or 0,
            left=found.get("InstancesToUpdate"),
            desired={one.template: one.number for one in map(_version, named)},
            preferences=found.get("Preferences") or {},
        )

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.status in _ACTIVE


@dataclass(frozen=True, kw_only=True)
class Back:
    """The way back from a refresh that failed.

    Attributes:
        versions: the versions that served, by the template's id.
        desired: DesiredConfiguration of the refresh that leads there.
        preferences: of the same.

    """

    versions: Mapping[str, str]
    desired: Mapping[str, Any]
    preferences: Mapping[str, Any]

    def __str__(self) -> str:
        """Say which versions."""
        return spoken(self.versions)


def way_back(group: Group, failed: Refresh, seen: Mapping[Version, int]) -> Back | None:
    """Return how to get back to the version that served; None: none of its machines is left.

    AWS's own rollback leads to what the group names, and Terraform has had it name the new version
    before the refresh began (provider-aws issues 42355, 34189). What served is what most of the
    machines ran that are not of the version that failed.

    Args:
        group: as it is now.
        failed: the refresh that failed.
        seen: how many machines served of each version when following began.

    """
    wrong = failed.desired or group.named
    served = {one: n for one, n in group.serving.items() if wrong.get(one.template) != one.number}
    if not served:
        return None

    def rank(one: Version) -> tuple[int, int, int]:
        # Where as many ran of two, the older has served longer.
        return seen.get(one, 0), served[one], -int(one.number)

    ranked = sorted(served, key=rank)
    best = {one.template: one.number for one in ranked}
    kept = {name: failed.preferences[name] for name in _KEPT if name in failed.preferences}
    preferences = {**kept, "SkipMatching": True}
    if group.policy is None:
        template, number = ranked[-1].template, ranked[-1].number
        desired: dict[str, Any] = {
            "LaunchTemplate": {"LaunchTemplateId": template, "Version": number}
        }
        return Back(versions={template: number}, desired=desired, preferences=preferences)
    policy = copy.deepcopy(dict(group.policy))
    places = list(_templates(policy))
    if not best.keys() & group.named.keys():  # a template that was replaced by another
        places[0]["LaunchTemplateId"] = ranked[-1].template
    for place in places:
        named = _version(place)
        # The API takes an id or a name, and shows both.
        place.clear()
        place["LaunchTemplateId"] = named.template
        place["Version"] = best.get(named.template, named.number)
    versions = {one.template: one.number for one in map(_version, places)}
    return Back(
        versions=versions, desired={"MixedInstancesPolicy": policy}, preferences=preferences
    )


def waits(group: Group, refresh: Refresh) -> str:
    """Return what an active refresh does, or what it waits for, in words."""
    if refresh.status == "Pending":
        return "is about to begin"
    parts = []
    if refresh.status == "Baking":
        parts.append("all are replaced; AWS looks at them before it calls it done")
    elif refresh.status == "Cancelling":
        parts.append("is being cancelled")
    elif refresh.status == "RollbackInProgress":
        parts.append(f"AWS rolls back to {spoken(group.named)}, which the group names")
    arriving = [one.id for one in group.machines if one.state == "Pending:Wait"]
    leaving = [one.id for one in group.machines if one.state.startswith("Terminating")]
    if arriving:
        parts.append(f"waits for {', '.join(arriving)} to say that it is ready")
    if leaving:
        parts.append(f"waits for {', '.join(leaving)} to leave")
    if not arriving and not leaving and (pause := _pause(group, refresh)):
        parts.append(pause)
    if refresh.reason:
        parts.append(refresh.reason)
    return "; ".join(parts) or "replaces machines"


def spoken(versions: Mapping[str, str]) -> str:
    """Return versions in words: `version 3 of lt-1`."""
    return " and ".join(f"version {number} of {name}" for name, number in versions.items())


def _pause(group: Group, refresh: Refresh) -> str | None:
    """Return that it pauses, when the last machine has taken it over a checkpoint."""
    step = _ALL / max(1, len(group.machines))
    reached = [
        percent
        for percent in refresh.preferences.get("CheckpointPercentages") or ()
        if percent <= refresh.percent < min(_ALL, percent + step)
    ]
    if not reached or refresh.percent == _ALL:
        return None
    delay = timedelta(seconds=refresh.preferences.get("CheckpointDelay") or 0)
    return (
        f"pauses at its checkpoint of {max(reached)} % for {delay} (h:mm:ss), then goes on by "
        "itself"
    )


def specifications(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each place where a group, as the API shows it, names a version."""
    if policy := found.get("MixedInstancesPolicy"):
        yield from _templates(policy)
    elif named := found.get("LaunchTemplate"):
        yield named


def _templates(policy: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what a mixed instances policy launches from: its template, then those of its types."""
    template = policy["LaunchTemplate"]
    yield template["LaunchTemplateSpecification"]
    for override in template.get("Overrides") or ():
        if "LaunchTemplateSpecification" in override:
            yield override["LaunchTemplateSpecification"]


def _version(specification: Mapping[str, Any]) -> Version:
    return Version(
        # A refresh shows what it was given, which may be the name.
        template=specification.get("LaunchTemplateId") or specification["LaunchTemplateName"],
        number=str(specification.get("Version") or "$Default"),
    )
