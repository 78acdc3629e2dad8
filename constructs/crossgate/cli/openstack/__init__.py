"""OpenStack, asked: what a stack needs there, and whether the project has it."""

from crossgate.cli.openstack.check import check, removable, remove

__all__ = ["check", "removable", "remove"]
