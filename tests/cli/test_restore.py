"""`crossgate restore`: the snapshots of a synthesized stack, found where they are."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace

import pytest

from crossgate import (
    JETSTREAM2,
    App,
    AwsCloud,
    ConsulServers,
    Host,
    InHouse,
    Snapshots,
    TerraformStack,
)
from crossgate.cli.app import run
from crossgate.discovery.consul.programs.consul_snapshot import name_of
from lab.aws import Emulator
from tests.clouds.aws.test_grants import GIVEN
from tests.clouds.openstack.ids import by_ids
from tests.clouds.openstack.swift import LOGIN, running_swift
from tests.contract.conftest import HOST_KEY

NOW = time.time()
NEWEST, OLDER = name_of(NOW - 5400, 90), name_of(NOW - 9000, 50)
RESTORE = "sudo /usr/local/lib/crossgate/consul-restore"


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """Take away every credential of whoever runs the tests."""
    for name in os.environ:
        if name.startswith(("OS_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


@pytest.fixture
def asked(tmp_path, capsys):
    """Synthesize what `build` makes of a stack, and ask for its snapshots."""
    out = tmp_path / "cdktf.out"

    def ask(build, *words):
        app = App(outdir=str(out))
        build(TerraformStack(app, "gateway"))
        app.synth()
        code = run(["restore", "--app-out", str(out), "--json", *words])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else said.err

    return ask


def in_aws(**given):
    return lambda stack: ConsulServers(
        stack, "consul", clouds=[AwsCloud(stack, "aws", **GIVEN)], snapshots=Snapshots(**given)
    )


def in_nova(**given):
    return lambda stack: ConsulServers(
        stack, "consul", clouds=[by_ids(stack, cloud=None)], snapshots=Snapshots(**given)
    )


def in_rack(**given):
    def build(stack):
        hosts = [Host(f"10.40.0.{n}", cpu=4, memory=8, host_key=HOST_KEY) for n in range(11, 14)]
        rack = InHouse(stack, "rack", hosts=hosts, user="deploy")
        ConsulServers(stack, "consul", clouds=[rack], snapshots={rack: Snapshots(**given)})

    return build


def test_a_stack_that_takes_none_says_how_to(asked):
    def build(stack):
        ConsulServers(stack, "consul", clouds=[AwsCloud(stack, "aws", **GIVEN)])

    code, said = asked(build)
    assert code == 2
    assert "takes no snapshots: ConsulServers(snapshots=Snapshots())" in said


def test_a_cloud_that_takes_none_is_refused_with_those_that_do(asked):
    code, said = asked(in_aws(to="backups"), "--cloud", "nova")
    assert code == 2
    assert "--cloud takes: aws" in said


# In-house, by SSH


@pytest.fixture
def ssh(tmp_path, monkeypatch):
    """Put an `ssh` first that answers for each host what a file of its name holds."""
    folder = tmp_path / "ssh"
    folder.mkdir()
    script = f'#!/bin/sh\necho "$@" >>{folder}/asked\nexec cat {folder}/"${{5#*@}}"\n'
    (folder / "ssh").write_text(script)
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_the_newest_of_all_hosts_is_brought_back_on_the_one_that_has_it(asked, ssh):
    (ssh / "10.40.0.11").write_text(f"{OLDER}\n")
    (ssh / "10.40.0.12").write_text(f"{NEWEST}\n{OLDER}\n")
    (ssh / "10.40.0.13").write_text("")
    code, said = asked(in_rack())
    (one,) = said["archives"]
    assert code == 0
    assert one["kept"] == [NEWEST, OLDER]
    assert one["commands"] == [f"ssh -t deploy@10.40.0.12 {RESTORE} {NEWEST}"]


def test_hosts_are_asked_without_a_question_to_anybody(asked, ssh):
    asked(in_rack())
    (first, *_) = (ssh / "asked").read_text().splitlines()
    assert first.startswith("-o BatchMode=yes -o ConnectTimeout=10 deploy@10.40.0.11 sudo -n ")


def test_a_host_that_is_silent_is_left_out(asked, ssh):
    (ssh / "10.40.0.13").write_text(f"{OLDER}\n")
    code, said = asked(in_rack())
    assert code == 0
    assert said["archives"][0]["wanted"] == OLDER


def test_hosts_that_are_all_silent_could_not_be_asked(asked, ssh):
    code, said = asked(in_rack())
    assert code == 2
    assert "10.40.0.11: cat: " in said["archives"][0]["failed"]


def test_a_folder_that_all_share_is_asked_of_one_host(asked, ssh):
    for host in ("10.40.0.11", "10.40.0.12", "10.40.0.13"):
        (ssh / host).write_text(f"{NEWEST}\n")
    code, said = asked(in_rack(to="/mnt/backup/consul"))
    assert code == 0
    assert len((ssh / "asked").read_text().splitlines()) == 1
    assert said["archives"][0]["where"] == "/mnt/backup/consul, which the hosts share"


# In Swift


@pytest.fixture
def swift(monkeypatch):
    with running_swift() as swift:
        monkeypatch.setenv("OS_APPLICATION_CREDENTIAL_ID", LOGIN["id"])
        monkeypatch.setenv("OS_APPLICATION_CREDENTIAL_SECRET", LOGIN["secret"])
        yield swift


def at(url):
    def build(stack):
        profile = replace(JETSTREAM2, auth_url=f"{url}/v3")
        ConsulServers(
            stack,
            "consul",
            clouds=[by_ids(stack, profile=profile)],
            snapshots=Snapshots(to="copies"),
        )

    return build


def test_those_in_a_container_are_found(asked, swift):
    swift.objects |= {f"gateway-consul/nova/{name}": b"" for name in (OLDER, NEWEST)}
    code, said = asked(at(swift.url))
    (one,) = said["archives"]
    assert (code, one["failed"]) == (0, None)
    assert one["kept"] == [NEWEST, OLDER]
    assert one["commands"] == [f"{RESTORE} {NEWEST}"]


def test_a_container_made_by_the_stack_is_found_by_its_name(asked):
    code, said = asked(in_nova())
    assert code == 2  # nobody is logged in
    assert "container gateway-consul-snapshots, " in said["archives"][0]["where"]


# In S3


def test_a_bucket_that_only_terraform_knows_needs_the_state(asked):
    code, said = asked(in_aws())
    assert code == 2
    assert "is known to Terraform only: deploy it, or give the state" in said


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    with Emulator(tmp_path_factory.mktemp("moto")) as emulator:
        yield emulator.account


@pytest.fixture
def s3(account, monkeypatch):
    for name, value in account.environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    s3 = account.client("s3")
    s3.create_bucket(Bucket="backups")
    yield s3
    for one in s3.list_objects_v2(Bucket="backups").get("Contents", ()):
        s3.delete_object(Bucket="backups", Key=one["Key"])


@pytest.mark.live
def test_those_in_a_bucket_are_found(asked, s3):
    for name in (OLDER, NEWEST):
        s3.put_object(Bucket="backups", Key=f"gateway-consul/aws/{name}", Body=b"")
    code, said = asked(in_aws(to="backups"))
    (one,) = said["archives"]
    assert code == 0
    assert (one["kept"], one["wanted"]) == ([NEWEST, OLDER], NEWEST)
    assert one["where"] == "bucket backups, below gateway-consul/aws/"
    assert one["commands"] == [f"{RESTORE} {NEWEST}"]


@pytest.mark.live
def test_another_one_may_be_named(asked, s3):
    for name in (OLDER, NEWEST):
        s3.put_object(Bucket="backups", Key=f"gateway-consul/aws/{name}", Body=b"")
    assert asked(in_aws(to="backups"), "--snapshot", OLDER)[1]["archives"][0]["wanted"] == OLDER


@pytest.mark.live
def test_an_empty_bucket_is_1(asked, s3):
    code, said = asked(in_aws(to="backups"))
    assert code == 1
    assert said["archives"][0]["kept"] == []


@pytest.mark.live
def test_a_name_that_is_not_there_is_1(asked, s3):
    s3.put_object(Bucket="backups", Key=f"gateway-consul/aws/{OLDER}", Body=b"")
    code, said = asked(in_aws(to="backups"), "--snapshot", NEWEST)
    assert code == 1
    assert said["archives"][0]["kept"] == [OLDER]


@pytest.mark.live
def test_a_bucket_that_is_gone_is_a_sentence_and_2(asked, s3):
    code, said = asked(in_aws(to="nobodys"))
    assert code == 2
    assert "NoSuchBucket" in said["archives"][0]["failed"]


@pytest.mark.live
def test_a_bucket_made_by_the_stack_is_found_by_the_state(asked, s3, tmp_path):
    s3.put_object(Bucket="backups", Key=f"gateway-consul/aws/{NEWEST}", Body=b"")
    asked(in_aws())
    made = json.loads((tmp_path / "cdktf.out/stacks/gateway/cdk.tf.json").read_text())
    (name,) = made["resource"]["aws_s3_bucket"]
    instance = {"attributes": {"id": "backups"}}
    bucket = {"mode": "managed", "type": "aws_s3_bucket", "name": name, "instances": [instance]}
    state = tmp_path / "pulled.tfstate"
    state.write_text(json.dumps({"version": 4, "resources": [bucket]}))
    code, said = asked(in_aws(), "--state", str(state))
    assert (code, said["archives"][0]["wanted"]) == (0, NEWEST)


@pytest.mark.live
def test_people_read_what_to_do(asked, s3, tmp_path, capsys):
    for name in (OLDER, NEWEST):
        s3.put_object(Bucket="backups", Key=f"gateway-consul/aws/{name}", Body=b"")
    asked(in_aws(to="backups"))
    assert run(["restore", "--app-out", str(tmp_path / "cdktf.out")]) == 0
    said = capsys.readouterr().out
    assert "aws: gateway-consul, in bucket backups" in said
    assert f"to bring back {NEWEST}, taken 1 hour ago, run on one of its servers:\n" in said
    assert f"  {RESTORE} {NEWEST}\n" in said
