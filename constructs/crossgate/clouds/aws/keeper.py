"""What tells CloudWatch what the balancers see, so that groups can follow it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from crossgate.boot.document import Document, File
from crossgate.boot.program import PYTHON, program, program_unit

if TYPE_CHECKING:
    from crossgate.clouds.aws.cloud import AwsCloud
    from crossgate.specs import MachinesSpec

NAMESPACE = "Crossgate"
"""Of CloudWatch; the dimensions of its metrics are Cluster and Service."""

_NAME = "cloudwatch-figures"
_PROGRAM = "/usr/local/lib/crossgate/cloudwatch_figures.py"
_SETTINGS = "/etc/crossgate/cloudwatch-figures.json"
# Target tracking looks at whole minutes, and should find a figure in each.
_EVERY_SECONDS = 20

# PutMetricData knows no resource, but a condition on the namespace (service authorization
# reference, Amazon CloudWatch).
PUT_METRICS = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "cloudwatch:PutMetricData",
                "Resource": "*",
                "Condition": {"StringEquals": {"cloudwatch:namespace": NAMESPACE}},
            }
        ],
    }
)


def metric(figure: str) -> str:
    """Return the name of the metric that shows what balancers tell: connections, queue."""
    return figure.capitalize()


def keeps(cloud: AwsCloud, spec: MachinesSpec) -> bool:
    """Return whether these machines tell CloudWatch what the balancers see."""
    return cloud.balancer_metrics and spec.watch is not None


def keeping(cloud: AwsCloud, spec: MachinesSpec) -> MachinesSpec:
    """Return the spec with a document that tells CloudWatch what the balancers see."""
    if not keeps(cloud, spec) or spec.watch is None:
        return spec
    settings = {
        "cluster": spec.watch.cluster,
        "every": _EVERY_SECONDS,
        "namespace": NAMESPACE,
        "region": cloud.region,
        "watch": list(spec.watch.program),
    }
    own = Document(
        label=_NAME,
        packages=("python3", "python3-boto3"),
        files=(
            program(_PROGRAM, "crossgate.clouds.aws.programs", "cloudwatch_figures"),
            File(_SETTINGS, json.dumps(settings, indent=2) + "\n"),
        ),
        units=(
            program_unit(
                _NAME,
                [*spec.watch.program, "alone", _NAME, PYTHON, _PROGRAM, _SETTINGS],
                description="Tells CloudWatch what the balancers see, on one machine at a time",
            ),
        ),
    )
    return replace(spec, document=Document.merge(spec.document, spec.watch.document, own))
