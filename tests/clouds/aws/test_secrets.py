"""Files that hold secrets are no user data: machines fetch them from Secrets Manager."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import Any

import pytest

from crossgate import (
    AutoScalingGroup,
    AwsCloud,
    AwsMachines,
    ConfigError,
    ConsulServers,
    HAProxyNodes,
    Listener,
    Reference,
    ServiceFile,
    Text,
)
from crossgate.clouds.aws.programs import fetch_secrets
from lab.aws import Emulator
from tests.clouds.aws.test_grants import GIVEN
from tests.terraform.conformity import nonconforming, schemas

SECRETS = ("random_password", "random_bytes", "tls_private_key", "var.db_password")
"""Of which nothing may stand in user data."""

PASSWORD = Reference("${var.db_password}")


@pytest.fixture
def made(stack, api, synth):
    """Return what synthesizes a whole gateway in AWS, its service with a password."""

    def make(**changes: Any) -> dict[str, Any]:
        aws = AwsCloud(stack, "aws", **(GIVEN | changes))
        consul = ConsulServers(stack, "consul", clouds=[aws])
        given = replace(api, environment={"PASSWORD": PASSWORD})
        AutoScalingGroup(stack, "api", clouds=[aws], service=given, discovery=consul)
        HAProxyNodes(
            stack, "edge", clouds=[aws], discovery=consul, listeners=[Listener(port=1, to=given)]
        )
        made: dict[str, Any] = synth()
        return made

    return make


def documents(made: dict[str, Any]) -> dict[str, str]:
    return {name: text for name, text in made["locals"].items() if text.startswith("#cloud-config")}


def kept(made: dict[str, Any]) -> dict[str, str]:
    """Return the texts of the secrets, by the secret's name in AWS."""
    secrets = made["resource"]["aws_secretsmanager_secret"]
    found = {}
    for version in made["resource"]["aws_secretsmanager_secret_version"].values():
        (of,) = [key for key in secrets if f".{key}." in version["secret_id"]]
        local = version["secret_string"].removeprefix("${local.").removesuffix("}")
        found[secrets[of]["name"]] = made["locals"][local]
    return found


def test_no_secret_is_in_user_data(made) -> None:
    texts = documents(made())
    assert len(texts) == 3
    assert [word for word in SECRETS for text in texts.values() if word in text] == []


def test_each_kind_of_machine_has_a_secret_of_its_own(made) -> None:
    found = kept(made())
    assert sorted(found) == ["test-api-aws", "test-consul-aws", "test-edge-aws"]
    assert ["var.db_password" in found[name] for name in sorted(found)] == [True, False, False]
    assert ["server.key" in found[name] for name in sorted(found)] == [False, True, False]


def test_user_data_names_the_version_so_that_another_secret_rolls_the_group(made) -> None:
    for text in documents(made()).values():
        assert ".version_id" in text
        assert ".arn" in text


def test_a_machine_may_read_its_own_secret_and_no_other(made) -> None:
    found = {}
    for policy in made()["resource"]["aws_iam_role_policy"].values():
        for statement in json.loads(policy["policy"])["Statement"]:
            if "secretsmanager" in str(statement["Action"]):
                found[statement["Resource"]] = (policy["role"], statement["Action"])
    place = "arn:aws:secretsmanager:us-east-1:*:secret:test-"
    assert sorted(found) == [f"{place}{one}-aws-??????" for one in ("api", "consul", "edge")]
    assert {action for _, action in found.values()} == {"secretsmanager:GetSecretValue"}
    assert len({role for role, _ in found.values()}) == 3


def test_a_secret_is_gone_at_once_when_it_is_destroyed(made) -> None:
    secrets = made()["resource"]["aws_secretsmanager_secret"].values()
    assert {secret["recovery_window_in_days"] for secret in secrets} == {0}


def test_the_key_of_the_disks_is_that_of_the_secrets(made) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:alias/gateway"
    secrets = made(machines=AwsMachines(disk_key=key))["resource"]["aws_secretsmanager_secret"]
    assert {secret["kms_key_id"] for secret in secrets.values()} == {key}


def test_a_machine_may_use_a_key_for_its_own_secret_alone(made) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:alias/gateway"
    policies = made(machines=AwsMachines(disk_key=key))["resource"]["aws_iam_role_policy"]
    found = []
    for policy in policies.values():
        read, *uses = json.loads(policy["policy"])["Statement"]
        for use in uses:
            if use["Action"] == "kms:Decrypt":
                used = use["Condition"]["StringLike"]
                assert used["kms:EncryptionContext:SecretARN"] == read["Resource"]
                found.append(used["kms:ViaService"])
    assert found == ["secretsmanager.us-east-1.amazonaws.com*"] * 3


