"""Auto Scaling groups of a stack, followed until their instance refreshes are done, or undone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossgate.cli.aws.account import ERRORS, Account, sentence
from crossgate.cli.aws.refresh import (
    Group,
    Refresh,
    specifications,
    spoken,
    waits,
    way_back,
)
from crossgate.cli.following import Phase, Progress, UnansweredError

if TYPE_CHECKING:
    from crossgate.cli.aws.refresh import Back, Version
    from crossgate.cli.synthesized import Block, Cloud

_SUCCESSFUL = "Successful"
_STARTED_MEANWHILE = "(InstanceRefreshInProgress)"
"""Another deploy was quicker; what it has started is seen next."""


def rollouts(cloud: Cloud, blocks: Mapping[str, Block], *, rollback: bool) -> list[GroupRollout]:
    """Return the groups of a region, to be followed.

    Args:
        cloud: the region.
        blocks: the groups in the stack's JSON, by their names.
        rollback: whether one that fails goes back to the version that served.

    Raises:
        UnansweredError: there are no credentials, or AWS does not take them.

    """
    with _answered():
        account = Account(cloud.provider)
        account.identity()
        groups = Groups(account)
    return [
        GroupRollout(
            groups,
            cloud=cloud.name,
            name=name,
            deployed=bool(block.made),
            rollback=rollback,
        )
        for name, block in blocks.items()
    ]


class Groups:
    """The groups of a region and what is asked of them; what AWS refuses is an UnansweredError."""

    def __init__(self, account: Account) -> None:
        self.region = account.region
        self._client = account.client("autoscaling")
        self._ec2 = account.client("ec2")

    def group(self, name: str) -> Group | None:
        """Return a group; None: it is not there."""
        with _answered():
            asked = {"AutoScalingGroupNames": [name]}
            found = self._client.describe_auto_scaling_groups(**asked)["AutoScalingGroups"]
            for place in specifications(found[0]) if found else ():
                self._resolve(place)
        return Group.of(found[0]) if found else None

    def newest(self, name: str) -> Refresh | None:
        """Return the group's newest instance refresh; None: there is none of the last weeks."""
        with _answered():
            asked = {"AutoScalingGroupName": name}
            found = self._client.describe_instance_refreshes(**asked)["InstanceRefreshes"]
        return Refresh.of(found[0]) if found else None

    def start(self, name: str, back: Back) -> str:
        """Start the refresh that leads back, and return its id."""
        with _answered():
            started = self._client.start_instance_refresh(
                AutoScalingGroupName=name,
                Strategy="Rolling",
                DesiredConfiguration=back.desired,
                Preferences=back.preferences,
            )
        return str(started["InstanceRefreshId"])

    def _resolve(self, place: dict[str, Any]) -> None:
        """Put the number in the place of `$Latest` and `$Default`."""
        version = place.get("Version") or "$Default"
        if not version.startswith("$"):
            return
        found = self._ec2.describe_launch_template_versions(
            LaunchTemplateId=place["LaunchTemplateId"], Versions=[version]
        )
        place["Version"] = str(found["LaunchTemplateVersions"][0]["VersionNumber"])


@dataclass(frozen=True, kw_only=True)
class _Failed:
    """A refresh that failed, and the one that leads back from it."""

    why: str
    named: Mapping[str, str]
    back: Back
    id: str


