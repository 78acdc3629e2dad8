"""The AWS side of the gateway, deployed once by the real `cdktf deploy` to an emulator of AWS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.aws import Account, Emulator, make_image
from lab.deploy import Deployed, deploy

HERE = Path(__file__).parent


@dataclass(frozen=True)
class OnAws:
    """The deployed stack, and the account that it is in."""

    aws: Account
    stack: Deployed

    @property
    def json(self) -> dict[str, Any]:
        return self.stack.json

    def deploy_again(self, **context: object) -> None:
        deploy(HERE / "aws_side.py", "gateway", self.stack.folder, self.aws.environment, context)

    def terraform(self, *arguments: str):
        return self.stack.terraform(*arguments)


# Of each file its own: files run in any order, and one destroys what is deployed.
@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with Emulator(tmp_path_factory.mktemp("moto")) as emulator:
        yield emulator.account


@pytest.fixture(scope="session")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account where machines wait for the answers to their hooks."""
    with Emulator(tmp_path_factory.mktemp("waiting"), hooks=True) as emulator:
        yield emulator.account


@pytest.fixture(scope="module")
def deployed(aws: Account, tmp_path_factory: pytest.TempPathFactory) -> OnAws:
    make_image(aws, "gateway-image-1")
    aws.client("route53").create_hosted_zone(Name="example.org", CallerReference="tests")
    folder = tmp_path_factory.mktemp("deploy")
    return OnAws(aws, deploy(HERE / "aws_side.py", "gateway", folder, aws.environment))
