"""AWS, asked: what a stack needs there, and whether the account has it."""

from crossgate.cli.aws.check import check

__all__ = ["check"]
