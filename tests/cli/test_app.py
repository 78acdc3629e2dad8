from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tomllib

import pytest

from crossgate import cli
from crossgate.cli.app import run
from lab.daemon import free_port
from tools.toolbox import ROOT

PASSWORD = "correct-horse-battery"  # noqa: S105  (nobody's)


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """Take away every credential of whoever runs the tests."""
    for name in os.environ:
        if name.startswith(("OS_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


def test_without_a_synth_it_says_so_and_2(tmp_path, capsys):
    assert run(["check", "--app-out", str(tmp_path)]) == 2
    assert "run `cdktf synth` first" in capsys.readouterr().err


def test_a_cloud_that_the_stack_does_not_have_is_refused_with_those_it_has(gateway, capsys):
    assert run(["check", "--app-out", str(gateway), "--cloud", "azure"]) == 2
    assert "no cloud 'azure'" in (said := capsys.readouterr().err)
    assert "--cloud takes: aws, nova" in said


@pytest.mark.parametrize("arguments", [["check", "--frobnicate"], ["mend"]])
def test_what_it_does_not_know_is_2(arguments, capsys):
    assert run(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_help_is_0(capsys):
    assert run(["check", "--help"]) == 0
    assert "--remove-orphans" in capsys.readouterr().out


def test_without_credentials_each_cloud_says_so_and_2(gateway, capsys):
    assert run(["check", "--app-out", str(gateway), "--json"]) == 2
    data = json.loads(capsys.readouterr().out)
    aws, nova = data["clouds"]
    assert aws["failed"] == "Unable to locate credentials"
    assert nova["failed"] == (
        "there is no password, token or application credential: set OS_CLOUD, or the OS_... of an "
        "openrc file"
    )


def test_one_cloud_alone_is_checked(gateway, capsys):
    run(["check", "--app-out", str(gateway), "--json", "--cloud", "nova"])
    assert [one["cloud"] for one in json.loads(capsys.readouterr().out)["clouds"]] == ["nova"]


def test_a_keystone_that_does_not_answer_is_a_sentence(changed, monkeypatch, capsys):
    url = f"http://127.0.0.1:{free_port()}/v3"

    def change(made):
        made["provider"]["openstack"][0]["auth_url"] = url

    for name, value in (
        ("OS_USERNAME", "deployer"),
        ("OS_PASSWORD", PASSWORD),
        ("OS_PROJECT_NAME", "gateway"),
        ("OS_AUTH_URL", "https://somewhere.example.org/v3"),
    ):
        monkeypatch.setenv(name, value)
    assert run(["check", "--app-out", str(changed(change)), "--cloud", "nova"]) == 2
    said = capsys.readouterr()
    # The JSON's address comes before that of the environment.
    assert f"Unable to establish connection to {url}" in " ".join(said.out.split())
    assert PASSWORD not in said.out + said.err
    assert "Traceback" not in said.err


def test_an_entry_that_clouds_yaml_does_not_have_is_a_sentence(gateway, monkeypatch, capsys):
    monkeypatch.setenv("OS_CLOUD", "campus")
    assert run(["check", "--app-out", str(gateway), "--cloud", "nova"]) == 2
    assert "campus was not found" in capsys.readouterr().out


def test_nothing_is_removed_where_no_state_says_what_is_deployed(changed, capsys):
    def change(made):
        made["terraform"]["backend"] = {"s3": {"bucket": "states"}}

    out = str(changed(change))
    assert run(["check", "--app-out", out, "--remove-orphans", "--yes"]) == 2
    assert "nothing is removed" in capsys.readouterr().err


@pytest.mark.process
@pytest.mark.parametrize("missing", ["typer", "openstack", "boto3", "rich"])
def test_without_the_extra_one_sentence_says_how_to_have_it(missing):
    code = f"import sys; sys.modules[{missing!r}] = None; from crossgate import cli"
    code += "; sys.exit(cli.main())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"crossgate: its command line needs {missing}, which is not installed: "
        "pip install 'crossgate[cli]'\n"
    )


def test_the_program_that_is_installed_is_this_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, function = project["scripts"]["crossgate"].partition(":")
    assert getattr(importlib.import_module(module), function) is cli.main


def test_rollouts_of_clouds_without_credentials_are_said_to_be_unasked_and_2(gateway, capsys):
    assert run(["rollout", "--app-out", str(gateway), "--json"]) == 2
    said = capsys.readouterr()
    data = json.loads(said.out)
    assert (data["exit"], data["rollouts"]) == (2, [])
    assert data["unasked"]["aws"] == "Unable to locate credentials"
    assert data["unasked"]["nova"].startswith("there is no password, token or application cred")
    assert "aws: could not be asked: Unable to locate credentials" in said.err


def test_a_group_that_the_stack_does_not_have_is_refused_with_those_it_has(gateway, capsys):
    assert run(["rollout", "--app-out", str(gateway), "--group", "mail"]) == 2
    said = capsys.readouterr().err
    assert "no group 'mail' that can be followed" in said
    assert "--group takes: gateway-gw-" in said


def test_only_the_cloud_of_the_group_that_is_named_is_asked(gateway, capsys):
    made = json.loads((gateway / "stacks/gateway/cdk.tf.json").read_text())
    (stack,) = made["resource"]["openstack_orchestration_stack_v1"]
    assert run(["rollout", "--app-out", str(gateway), "--json", "--group", stack]) == 2
    assert list(json.loads(capsys.readouterr().out)["unasked"]) == ["nova"]


def test_a_group_whose_name_only_terraform_knows_is_refused(changed, capsys):
    def change(made):
        for group in made["resource"]["aws_autoscaling_group"].values():
            group["name"] = "${random_pet.name.id}"

    assert run(["rollout", "--app-out", str(changed(change)), "--cloud", "aws"]) == 2
    assert "is known to Terraform only" in capsys.readouterr().err


@pytest.mark.parametrize("timeout", ["2", "two hours", "0s", "-1h"])
def test_a_timeout_that_is_no_duration_is_refused(gateway, capsys, timeout):
    assert run(["rollout", "--app-out", str(gateway), f"--timeout={timeout}"]) == 2
    assert f"--timeout {timeout}: is no duration" in capsys.readouterr().err


def test_a_stack_without_groups_has_nothing_to_follow(changed, capsys):
    def change(made):
        made["resource"] = {}

    assert run(["rollout", "--app-out", str(changed(change))]) == 0
    assert capsys.readouterr().out == "nothing to follow\n"
