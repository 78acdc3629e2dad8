"""An Auto Scaling group in an emulator, made by boto3 alone."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.aws import Account

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
KIND = "t3.medium"
SECONDS = 20
ACTIVE = {"Pending", "InProgress", "Cancelling", "RollbackInProgress"}


class SmallGroup:
    """A group of two that runs version 1 of its template.

    Args:
        account: where.
        hooks: names of hooks, each with its transition and its timeout in seconds.
        mixed: whether it has a mixed instances policy.

    """

    def __init__(
        self,
        account: Account,
        *,
        hooks: Mapping[str, tuple[str, int]] | None = None,
        mixed: bool = False,
        size: int = 2,
    ) -> None:
        self.account = account
        self.name = f"small-{uuid.uuid4().hex[:8]}"
        self.ec2, self.client = account.client("ec2"), account.client("autoscaling")
        images = self.ec2.describe_images(Filters=[{"Name": "architecture", "Values": ["x86_64"]}])
        self._image = images["Images"][0]["ImageId"]
        made = self.ec2.create_launch_template(
            LaunchTemplateName=self.name, LaunchTemplateData=self._data()
        )
        self.template = made["LaunchTemplate"]["LaunchTemplateId"]
        self._mixed = mixed
        self.client.create_auto_scaling_group(
            AutoScalingGroupName=self.name,
            MinSize=size,
            MaxSize=size + 2,
            AvailabilityZones=["us-east-1a"],
            **self.launched_from("1"),
        )
        for hook, (transition, timeout) in (hooks or {}).items():
            self.client.put_lifecycle_hook(
                AutoScalingGroupName=self.name,
                LifecycleHookName=hook,
                LifecycleTransition=transition,
                HeartbeatTimeout=timeout,
            )

    def _data(self) -> dict[str, Any]:
        return {"ImageId": self._image, "InstanceType": KIND, "UserData": "YQ=="}

    def launched_from(self, version: str) -> dict[str, Any]:
        """Return what a group, or a refresh, is told to launch from."""
        template = {"LaunchTemplateId": self.template, "Version": version}
        if not self._mixed:
            return {"LaunchTemplate": template}
        return {
            "MixedInstancesPolicy": {
                "LaunchTemplate": {
                    "LaunchTemplateSpecification": template,
                    "Overrides": [{"InstanceType": KIND}, {"InstanceType": "t3a.medium"}],
                },
                "InstancesDistribution": {
                    "OnDemandBaseCapacity": 1,
                    "OnDemandPercentageAboveBaseCapacity": 0,
                },
            }
        }

    def new_version(self) -> str:
        """Make another version of the template and return its number."""
        made = self.ec2.create_launch_template_version(
            LaunchTemplateId=self.template, LaunchTemplateData=self._data()
        )
        return str(made["LaunchTemplateVersion"]["VersionNumber"])

    def name_version(self, version: str) -> None:
        """Have the group name a version, as Terraform does before it starts a refresh."""
        self.client.update_auto_scaling_group(
            AutoScalingGroupName=self.name, **self.launched_from(version)
        )

    def start(self, desired: Mapping[str, Any] | None = None, **preferences: Any) -> str:
        more = {"DesiredConfiguration": desired} if desired else {}
        preferences = {"SkipMatching": True, "MinHealthyPercentage": 100, **preferences}
        started = self.client.start_instance_refresh(
            AutoScalingGroupName=self.name, Preferences=preferences, **more
        )
        return str(started["InstanceRefreshId"])

    def deploy(self, **preferences: Any) -> str:
        """Do what the provider does with a changed template; return the new version."""
        version = self.new_version()
        self.name_version(version)
        self.start(**preferences)
        return version

    def refreshes(self) -> list[dict[str, Any]]:
        found = self.client.describe_instance_refreshes(AutoScalingGroupName=self.name)
        return list(found["InstanceRefreshes"])

    def described(self) -> dict[str, Any]:
        found = self.client.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])
        (group,) = found["AutoScalingGroups"]
        return dict(group)

    def named(self) -> str:
        """Return the version that the group names."""
        found = self.described()
        if self._mixed:
            found = found["MixedInstancesPolicy"]["LaunchTemplate"]
            return str(found["LaunchTemplateSpecification"]["Version"])
        return str(found["LaunchTemplate"]["Version"])

    def machines(self, state: str | None = None) -> list[dict[str, Any]]:
        return [
            one for one in self.described()["Instances"] if state in (None, one["LifecycleState"])
        ]

    def versions(self) -> dict[str, int]:
        """Return how many machines serve of each version."""
        return dict(Counter(one["LaunchTemplate"]["Version"] for one in self.machines("InService")))

    def answer(self, instance: str, hook: str, result: str = "CONTINUE") -> None:
        self.client.complete_lifecycle_action(
            AutoScalingGroupName=self.name,
            LifecycleHookName=hook,
            InstanceId=instance,
            LifecycleActionResult=result,
        )

    def until_ended(self) -> dict[str, Any]:
        """Return the newest refresh when it has ended."""
        end = time.monotonic() + SECONDS
        while (found := self.refreshes()[0])["Status"] in ACTIVE:
            assert time.monotonic() < end, found
        return found

    def until_serving(self, versions: Mapping[str, int]) -> None:
        """Return when so many machines serve of each version."""
        end = time.monotonic() + SECONDS
        while (found := self.versions()) != versions:
            assert time.monotonic() < end, found

    def until_in(self, state: str) -> str:
        """Return the id of a machine when one is in that state."""
        end = time.monotonic() + SECONDS
        while not (found := self.machines(state)):
            assert time.monotonic() < end, self.refreshes()[0]
        return str(found[0]["InstanceId"])