class GroupRollout:
    """One group, followed.

    Args:
        groups: asks for it.
        cloud: the cloud's id in the stack.
        name: the group's name.
        deployed: whether Terraform's state knows it.
        rollback: whether it goes back to the version that served when it fails.

    """

    def __init__(
        self, groups: Groups, *, cloud: str, name: str, deployed: bool, rollback: bool
    ) -> None:
        self.cloud = cloud
        self.name = name
        self._groups = groups
        self._deployed = deployed
        self._rollback = rollback
        self._followed: str | None = None
        self._seen: Mapping[Version, int] = {}
        self._failed: _Failed | None = None

    def look(self) -> Progress:
        """Return how far it is; start the way back when it has failed."""
        group = self._groups.group(self.name)
        if group is None:
            return self._absent()
        refresh = self._groups.newest(self.name)
        if refresh is None:
            return Progress(phase=Phase.NOTHING, said="no instance refresh was started")
        if self._failed is not None and refresh.id == self._failed.id:
            return self._going_back(group, refresh, self._failed)
        if refresh.id != self._followed:
            # The first, or one that another deploy has started since.
            self._followed, self._seen, self._failed = refresh.id, group.serving, None
        if refresh.active:
            return Progress(
                phase=Phase.RUNNING,
                said=waits(group, refresh),
                percent=refresh.percent,
                left=refresh.left,
            )
        if refresh.status == _SUCCESSFUL:
            return Progress(
                phase=Phase.DONE,
                said=f"all machines run {spoken(group.named)}",
                percent=refresh.percent,
                left=0,
            )
        return self._fail(group, refresh)

    def _absent(self) -> Progress:
        if self._deployed:
            return Progress(
                phase=Phase.UNASKED,
                said=f"is in Terraform's state, and {self._groups.region} does not show it",
                do="take the credentials and the region that it was deployed with",
            )
        return Progress(phase=Phase.NOTHING, said="is not there yet")

    def _fail(self, group: Group, refresh: Refresh) -> Progress:
        ended = "was cancelled" if refresh.status == "Cancelled" else "failed"
        why = f"the instance refresh {ended}" + (f": {refresh.reason}" if refresh.reason else "")
        if refresh.desired and refresh.desired != group.named:
            return self._over(
                refresh,
                f"{why}; it was a way back itself, to {spoken(refresh.desired)}",
                f"mend the cause and `cdktf deploy`; {self._look_why()}",
            )
        back = way_back(group, refresh, self._seen)
        if back is None:
            return self._over(
                refresh,
                f"{why}; no machine of another version is left to go back to",
                f"mend the cause and `cdktf deploy`; {self._look_why()}",
            )
        if not self._rollback:
            return self._over(
                refresh,
                f"{why}; nothing is rolled back; there still serves {spoken(back.versions)}",
                "mend the cause and `cdktf deploy`, or go back: `crossgate rollout` without "
                f"--no-rollback; {self._look_why()}",
            )
        try:
            started = self._groups.start(self.name, back)
        except UnansweredError as error:
            if _STARTED_MEANWHILE in str(error):
                raise
            return self._over(
                refresh,
                f"{why}; the way back to {spoken(back.versions)} could not be started: {error}",
                f"start it with credentials that may; {self._look_why()}",
            )
        self._failed = _Failed(why=why, named=group.named, back=back, id=started)
        return Progress(
            phase=Phase.RUNNING,
            said=f"{why}; goes back to {spoken(back.versions)}",
            percent=0,
        )

    def _going_back(self, group: Group, refresh: Refresh, failed: _Failed) -> Progress:
        versions = spoken(failed.back.versions)
        if refresh.active:
            return Progress(
                phase=Phase.RUNNING,
                said=f"goes back to {versions}: {waits(group, refresh)}",
                percent=refresh.percent,
                left=refresh.left,
            )
        if refresh.status != _SUCCESSFUL:
            return self._over(
                refresh,
                f"{failed.why}; the way back to {versions} failed too: "
                f"{refresh.reason or refresh.status}",
                f"mend the cause and `cdktf deploy`; {self._look_why()}",
            )
        return self._over(
            refresh,
            f"{failed.why}; it was rolled back, and all machines run {versions} again",
            f"Terraform's state names {spoken(failed.named)}, which does not run. Mend the cause "
            "and `cdktf deploy`: that rolls forward. A deploy without a change would roll forward "
            f"to what failed; {self._look_why()}",
        )

    def _over(self, refresh: Refresh, said: str, do: str) -> Progress:
        return Progress(
            phase=Phase.FAILED, said=said, percent=refresh.percent, left=refresh.left, do=do
        )

    def _look_why(self) -> str:
        return (
            "what AWS did: aws autoscaling describe-scaling-activities --region "
            f"{self._groups.region} --auto-scaling-group-name {self.name}"
        )


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except ERRORS as error:
        raise UnansweredError(sentence(error)) from error
