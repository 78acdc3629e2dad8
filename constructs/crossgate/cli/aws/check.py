"""One AWS region of a stack, checked."""

from crossgate.cli.findings import Report
from crossgate.cli.synthesized import Cloud


def check(cloud: Cloud) -> Report:
    """Ask."""
    return Report(cloud=cloud.name, where="AWS")
