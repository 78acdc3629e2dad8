"""AWS, asked: what a stack needs there and whether the account has it; how its rollouts go."""

from crossgate.cli.aws.check import check
from crossgate.cli.aws.rollout import rollouts
from crossgate.cli.aws.snapshots import snapshots

__all__ = ["check", "rollouts", "snapshots"]
