"""The rollouts of a synthesized stack: found, begun to be followed, and told as data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from crossgate.cli import aws, openstack
from crossgate.cli.following import Progress, Rollout, UnansweredError, ended
from crossgate.errors import ToolError

if TYPE_CHECKING:
    from crossgate.cli.synthesized import Block, Cloud

_KINDS = {"aws": "aws_autoscaling_group", "openstack": "openstack_orchestration_stack_v1"}
"""What is followed, by provider."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """What can be followed, and what cannot.

    Attributes:
        rollouts: what can.
        unasked: why clouds could not be asked, by their ids.

    """

    rollouts: Sequence[Rollout]
    unasked: Mapping[str, str]


def begin(clouds: Sequence[Cloud], groups: Sequence[str], *, rollback: bool) -> Begun:
    """Return the rollouts of a stack.

    Args:
        clouds: the clouds.
        groups: names of groups, the cloud's or Terraform's; empty: all.
        rollback: whether one that fails goes back to the version that served, where the cloud
            does not do that itself.

    Raises:
        ToolError: there is no such group, or what it is called is not known.

    """
    found = {cloud.name: cloud.made_of(_KINDS[cloud.kind]) for cloud in clouds}
    there = [_names(block) for blocks in found.values() for block in blocks]
    if unknown := [name for name in groups if not any(name in names for names in there)]:
        raise ToolError(
            f"the stack has no group {unknown[0]!r} that can be followed; --group takes: "
            f"{', '.join(names[0] for names in there) or 'nothing, there is none'}"
        )
    rollouts: list[Rollout] = []
    unasked: dict[str, str] = {}
    for cloud in clouds:
        blocks = {
            _known(block): block
            for block in found[cloud.name]
            if not groups or set(groups) & set(_names(block))
        }
        if not blocks:
            continue
        try:
            if cloud.kind == "openstack":
                rollouts += openstack.rollouts(cloud, blocks)
            else:
                rollouts += aws.rollouts(cloud, blocks, rollback=rollback)
        except UnansweredError as error:
            unasked[cloud.name] = str(error)
    return Begun(rollouts=rollouts, unasked=unasked)


def as_json(stack: str, begun: Begun, found: Sequence[Progress]) -> str:
    """Return how all stand, as JSON."""
    return json.dumps(
        {
            "stack": stack,
            "exit": int(ended(found, begun.unasked)),
            "unasked": begun.unasked,
            "rollouts": [
                {"cloud": rollout.cloud, "name": rollout.name, **asdict(progress)}
                for rollout, progress in zip(begun.rollouts, found, strict=True)
            ],
        },
        indent=2,
        ensure_ascii=False,
    )


def _names(block: Block) -> list[str]:
    return [*([block.known_as] if block.known_as else []), block.name]


def _known(block: Block) -> str:
    if block.known_as is None:
        raise ToolError(
            f"what the cloud calls {block.address} is known to Terraform only: leave it out, by "
            "naming the others with --group"
        )
    return block.known_as
