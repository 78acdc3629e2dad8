"""EC2's instance metadata service (IMDSv2) for machines of the lab: 169.254.169.254.

moto answers some of its paths, but for one machine that does not exist, with credentials that lack
the `Code` for which the AWS SDK for Go looks (`ec2rolecreds` in it). Here everything is read from
the account's own API, for the machine whose address asks; the credentials are those of its role.

    python -m lab.metadata --port PORT URL

It listens on the loopback address; whoever leads the machines' requests to it says in
`X-Forwarded-For` who asks. Paths and answers: EC2 user guide, "Instance metadata categories" and
"Use the Instance Metadata Service". What is not there is answered with 404, as EC2 does.
"""

from __future__ import annotations

import argparse
import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import flask
from werkzeug.exceptions import BadRequest, NotFound, Unauthorized
from werkzeug.serving import run_simple

from lab.aws import Account
from lab.aws_machines import template_of

ADDRESS = "169.254.169.254"
"""Where machines ask."""

NOTICE: Final = "lab:spot-notice"
"""Tag of a machine that EC2 is to take back; its value is when."""

TO_GO: Final = "lab:to-go"
"""Tag of a machine that its group is about to end."""

_TOKEN: Final = "X-aws-ec2-metadata-token"  # noqa: S105  (the name of a header)
_LIFETIME: Final = f"{_TOKEN}-ttl-seconds"
_LONGEST_SECONDS = 6 * 3600

_Machine = Mapping[str, Any]


class Metadata:
    """Answers for the machines of one account.

    Args:
        account: where the machines are described.

    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._ec2 = account.client("ec2")
        self._iam = account.client("iam")
        self._sts = account.client("sts")
        self._tokens: dict[str, float] = {}

    def token(self, seconds: str | None) -> str:
        """Return a new token that is good for so many seconds, 1 to 21600.

        Raises:
            BadRequest: anything else was asked for.

        """
        if seconds is None or not seconds.isdecimal() or not 1 <= int(seconds) <= _LONGEST_SECONDS:
            raise BadRequest
        made = secrets.token_urlsafe(40)
        self._tokens[made] = time.monotonic() + int(seconds)
        return made

    def check(self, token: str | None) -> None:
        """Raise Unauthorized unless the token is one of ours and still good."""
        if self._tokens.get(token or "", 0.0) < time.monotonic():
            raise Unauthorized

    def machine(self, address: str) -> _Machine:
        """Return the running machine with this private address as EC2 describes it."""
        found = self._ec2.describe_instances(
            Filters=[
                {"Name": "private-ip-address", "Values": [address]},
                {"Name": "instance-state-name", "Values": ["running"]},
            ]
        )
        for reservation in found["Reservations"]:
            for machine in reservation["Instances"]:
                return dict(machine)
        raise NotFound

    def category(self, machine: _Machine, path: str) -> str:
        """Return what is below `/latest/meta-data/`."""
        if path.startswith("iam/"):
            return self._identity(machine, path.removeprefix("iam/"))
        zone = machine["Placement"]["AvailabilityZone"]
        answers: Mapping[str, Callable[[], str]] = {
            "autoscaling/target-lifecycle-state": lambda: _state(machine),
            "ami-id": lambda: machine["ImageId"],
            "hostname": lambda: machine["PrivateDnsName"],
            "instance-id": lambda: machine["InstanceId"],
            "instance-type": lambda: machine["InstanceType"],
            "local-hostname": lambda: machine["PrivateDnsName"],
            "local-ipv4": lambda: machine["PrivateIpAddress"],
            "placement/availability-zone": lambda: zone,
            "placement/region": lambda: self._account.region,
            "spot/instance-action": lambda: _notice(machine),
            "security-groups": lambda: "\n".join(
                group["GroupName"] for group in machine["SecurityGroups"]
            ),
        }
        try:
            return str(answers[path]())
        except KeyError:
            raise NotFound from None

    def document(self, machine: _Machine) -> str:
        """Return the instance identity document."""
        return json.dumps({
            "accountId": self._sts.get_caller_identity()["Account"],
            "architecture": machine.get("Architecture", "x86_64"),
            "availabilityZone": machine["Placement"]["AvailabilityZone"],
            "imageId": machine["ImageId"],
            "instanceId": machine["InstanceId"],
            "instanceType": machine["InstanceType"],
            "pendingTime": _time(machine["LaunchTime"]),
            "privateIp": machine["PrivateIpAddress"],
            "region": self._account.region,
            "version": "2017-09-30",
        })  # fmt: skip

    def _identity(self, machine: _Machine, path: str) -> str:
        # From the template: moto forgets to give the profile to what a group launches.
        given = template_of(self._ec2, machine).get("IamInstanceProfile")
        if given is None:
            raise NotFound
        name = given["Arn"].rpartition("/")[2]
        profile = self._iam.get_instance_profile(InstanceProfileName=name)
        (role,) = profile["InstanceProfile"]["Roles"]
        if path == "security-credentials/":
            return str(role["RoleName"])
        if path != f"security-credentials/{role['RoleName']}":
            raise NotFound
        session = self._sts.assume_role(RoleArn=role["Arn"], RoleSessionName=machine["InstanceId"])
        keys = session["Credentials"]
        return json.dumps({
            "Code": "Success",
            "LastUpdated": _time(datetime.now(UTC)),
            "Type": "AWS-HMAC",
            "AccessKeyId": keys["AccessKeyId"],
            "SecretAccessKey": keys["SecretAccessKey"],
            "Token": keys["SessionToken"],
            "Expiration": _time(keys["Expiration"]),
        })  # fmt: skip


def _state(machine: _Machine) -> str:
    to_go = any(tag["Key"] == TO_GO for tag in machine.get("Tags", ()))
    return "Terminated" if to_go else "InService"


def _notice(machine: _Machine) -> str:
    for tag in machine.get("Tags", ()):
        if tag["Key"] == NOTICE:
            return json.dumps({"action": "terminate", "time": tag["Value"]})
    raise NotFound


def _time(given: datetime) -> str:
    return given.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def application(metadata: Metadata) -> flask.Flask:
    """Return the service as a web application."""
    app = flask.Flask(__name__)

    def asked() -> _Machine:
        metadata.check(flask.request.headers.get(_TOKEN))
        return metadata.machine(flask.request.headers.get("X-Forwarded-For", ""))

    @app.put("/latest/api/token")
    def token() -> flask.Response:
        lifetime = flask.request.headers.get(_LIFETIME)
        return _plain(metadata.token(lifetime), {_LIFETIME: lifetime or ""})

    @app.get("/latest/meta-data/<path:path>")
    def category(path: str) -> flask.Response:
        return _plain(metadata.category(asked(), path))

    @app.get("/latest/dynamic/instance-identity/document")
    def document() -> flask.Response:
        return _plain(metadata.document(asked()))

    return app


def _plain(text: str, headers: Mapping[str, str] | None = None) -> flask.Response:
    return flask.Response(text, mimetype="text/plain", headers=dict(headers or {}))


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="python -m lab.metadata", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("url", help="where the account's API answers")
    options = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    app = application(Metadata(Account(url=options.url)))
    run_simple("127.0.0.1", options.port, app, threaded=True)


if __name__ == "__main__":
    main()
