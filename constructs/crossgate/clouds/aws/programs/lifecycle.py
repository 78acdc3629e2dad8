"""Speaks for this machine with its group: it is ready; it is to go; it has left.

    lifecycle.py SETTINGS

A group with lifecycle hooks waits for both words. From a warm pool a machine says the first of them
twice: before it rests, and when it has come back. That the machine is to go is said in the
instance metadata and nowhere else on the machine: by the group, and by EC2 two minutes before it
takes a spot machine back. Source: EC2 Auto Scaling user guide, "Retrieve the target lifecycle
state"; EC2 user guide, "Spot Instance interruption notices".
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

_SERVICE = "http://169.254.169.254/latest"
_EVERY_SECONDS = 5
_PATIENCE_SECONDS = 2
_COMMAND_SECONDS = 30
_TOKEN_SECONDS = 60
_NOT_FOUND = 404
_TO_GO = "Terminated"
_IN_SERVICE = "InService"
_AT_REST = "Warmed:"


def heard() -> tuple[str, str]:
    """Return the state that the group wants this machine in, and what EC2 is about to do to it.

    Raises:
        OSError: the metadata service does not answer.

    """
    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_SECONDS)}
    token = {"X-aws-ec2-metadata-token": _ask("/api/token", lifetime, method="PUT")}
    state = _found("/meta-data/autoscaling/target-lifecycle-state", token)
    return state, _found("/meta-data/spot/instance-action", token)


def _found(path: str, headers: dict[str, str]) -> str:
    """Return what the service says, nothing where it has nothing to say."""
    try:
        return _ask(path, headers)
    except HTTPError as error:
        if error.code == _NOT_FOUND:
            return ""
        raise


def _ask(path: str, headers: dict[str, str], method: str = "GET") -> str:
    request = Request(f"{_SERVICE}{path}", headers=headers, method=method)  # noqa: S310  (a fixed address)
    with urlopen(request, timeout=_PATIENCE_SECONDS) as answer:  # noqa: S310  (a fixed address)
        return str(answer.read().decode())


class Speaker:
    """Says it, once each; what fails is said in the log and tried again.

    Args:
        settings: see `lifecycle.json`.
        group: a client of the Auto Scaling API.

    """

    def __init__(self, settings: dict[str, Any], group: Any) -> None:  # noqa: ANN401  (boto3's)
        self._settings = settings
        self._group = group
        self._waited_for = settings["ready"]
        self._resting = False
        self._said = ""

    def look(self) -> bool:
        """Do what is due; return whether this machine has left."""
        try:
            state, action = heard()
        except (OSError, ValueError) as error:
            self.say(f"the metadata service does not answer: {error}")
            state, action = "", ""
        if state == _TO_GO or action:
            self._leave("its group ends it" if state == _TO_GO else f"EC2 takes it back: {action}")
            self._complete(self._settings["left"])
            return True
        if state.startswith(_AT_REST):
            self._rest()
        elif not self._resting or state == _IN_SERVICE:
            self._work()
        return False

    def _leave(self, why: str) -> None:
        self.say(f"leaves: {why}")
        if self._settings["leave"]:
            subprocess.run(self._settings["leave"], check=True)  # noqa: S603  (what a file says)

    def _rest(self) -> None:
        """Leave, once: the group stops or freezes this machine as soon as it says so.

        It comes here when it has booted for the first time, and when the group shrinks.
        """
        if self._resting or (self._waited_for and not self._ready()):
            return
        self._leave("its group lets it rest")
        self._complete(self._waited_for or self._settings["left"])
        self._resting, self._waited_for = True, self._settings["ready"]

    def _work(self) -> None:
        if self._resting:
            if rejoin := self._settings.get("rejoin"):
                subprocess.run(rejoin, check=True)  # noqa: S603  (what a file says)
            self._resting = False
        if self._waited_for and self._ready():
            self._complete(self._waited_for)
            self._waited_for = None

    def _ready(self) -> bool:
        done = subprocess.run(  # noqa: S603  (the cluster's own program)
            self._settings["watch"],
            check=False, capture_output=True, text=True, timeout=_COMMAND_SECONDS,
        )  # fmt: skip
        self.say("is ready" if done.returncode == 0 else f"waits: {done.stderr.strip()}")
        return done.returncode == 0

    def _complete(self, hook: str | None) -> None:
        """Tell the group; where it waits for nothing (after a reboot, or too late) it says so."""
        if hook is None:
            return
        from botocore.exceptions import ClientError  # noqa: PLC0415  (the rest needs none of it)

        try:
            self._group.complete_lifecycle_action(
                AutoScalingGroupName=self._settings["group"],
                LifecycleHookName=hook,
                InstanceId=Path(self._settings["instance"]).read_text(encoding="ascii").strip(),
                LifecycleActionResult="CONTINUE",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            self.say(f"nobody waits for {hook}: {error}")

    def say(self, what: str) -> None:
        """Say it in the log, once in a row."""
        if what != self._said:
            sys.stdout.write(f"{what}\n")
            sys.stdout.flush()
        self._said = what


def main(path: str) -> None:
    """Speak until this machine has left."""
    import boto3  # noqa: PLC0415  (the rest needs none of it)
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  (as above)

    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    session = boto3.Session(region_name=settings["region"])
    # A client that found none, as the metadata service was slow, never asks again: systemd does
    # (boto/botocore#2304).
    if not session.get_credentials():
        sys.exit("no credentials")
    speaker = Speaker(settings, session.client("autoscaling"))
    left = False
    while not left:
        try:
            left = speaker.look()
        except (BotoCoreError, ClientError, OSError, subprocess.SubprocessError) as error:
            speaker.say(f"{type(error).__name__}: {error}")
        time.sleep(_EVERY_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1])
