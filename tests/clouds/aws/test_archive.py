"""Where snapshots go in AWS, and who may read them; the bucket is made by the real provider."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from crossgate import (
    AwsCloud,
    AwsMachines,
    ConfigError,
    ConsulServers,
    Reference,
    Snapshots,
    Text,
)
from crossgate.clouds.aws.programs import s3_store
from crossgate.terraform.engine import TerraformResource
from lab.aws import Emulator
from tests.clouds.aws.test_grants import GIVEN
from tests.terraform.conformity import nonconforming, schemas
from tools.toolbox import program

BUCKET = "aws_s3_bucket"


def servers(stack, snapshots, **changes):
    aws = AwsCloud(stack, "aws", **(GIVEN | changes))
    ConsulServers(stack, "consul", clouds=[aws], snapshots=snapshots)


def only(made, kind):
    (block,) = made["resource"][kind].values()
    return block


def settings_of(made):
    """Return what the servers are told of their place, its references as Terraform writes them."""
    (document,) = [text for text in made["locals"].values() if text.startswith("#cloud-config")]
    (place,) = re.findall(r'"?({\\?"bucket.*?})\\?', document)
    return place.replace('\\"', '"')


def rights_of(made):
    """Return the statements about S3 in the servers' role."""
    texts = [one["policy"] for one in made["resource"]["aws_iam_role_policy"].values()]
    found = []
    for text in texts:
        policy = made["locals"].get(text.removeprefix("${local.").removesuffix("}"), text)
        found += [s for s in json.loads(policy)["Statement"] if "s3:" in str(s["Action"])]
    return found


def test_without_snapshots_there_is_no_bucket_and_no_right(stack, synth):
    servers(stack, None)
    made = synth()
    assert BUCKET not in made["resource"]
    assert rights_of(made) == []


def test_none_is_taken_unless_asked_for(stack, synth):
    ConsulServers(stack, "consul", clouds=[AwsCloud(stack, "aws", **GIVEN)])
    assert BUCKET not in synth()["resource"]


def test_every_block_conforms(stack, synth):
    servers(stack, Snapshots(), tags={"team": "gateway"})
    assert nonconforming(synth(), schemas()) == []


def test_a_bucket_that_holds_anything_is_not_destroyed(stack, synth):
    servers(stack, Snapshots())
    assert only(synth(), BUCKET)["force_destroy"] is False


def test_the_bucket_is_closed_to_the_public(stack, synth):
    servers(stack, Snapshots())
    closed = only(synth(), "aws_s3_bucket_public_access_block")
    assert {key for key, value in closed.items() if value is True} == {
        "block_public_acls",
        "block_public_policy",
        "ignore_public_acls",
        "restrict_public_buckets",
    }


def test_what_is_kept_is_never_deleted_by_its_age(stack, synth):
    servers(stack, Snapshots())
    (rule,) = only(synth(), "aws_s3_bucket_lifecycle_configuration")["rule"]
    assert "days" not in str(rule["expiration"])
    assert rule["noncurrent_version_expiration"] == [{"noncurrent_days": 7}]


def test_the_servers_may_write_and_list_below_their_prefix_and_nothing_else(stack, synth):
    servers(stack, Snapshots(to="example-backups"))
    listing, objects = rights_of(synth())
    assert listing == {
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": "arn:aws:s3:::example-backups",
        "Condition": {"StringLike": {"s3:prefix": "test-consul/aws/*"}},
    }
    assert objects == {
        "Effect": "Allow",
        "Action": ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"],
        "Resource": "arn:aws:s3:::example-backups/test-consul/aws/*",
    }


def test_the_partition_of_the_region_is_in_the_right(stack, synth):
    china = {"region": "cn-north-1", "zones": ["cn-north-1a", "cn-north-1b"]}
    servers(stack, Snapshots(to="example-backups"), **china)
    assert rights_of(synth())[0]["Resource"].startswith("arn:aws-cn:s3:::")


def test_a_bucket_that_is_there_gets_no_settings_of_ours(stack, synth):
    servers(stack, Snapshots(to="example-backups"))
    made = synth()
    assert not [kind for kind in made["resource"] if kind.startswith(BUCKET)]
    assert '"bucket": "example-backups"' in settings_of(made)


def test_a_bucket_of_the_same_stack_may_be_named(stack, synth):
    servers(stack, Snapshots(to=Text.of(Reference("${aws_s3_bucket.mine.id}"))))
    made = synth()
    assert BUCKET not in made["resource"]
    assert "${aws_s3_bucket.mine.id}" in settings_of(made)
    policies = [one["policy"] for one in made["resource"]["aws_iam_role_policy"].values()]
    (granted,) = [made["locals"][p[8:-1]] for p in policies if p.startswith("${local.")]
    assert granted.count("aws_s3_bucket.mine.id") == 2


@pytest.mark.parametrize("to", ["Example_Backups", "s3://example", "ab", "arn:aws:s3:::example"])
def test_what_is_no_bucket_is_refused(stack, to):
    with pytest.raises(ConfigError, match=r"test/consul/aws: .*is no bucket of S3"):
        servers(stack, Snapshots(to=to))


