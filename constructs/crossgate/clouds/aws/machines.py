"""Launch templates and Auto Scaling groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossgate.boot import cloud_init
from crossgate.clouds.aws import lifecycle, limits, mixture, secrets, warm_pool
from crossgate.clouds.aws.bindings.autoscaling import AutoscalingGroup, AutoscalingSchedule
from crossgate.clouds.aws.bindings.compute import LaunchTemplate
from crossgate.clouds.aws.bindings.iam import IamInstanceProfile
from crossgate.clouds.aws.catalogue import architecture_of
from crossgate.clouds.aws.entry import AwsEntry
from crossgate.clouds.aws.identity import instance_profile
from crossgate.clouds.aws.images import image_of
from crossgate.clouds.aws.metrics import IN_SERVICE
from crossgate.model.health import Health
from crossgate.model.market import Spot
from crossgate.model.names import shortened
from crossgate.model.schedule import WEEK
from crossgate.model.termination import Termination
from crossgate.model.units import whole_seconds
from crossgate.specs import GroupSpec, MachinesSpec, Tagged
from crossgate.terraform.engine import path_of
from crossgate.terraform.locals import local_text

if TYPE_CHECKING:
    from crossgate.clouds.aws.bindings.autoscaling import (
        AutoscalingGroupPreferences,
    )
    from crossgate.clouds.aws.cloud import AwsCloud
    from crossgate.clouds.aws.firewall import AwsFirewall
    from crossgate.model.machine import Architecture
    from crossgate.model.rollout import InstanceRefresh, Rollout
    from crossgate.model.schedule import Scheduled
    from crossgate.model.warm_pool import WarmPool
    from crossgate.terraform.engine import Construct

SPOT_CHOICES = 4
"""Instance types that a spot group chooses among when a machine is described by its need."""

CLUSTER_TAG = "crossgate-cluster"
"""The tag by which members of a cluster find each other."""

_AS_AWS_HAS_IT = Termination()
_USUAL_HEALTH = Health()
_AS_IT_IS = -1
_DAY_NUMBERS = {day: (number + 1) % 7 for number, day in enumerate(WEEK)}
"""Of cron, whose week begins with Sunday, 0."""

_LEAST_HEALTHY = 100
_MOST_HEALTHY = 110


@dataclass(frozen=True, kw_only=True)
class AwsReservation:
    """A cluster's tag: machines that carry it are its members."""

    cloud: AwsCloud
    name: str
    count: int
    firewalls: Sequence[AwsFirewall]

    @property
    def join(self) -> Tagged:
        """Look for machines with the cluster's tag."""
        return Tagged(
            provider="aws",
            settings={
                "region": self.cloud.region,
                "tag_key": CLUSTER_TAG,
                "tag_value": self.name,
            },
        )


def group(cloud: AwsCloud, scope: Construct, spec: GroupSpec) -> str:
    """Make a group that grows and shrinks between its bounds; returns a token of its name."""
    built = _Group(cloud, scope, spec)
    return built.make(
        least=spec.capacity.minimum,
        most=spec.capacity.most,
        rollout=spec.rollout,
        spot=spec.market if isinstance(spec.market, Spot) else None,
        termination=spec.termination,
        scheduled=spec.capacity.scheduled,
        health=spec.health,
        warm=spec.capacity.warm,
    )


def fixed(cloud: AwsCloud, scope: Construct, spec: MachinesSpec) -> str:
    """Make a group that always has the same size; returns a token of its name."""
    cluster = cloud.own_reservation(spec.reservation).name
    built = _Group(cloud, scope, spec, more_tags={CLUSTER_TAG: cluster})
    return built.make(least=spec.count, most=spec.count, rollout=spec.rollout, entry=spec.entry)


