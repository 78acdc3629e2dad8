"""Session Manager: shells on machines without SSH."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from crossgate.boot.document import Command, Document, File

if TYPE_CHECKING:
    from crossgate.clouds.aws.cloud import AwsCloud
    from crossgate.specs import GroupSpec, MachinesSpec

_Spec = TypeVar("_Spec", "GroupSpec", "MachinesSpec")
_INSTALLER = "/usr/local/lib/crossgate/install-ssm-agent"

# The least that Systems Manager's guide names ("Create a custom IAM role for Session Manager"). The
# agent asks ssmmessages first, and ec2messages only where it may not; none of these actions knows a
# narrower resource (service authorization reference).
PERMISSION = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": [
                    "ssm:UpdateInstanceInformation",
                    "ssmmessages:CreateControlChannel",
                    "ssmmessages:CreateDataChannel",
                    "ssmmessages:OpenControlChannel",
                    "ssmmessages:OpenDataChannel",
                ],
                "Resource": "*",
            }
        ],
    }
)

# install-ssm-agent URL: from below URL, unless the image has it.
# Amazon publishes no apt repository of it, but a package in a bucket of each region. Ubuntu's
# images have it as a snap, and both at once would be two agents for one machine.
_INSTALL = r"""#!/bin/sh
set -eu
url=$1

for unit in amazon-ssm-agent.service snap.amazon-ssm-agent.amazon-ssm-agent.service; do
  if systemctl cat "$unit" >/dev/null 2>&1; then
    systemctl --quiet enable "$unit"
    systemctl start "$unit"
    echo "$unit is there"
    exit 0
  fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
curl --fail --silent --show-error --location --proto '=https' --connect-timeout 10 \
  --speed-limit 1000 --speed-time 30 --output "$work/amazon-ssm-agent.deb" \
  -- "$url/debian_$(dpkg --print-architecture)/amazon-ssm-agent.deb"
apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
  install --no-install-recommends "$work/amazon-ssm-agent.deb"
systemctl --quiet enable amazon-ssm-agent.service
systemctl start amazon-ssm-agent.service
"""


def opened(cloud: AwsCloud, spec: _Spec) -> _Spec:
    """Return the spec with a document that has the agent, where people shall get in by it."""
    if not cloud.settings.session_access:
        return spec
    own = Document(
        label="session-access",
        packages=("ca-certificates", "curl"),
        files=(File(_INSTALLER, _INSTALL, mode=0o755),),
        # Last: a machine serves, whether Amazon's bucket answers or not.
        after=(Command(f"{_INSTALLER} {bucket(cloud.region)}", retry=True),),
    )
    return replace(spec, document=Document.merge(spec.document, own))


def bucket(region: str) -> str:
    """Return where Amazon publishes the agent for a region."""
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://s3.{region}.{domain}/amazon-ssm-{region}/latest"