def test_asking_whether_it_is_refused_makes_no_bucket(stack):
    with pytest.raises(ConfigError):
        servers(stack, Snapshots(to="NO"))
    made = [c for c in stack.node.find_all() if isinstance(c, TerraformResource)]
    assert not [c for c in made if c.terraform_resource_type.startswith(BUCKET)]


def test_everything_of_every_kind_still_fits_into_user_data(stack, synth):
    machines = AwsMachines(session_access=True)
    servers(stack, Snapshots(), machines=machines, balancer_metrics=True)
    synth()


# The program, as servers run it: by Debian's Python and its boto3, against moto's server.


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    with Emulator(tmp_path_factory.mktemp("moto")) as emulator:
        yield emulator.account


@dataclass
class Store:
    settings: Path
    account: Any

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/usr/bin/python3", s3_store.__file__, str(self.settings), *words],
            env={"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"},
            check=False, capture_output=True, text=True, timeout=60,
        )  # fmt: skip


@pytest.fixture
def keeps(tmp_path, account):
    account.client("s3").create_bucket(Bucket="example-backups")
    settings = {
        "bucket": "example-backups",
        "prefix": "test-consul/aws/",
        "region": "us-east-1",
        "endpoint": account.url,
    }
    (tmp_path / "archive.json").write_text(json.dumps(settings))
    yield Store(tmp_path / "archive.json", account)
    s3 = account.client("s3")
    for one in s3.list_objects_v2(Bucket="example-backups").get("Contents", ()):
        s3.delete_object(Bucket="example-backups", Key=one["Key"])


@pytest.mark.live
def test_what_was_put_comes_back(keeps, tmp_path):
    (tmp_path / "one").write_bytes(b"\0one")
    assert keeps.run("put", "a.snap", str(tmp_path / "one")).returncode == 0
    assert keeps.run("list").stdout == "a.snap\n"
    assert keeps.run("get", "a.snap", str(tmp_path / "other")).returncode == 0
    assert (tmp_path / "other").read_bytes() == b"\0one"
    keeps.run("drop", "a.snap")
    assert keeps.run("list").stdout == ""


@pytest.mark.live
def test_what_others_keep_in_the_bucket_is_not_listed(keeps, account):
    s3 = account.client("s3")
    for key in ("other/aws/b.snap", "test-consul/aws/a.snap", "test-consul/awsome/c.snap"):
        s3.put_object(Bucket="example-backups", Key=key, Body=b"")
    assert keeps.run("list").stdout == "a.snap\n"


@pytest.mark.live
def test_more_than_a_page_of_them_is_listed(keeps, account):
    s3 = account.client("s3")
    for number in range(1001):
        s3.put_object(Bucket="example-backups", Key=f"test-consul/aws/{number}", Body=b"")
    assert len(keeps.run("list").stdout.split()) == 1001


@pytest.mark.live
def test_a_bucket_that_is_gone_is_said_in_a_sentence(keeps, tmp_path):
    settings = json.loads(keeps.settings.read_text()) | {"bucket": "nobodys"}
    keeps.settings.write_text(json.dumps(settings))
    done = keeps.run("put", "a.snap", str(keeps.settings))
    assert done.returncode == 1
    assert "S3 does not take it: " in done.stderr
    assert "Traceback" not in done.stderr


# The bucket, made by the real provider


@pytest.mark.terraform
@pytest.mark.live
def test_the_real_provider_makes_the_bucket_and_does_not_destroy_what_is_kept(
    stack, synth, tmp_path, account
):
    servers(stack, Snapshots())
    made = synth()
    wanted = [
        f"-target={kind}.{name}"
        for kind, blocks in made["resource"].items()
        for name in blocks
        if kind.startswith(BUCKET)
    ]
    folder = tmp_path / "cdktf.out" / "stacks" / "test"
    # The engine would have the state beside wherever the tests run.
    made["terraform"]["backend"] = {"local": {"path": str(tmp_path / "terraform.tfstate")}}
    (folder / "cdk.tf.json").write_text(json.dumps(made))

    def terraform(*words, check=True):
        done = subprocess.run(
            [program("terraform"), *words], cwd=folder, env=dict(account.environment),
            check=False, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    terraform("init", "-input=false")
    terraform("apply", "-auto-approve", *wanted)
    s3 = account.client("s3")
    (bucket,) = [
        one["Name"] for one in s3.list_buckets()["Buckets"] if one["Name"].startswith("test-consul")
    ]
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert f"arn:aws:s3:::{bucket}/*" in statement["Resource"]
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] == 7
    done = terraform("plan", "-detailed-exitcode", *wanted, check=False)
    assert done.returncode == 0, done.stdout
    copy = {"Bucket": bucket, "Key": "test-consul/aws/a.snap"}
    with pytest.raises(ClientError, match="Forbidden"):
        s3.put_object(**copy, Body=b"sent without TLS")
    s3.delete_bucket_policy(Bucket=bucket)  # the emulator has no TLS
    s3.put_object(**copy, Body=b"kept")
    done = terraform("destroy", "-auto-approve", *wanted, check=False)
    assert done.returncode == 1
    assert "BucketNotEmpty" in done.stderr
    assert s3.get_object(**copy)["Body"].read() == b"kept"
