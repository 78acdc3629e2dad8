"""OpenStack, asked: what a stack needs there and whether the cloud has it; how its rollouts go."""

from crossgate.cli.openstack.check import check, removable, remove
from crossgate.cli.openstack.rollout import rollouts
from crossgate.cli.openstack.snapshots import snapshots

__all__ = ["check", "removable", "remove", "rollouts", "snapshots"]
