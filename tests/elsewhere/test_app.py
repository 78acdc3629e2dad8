"""Somebody else's app uses the wheel, in an environment where nothing of ours is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.elsewhere.conftest import HERE, Elsewhere, assert_terraform_accepts
from tools.toolbox import program, write_program

pytestmark = pytest.mark.terraform

OUTPUT = Path("cdktf.out", "stacks", "shop", "cdk.tf.json")
NODE_RAN = "node-ran"


@pytest.fixture(scope="module")
def made(elsewhere: Elsewhere, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Synthesize the app where there is no Node but the wheel's."""
    folder = tmp_path_factory.mktemp("shop")
    path = str(elsewhere.environment / "bin")
    assert shutil.which("node", path=path) is None
    done = elsewhere.synthesized("app.py", folder, path=path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found: dict[str, Any] = json.loads((folder / OUTPUT).read_text())
    return found


def only(blocks: dict[str, Any]) -> tuple[str, Any]:
    ((name, block),) = blocks.items()
    return name, block


def test_the_package_is_the_one_of_the_wheel(elsewhere, tmp_path):
    done = elsewhere.ran("-c", "import crossgate; print(crossgate.__file__)", cwd=tmp_path)
    assert Path(done.stdout.strip()).is_relative_to(elsewhere.environment)
    assert done.stderr == ""


def test_their_network_is_where_our_machines_are(made):
    _, group = only(made["resource"]["aws_autoscaling_group"])
    assert group["vpc_zone_identifier"] == [
        "${aws_subnet.subnet-0.id}",
        "${aws_subnet.subnet-1.id}",
    ]
    _, firewall = only(made["resource"]["aws_security_group"])
    assert firewall["vpc_id"] == "${aws_vpc.vpc.id}"
    assert "data" not in made


def test_their_secrets_are_in_the_files_that_our_machines_fetch(made):
    values = {value: name for name, value in made["locals"].items()}
    _, version = only(made["resource"]["aws_secretsmanager_secret_version"])
    files = made["locals"][version["secret_string"].removeprefix("${local.").removesuffix("}")]
    for theirs in ("${random_password.database-password.result}", "${random_pet.name.id}"):
        assert f"${{local.{values[theirs]}}}" in files


def test_our_group_is_in_their_output_and_in_their_resources(made):
    name, _ = only(made["resource"]["aws_autoscaling_group"])
    token = f"${{aws_autoscaling_group.{name}.name}}"
    assert made["output"]["group"]["value"] == token
    assert made["resource"]["aws_autoscaling_schedule"]["night"]["autoscaling_group_name"] == token
    assert made["resource"]["random_pet"]["release"]["keepers"] == {"group": token}


def test_no_token_is_left_unresolved(made):
    assert "TfToken[" not in json.dumps(made)


def test_both_sides_have_their_own_provider(made):
    region = {"region": "eu-west-1"}
    assert made["provider"]["aws"] == [region, {"alias": "aws", **region}]
    assert made["resource"]["aws_subnet"]["subnet-0"]["provider"] == "aws"
    assert only(made["resource"]["aws_autoscaling_group"])[1]["provider"] == "aws.aws"


def test_terraform_and_the_providers_accept_it(made, tmp_path):
    assert_terraform_accepts(tmp_path, made)


def test_an_old_node_on_the_path_is_not_used(elsewhere, made, tmp_path):
    write_program(
        tmp_path / "bin" / "node",
        f"touch {tmp_path / NODE_RAN}",
        "echo '!! This software has not been tested with node v12.0.0. !!' >&2",
        "exit 1",
    )
    path = os.pathsep.join((str(tmp_path / "bin"), str(elsewhere.environment / "bin"), os.defpath))
    done = elsewhere.synthesized("app.py", tmp_path, path=path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / NODE_RAN).exists()
    again = json.loads((tmp_path / OUTPUT).read_text())
    assert again["resource"] == made["resource"]


def test_their_use_of_the_provider_random_stands_beside_ours(elsewhere, tmp_path):
    done = elsewhere.synthesized("secrets_of_both.py", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    both = json.loads((tmp_path / OUTPUT).read_text())
    assert {"random_bytes", "random_pet"} < set(both["resource"])
    assert_terraform_accepts(tmp_path / "cdktf.out", both)


def test_what_only_the_whole_stack_shows_is_said_clearly(elsewhere, tmp_path):
    """The engine's own app knows nothing of our errors, and shows the text all the same."""
    done = elsewhere.synthesized("nobody_runs_it.py", tmp_path)
    assert done.returncode == 1
    assert (
        "shop/edge: a listener leads to the service 'shop', which nobody runs there\n"
        "  got:  'no machine runs it in aws'\n"
        "  want: a group with service='shop' in every cloud of the listener\n"
        "  do:   AutoScalingGroup(..., service=shop, discovery=...) in aws"
    ) in done.stderr
    assert not [path for path in (tmp_path / "cdktf.out").rglob("*") if path.is_file()]


def test_their_type_checker_reads_our_types(elsewhere, tmp_path):
    def checked(text: str) -> str:
        (tmp_path / "main.py").write_text(text)
        words = ["--strict", "--config-file=", "--cache-dir", tmp_path / "cache", "main.py"]
        return subprocess.run(
            [program("mypy"), "--python-executable", elsewhere.python, *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        ).stdout

    right = (HERE / "app.py").read_text()
    assert checked(right).startswith("Success")
    wrong = checked(right.replace("region=REGION", "regoin=REGION").replace("(2, 8)", '("2", 8)'))
    assert 'Unexpected keyword argument "regoin" for "AwsCloud"' in wrong
    assert 'Argument 1 to "Capacity" has incompatible type "str"' in wrong