def test_every_block_conforms(made) -> None:
    assert nonconforming(made(tags={"team": "gateway"}), schemas()) == []


def test_machines_without_secrets_have_none(stack, api, synth) -> None:
    aws = AwsCloud(stack, "aws", **GIVEN)
    AutoScalingGroup(stack, "api", clouds=[aws], service=api)
    made = synth()
    assert "aws_secretsmanager_secret" not in made["resource"]
    assert "fetch_secrets" not in "".join(documents(made).values())


def test_a_file_that_all_may_read_is_no_secret(stack, api, synth) -> None:
    aws = AwsCloud(stack, "aws", **GIVEN)
    known = ServiceFile("/etc/api/known", Text.of(PASSWORD), mode=0o644)
    AutoScalingGroup(stack, "api", clouds=[aws], service=replace(api, files=[known]))
    made = synth()
    assert "aws_secretsmanager_secret" not in made["resource"]
    assert "var.db_password" in "".join(documents(made).values())


def test_more_than_a_secret_holds_is_refused(stack, api) -> None:
    aws = AwsCloud(stack, "aws", **GIVEN)
    large = ServiceFile("/etc/api/large", Text.of("x" * 65_000, "y" * 600, PASSWORD))
    with pytest.raises(ConfigError, match="more than a secret of Secrets Manager holds") as caught:
        AutoScalingGroup(stack, "api", clouds=[aws], service=replace(api, files=[large]))
    assert "/etc/api/large (65,6" in str(caught.value)


# The program, as machines run it: by Debian's Python and its boto3, against moto's server.


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    with Emulator(tmp_path_factory.mktemp("moto")) as emulator:
        yield emulator.account


@pytest.fixture
def fetch(tmp_path, account):
    """Return what keeps files as a secret and fetches them as a machine would."""
    client = account.client("secretsmanager")
    secret = client.create_secret(Name="test-api-aws")["ARN"]

    def run(*versions: dict[str, str], wanted: int = -1) -> subprocess.CompletedProcess[str]:
        made = [
            client.put_secret_value(SecretId=secret, SecretString=json.dumps(one))["VersionId"]
            for one in versions
        ]
        settings = {
            "region": "us-east-1",
            "endpoint": account.url,
            "secret": secret,
            "version": made[wanted] if made else "0" * 32,
            "files": {path: ["0640", "root:daemon"] for one in versions[-1:] for path in one},
        }
        (tmp_path / "secrets.json").write_text(json.dumps(settings))
        return subprocess.run(
            ["/usr/bin/python3", fetch_secrets.__file__, str(tmp_path / "secrets.json")],
            env={"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"},
            check=False, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    yield run
    client.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)


TEXT = 'one\n"two" ä\\n\n'


@pytest.mark.live
@pytest.mark.root
def test_a_file_is_written_with_its_mode_and_owner(fetch, tmp_path) -> None:
    path = tmp_path / "new" / "folder" / "gossip.json"
    done = fetch({str(path): TEXT})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert path.read_text(encoding="utf-8") == TEXT
    assert (path.stat().st_mode & 0o777, path.owner(), path.group()) == (0o640, "root", "daemon")
    assert [one.name for one in path.parent.iterdir()] == ["gossip.json"]


@pytest.mark.live
@pytest.mark.root
def test_what_is_there_is_written_over(fetch, tmp_path) -> None:
    path = tmp_path / "key"
    path.write_text("before")
    path.chmod(0o644)
    fetch({str(path): TEXT})
    assert (path.read_text(encoding="utf-8"), path.stat().st_mode & 0o777) == (TEXT, 0o640)


@pytest.mark.live
@pytest.mark.root
def test_a_machine_of_the_version_before_gets_what_belonged_to_it(fetch, tmp_path) -> None:
    path = tmp_path / "key"
    fetch({str(path): "before"}, {str(path): "after"}, wanted=0)
    assert path.read_text() == "before"


@pytest.mark.live
def test_what_it_may_not_read_is_said_in_a_sentence_so_that_it_is_tried_again(fetch) -> None:
    done = fetch()
    assert done.returncode == 1
    assert done.stderr.startswith("Secrets Manager: ")
    assert "Traceback" not in done.stderr