class _Group:
    """A launch template for each architecture, and the group that uses their newest versions."""

    def __init__(
        self,
        cloud: AwsCloud,
        scope: Construct,
        spec: GroupSpec | MachinesSpec,
        more_tags: Mapping[str, str] | None = None,
    ) -> None:
        self._cloud = cloud
        self._scope = scope
        self._spec = spec
        self._tags = {"Name": spec.name, **cloud.tags, **spec.tags, **(more_tags or {})}
        self._types = cloud.instance_types(spec)
        kept = secrets.kept(cloud, scope, spec)
        self._profile = instance_profile(cloud, scope, spec, kept.secret)
        self._document = local_text(scope, "document", cloud_init.render(kept.document))
        first, *others = spec.machine.architectures
        self._templates = {first: self._launch_template(first)} | {
            other: self._launch_template(other, f"-{other}") for other in others
        }

    def make(
        self,
        *,
        least: int,
        most: int,
        rollout: Rollout,
        spot: Spot | None = None,
        termination: Termination = _AS_AWS_HAS_IT,
        scheduled: Sequence[Scheduled] = (),
        health: Health = _USUAL_HEALTH,
        warm: WarmPool | None = None,
        entry: object = None,
    ) -> str:
        cloud, spec = self._cloud, self._spec
        template = next(iter(self._templates.values()))
        mixed = mixture.is_mixed(spec.machine, self._types, spot)
        name = cloud.names.take(
            "Auto Scaling group", lifecycle.group_name(spec), path_of(self._scope)
        )
        made = AutoscalingGroup(
            self._scope,
            "group",
            name=name,
            min_size=least,
            max_size=most,
            initial_lifecycle_hook=lifecycle.hooks(spec) or None,
            wait_for_capacity_timeout=lifecycle.capacity_timeout(spec),
            vpc_zone_identifier=cloud.placement.private,
            launch_template=None
            if mixed
            else {"id": LaunchTemplate.id.of(template), "version": mixture.version(template)},
            mixed_instances_policy=mixture.policy(self._templates, self._types, spec.machine, spot)
            if mixed
            else None,
            capacity_rebalance=True if spot else None,
            # EC2's own checks are always there.
            health_check_type="EBS,ELB" if isinstance(entry, AwsEntry) else "EBS",
            health_check_grace_period=whole_seconds(health.grace),
            target_group_arns=entry.target_groups if isinstance(entry, AwsEntry) else None,
            instance_maintenance_policy={
                "min_healthy_percentage": _LEAST_HEALTHY,
                "max_healthy_percentage": _MOST_HEALTHY,
            },
            instance_refresh={
                "strategy": "Rolling",
                "preferences": _preferences(rollout.refresh, protect=termination.protect),
            }
            if rollout.refresh
            else None,
            warm_pool=warm_pool.pool(warm) if warm else None,
            protect_from_scale_in=True if termination.protect else None,
            # Without a charge; what scales by a figure for each machine divides by it.
            enabled_metrics=[IN_SERVICE] if least < most else None,
            max_instance_lifetime=whole_seconds(termination.max_lifetime)
            if termination.max_lifetime
            else None,
            termination_policies=[_camel(policy) for policy in termination.policies] or None,
            tag=[
                {"key": key, "value": value, "propagate_at_launch": True}
                for key, value in sorted(self._tags.items())
            ],
            # A machine that starts before its way out is there cannot install anything, and
            # cloud-init does not try again. None is ready before those that say who is.
            depends_on=[*cloud.placement.ready, *self._heart()],
            # What a schedule made of the bounds is no drift: a deploy at night would bring the
            # machines of the day back.
            lifecycle={"ignore_changes": ["min_size", "max_size"]} if scheduled else None,
            provider=cloud.provider,
        )
        for one in scheduled:
            self._schedule(made, one)
        if isinstance(spec, MachinesSpec) and spec.watch is not None:
            cloud.hearts[spec.watch.cluster] = made
        return made.name

    def _heart(self) -> list[AutoscalingGroup]:
        """Return the machines of the discovery that watches those of a group."""
        spec = self._spec
        if isinstance(spec, MachinesSpec) or spec.watch is None:
            return []
        return [made] if (made := self._cloud.hearts.get(spec.watch.cluster)) else []

    def _schedule(self, group: AutoscalingGroup, scheduled: Scheduled) -> None:
        days = ",".join(str(_DAY_NUMBERS[day]) for day in scheduled.days)
        AutoscalingSchedule(
            self._scope,
            f"at-{scheduled.name}",
            scheduled_action_name=scheduled.name,
            autoscaling_group_name=group.name,
            recurrence=f"{scheduled.at.minute} {scheduled.at.hour} * * "
            f"{'*' if len(scheduled.days) == len(WEEK) else days}",
            time_zone=scheduled.time_zone,
            min_size=scheduled.minimum,
            max_size=scheduled.most,
            # The provider takes what is left out for 0, and -1 for no change.
            desired_capacity=_AS_IT_IS if scheduled.desired is None else scheduled.desired,
            provider=self._cloud.provider,
        )

    def _launch_template(self, architecture: Architecture, suffix: str = "") -> LaunchTemplate:
        cloud, spec = self._cloud, self._spec
        image, root_device = image_of(cloud, self._scope, architecture, f"image{suffix}")
        firewalls = cloud.own_firewalls(spec.firewalls)
        name = cloud.names.take(
            "launch template",
            shortened(f"{spec.name}{suffix}", limits.TEMPLATE_NAME),
            path_of(self._scope),
        )
        user_data = f"base64gzip({self._document})"
        return LaunchTemplate(
            self._scope,
            f"template{suffix}",
            name=name,
            image_id=image,
            instance_type=next(
                name for name in self._types if architecture_of(name) == architecture
            ),
            key_name=cloud.key_pair,
            update_default_version=True,
            user_data=f"${{{user_data}}}",
            vpc_security_group_ids=[firewall.id for firewall in firewalls],
            iam_instance_profile={"arn": IamInstanceProfile.arn.of(self._profile)},
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
            },
            hibernation_options={"configured": True} if warm_pool.hibernates(spec) else None,
            monitoring={"enabled": True} if cloud.settings.detailed_monitoring else None,
            block_device_mappings=[
                {
                    "device_name": root_device,
                    "ebs": {
                        "volume_size": spec.machine.disk,
                        "volume_type": "gp3",
                        "encrypted": "true",
                        "kms_key_id": cloud.settings.disk_key,
                        "delete_on_termination": "true",
                    },
                }
            ],
            tag_specifications=[
                {"resource_type": kind, "tags": self._tags} for kind in ("instance", "volume")
            ],
            tags={"Name": spec.name, **spec.tags},
            # What only Terraform knows has taken an estimated room until now.
            lifecycle={
                "precondition": [
                    {
                        "condition": f"${{length({user_data}) <= {limits.USER_DATA_LETTERS}}}",
                        "error_message": f"The boot document of {path_of(self._scope)} takes more "
                        f"than the {limits.USER_DATA_BYTES:,} bytes that EC2 accepts. Fetch large "
                        "files when the machine starts instead.",
                    }
                ]
            },
            provider=cloud.provider,
        )


def _preferences(refresh: InstanceRefresh, *, protect: bool) -> AutoscalingGroupPreferences:
    found: AutoscalingGroupPreferences = {
        "min_healthy_percentage": round(refresh.min_healthy * 100),
        "max_healthy_percentage": round(refresh.max_healthy * 100),
        "instance_warmup": str(whole_seconds(refresh.warmup)),
        "skip_matching": True,
    }
    if refresh.checkpoints:
        # Without the last one AWS would stop at the one before, for ever.
        found["checkpoint_percentages"] = [*(round(s * 100) for s in refresh.checkpoints), 100]
        found["checkpoint_delay"] = str(whole_seconds(refresh.checkpoint_delay))
    if protect:
        # The provider's default leaves protected machines as they are, and none would be changed.
        found["scale_in_protected_instances"] = "Refresh"
    if refresh.alarms:
        found["alarm_specification"] = {"alarms": list(refresh.alarms)}
    return found


def _camel(policy: str) -> str:
    """Return the API's word for a policy: `oldest-instance` is `OldestInstance`."""
    return "".join(word.capitalize() for word in policy.split("-"))
