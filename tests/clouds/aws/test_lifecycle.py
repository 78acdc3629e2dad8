"""What a machine and its group say to each other; tests/lab has machines say it to an emulator."""

from __future__ import annotations

import http.server
import json
import threading
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from crossgate import AutoScalingGroup, Capacity, ConsulServers, HAProxyNodes, Health, Service
from crossgate.clouds.aws.programs import lifecycle
from crossgate.errors import RefusedError
from crossgate.model.listener import Listener
from crossgate.model.market import Spot
from crossgate.model.text import Text
from tests.contract.conftest import CLOUDS

API = Service(name="api", port=9190, command=["/usr/bin/api"], drain=timedelta(seconds=45))


@pytest.fixture
def aws(stack):
    return CLOUDS["aws"](stack, "aws", "10.20.0.0/16")


def built(stack, aws, *, discovery=True, **given):
    consul = ConsulServers(stack, "consul", clouds=[aws]) if discovery else None
    AutoScalingGroup(
        stack, "api", clouds=[aws], **{"service": API, "discovery": consul, "capacity": Capacity(2)}
        | given
    )  # fmt: skip
    return consul


def hooks(made, name):
    """Return the hooks of a group by their names."""
    (group,) = (
        one for one in made["resource"]["aws_autoscaling_group"].values() if one["name"] == name
    )
    return {hook["name"]: hook for hook in group.get("initial_lifecycle_hook", ())}, group


def test_a_machine_that_is_not_ready_in_time_is_given_up(stack, synth, aws):
    built(stack, aws, health=Health(grace=timedelta(minutes=7)))
    found, _ = hooks(synth(), "test-api")
    assert found["ready"]["lifecycle_transition"] == "autoscaling:EC2_INSTANCE_LAUNCHING"
    assert found["ready"]["default_result"] == "ABANDON"
    assert found["ready"]["heartbeat_timeout"] == 420


def test_a_machine_that_goes_has_its_drain_and_a_minute(stack, synth, aws):
    built(stack, aws)
    found, _ = hooks(synth(), "test-api")
    assert found["left"]["lifecycle_transition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
    assert found["left"]["default_result"] == "CONTINUE"
    assert found["left"]["heartbeat_timeout"] == 105


def test_terraform_waits_longer_than_a_machine_may_take(stack, synth, aws):
    built(stack, aws, health=Health(grace=timedelta(minutes=7)))
    _, group = hooks(synth(), "test-api")
    assert group["wait_for_capacity_timeout"] == "17m"


def test_a_server_has_to_be_a_voter_and_just_goes(stack, synth, aws):
    built(stack, aws)
    found, _ = hooks(synth(), "test-consul")
    assert list(found) == ["ready"]


def test_a_group_comes_after_those_who_say_that_it_is_ready(stack, synth, aws):
    built(stack, aws)
    made = synth()
    _, group = hooks(made, "test-api")
    (servers,) = (
        f"aws_autoscaling_group.{name}"
        for name, one in made["resource"]["aws_autoscaling_group"].items()
        if one["name"] == "test-consul"
    )
    assert servers in group["depends_on"]


def test_a_group_without_discovery_has_nobody_to_ask(stack, synth, aws):
    built(stack, aws, discovery=False)
    found, group = hooks(synth(), "test-api")
    assert (found, "wait_for_capacity_timeout" in group) == ({}, False)


def test_balancers_count_when_the_load_balancer_says_so(stack, synth, aws):
    consul = built(stack, aws)
    HAProxyNodes(
        stack, "edge", clouds=[aws], discovery=consul, listeners=[Listener(port=9000, to=API)]
    )
    found, _ = hooks(synth(), "test-edge")
    assert found == {}


def test_a_machine_may_answer_its_own_group_alone(stack, synth, aws):
    built(stack, aws)
    policies = synth()["resource"]["aws_iam_role_policy"].values()
    statements = [s for p in policies for s in json.loads(p["policy"])["Statement"]]
    own = {s["Resource"] for s in statements if "CompleteLifecycleAction" in str(s["Action"])}
    group = "arn:aws:autoscaling:us-east-1:*:autoScalingGroup:*:autoScalingGroupName"
    assert own == {f"{group}/test-api", f"{group}/test-consul"}


def test_a_machine_has_its_rights_from_its_start_to_its_end(stack, synth, aws):
    built(stack, aws)
    made = synth()["resource"]
    policies = {f"aws_iam_role_policy.{name}" for name in made["aws_iam_role_policy"]}
    waited = {one for p in made["aws_iam_instance_profile"].values() for one in p["depends_on"]}
    assert waited == policies


@pytest.mark.parametrize("grace", [timedelta(seconds=29), timedelta(hours=3)])
def test_what_aws_does_not_wait_is_refused(stack, aws, grace):
    with pytest.raises(RefusedError, match="30 seconds to 2 hours"):
        built(stack, aws, health=Health(grace=grace))


def test_a_drain_beyond_the_spot_notice_is_refused(stack, aws):
    slow = Service(name="api", port=9190, command=["/usr/bin/api"], drain=timedelta(seconds=76))
    with pytest.raises(RefusedError, match="two minutes after it says so"):
        built(stack, aws, service=slow, market=Spot())


class Metadata(http.server.BaseHTTPRequestHandler):
    """EC2's metadata service, as far as a machine asks it here."""

    said: dict[str, str] = {}  # noqa: RUF012  (a case sets it)

    def do_PUT(self):
        self.answer("a-token")

    def do_GET(self):
        known = self.headers["X-aws-ec2-metadata-token"] == "a-token"
        self.answer(self.said.get(self.path.removeprefix("/latest/meta-data/")) if known else None)

    def answer(self, text):
        self.send_response(404 if text is None else 200)
        self.end_headers()
        self.wfile.write((text or "").encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def metadata(monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(lifecycle, "_SERVICE", f"http://127.0.0.1:{server.server_port}/latest")
    monkeypatch.setattr(Metadata, "said", {})
    yield Metadata.said
    server.shutdown()
    thread.join()
    server.server_close()


class Group:
    """The Auto Scaling API, which remembers what was said or refuses it."""

    def __init__(self, refuses=None):
        self.heard = []
        self._refuses = refuses

    def complete_lifecycle_action(self, **given):
        if self._refuses:
            error = {"Code": self._refuses, "Message": "No active Lifecycle Action"}
            raise ClientError({"Error": error}, "CompleteLifecycleAction")
        self.heard.append(given)


def speaker(tmp_path, group, *, ready="true"):
    instance = tmp_path / "instance-id"
    instance.write_text("i-1\n")
    settings = {
        "group": "api",
        "instance": str(instance),
        "leave": ["touch", str(tmp_path / "gone")],
        "left": "left",
        "ready": "ready",
        "region": "us-east-1",
        "watch": ["sh", "-c", ready],
    }
    return lifecycle.Speaker(settings, group)


def test_it_says_once_that_it_is_ready(metadata, tmp_path):
    group = Group()
    own = speaker(tmp_path, group)
    assert not own.look()
    assert not own.look()
    assert group.heard == [
        {
            "AutoScalingGroupName": "api",
            "LifecycleHookName": "ready",
            "InstanceId": "i-1",
            "LifecycleActionResult": "CONTINUE",
        }
    ]


def test_it_does_not_say_so_before_it_is(metadata, tmp_path, capsys):
    group = Group()
    own = speaker(tmp_path, group, ready="echo no leader >&2; false")
    own.look()
    own.look()
    assert group.heard == []
    assert capsys.readouterr().out == "waits: no leader\n"


def test_after_a_reboot_nobody_waits_for_it(metadata, tmp_path, capsys):
    own = speaker(tmp_path, Group(refuses="ValidationError"))
    own.look()
    own.look()
    assert capsys.readouterr().out.count("nobody waits for ready") == 1


def test_what_it_may_not_say_it_says_again(metadata, tmp_path):
    own = speaker(tmp_path, Group(refuses="AccessDenied"))
    for _ in range(2):
        with pytest.raises(ClientError):
            own.look()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"autoscaling/target-lifecycle-state": "Terminated"}, "its group ends it"),
        ({"spot/instance-action": '{"action": "stop"}'}, 'EC2 takes it back: {"action": "stop"}'),
    ],
)
def test_it_leaves_before_it_says_that_it_has_left(metadata, tmp_path, capsys, said, why):
    metadata.update(said)
    group = Group()
    assert speaker(tmp_path, group).look()
    assert (tmp_path / "gone").exists()
    assert [one["LifecycleHookName"] for one in group.heard] == ["left"]
    assert capsys.readouterr().out == f"leaves: {why}\n"


@pytest.mark.parametrize("state", ["InService", "Warmed:Stopped"])
def test_it_stays_in_every_other_state(metadata, tmp_path, state):
    metadata["autoscaling/target-lifecycle-state"] = state
    assert not speaker(tmp_path, Group()).look()


def test_without_metadata_it_is_ready_all_the_same(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(lifecycle, "_SERVICE", "http://127.0.0.1:1/latest")
    group = Group()
    speaker(tmp_path, group).look()
    assert len(group.heard) == 1
    assert "the metadata service does not answer" in capsys.readouterr().out


def test_its_own_service_runs_it_until_it_has_left(stack, aws, synth):
    built(stack, aws)
    texts = [str(text) for text in synth()["locals"].values()]
    (api,) = (text for text in texts if '"left": "left"' in Text.of(text).sample())
    assert "lifecycle.py /etc/crossgate/lifecycle.json" in api
    assert "Restart=on-failure" in api


STATE = "autoscaling/target-lifecycle-state"


def resting(tmp_path, group, **given):
    """Return the speaker of a machine of a warm pool; it puts its files away as it rejoins."""
    own = speaker(tmp_path, group, **given)
    own._settings["rejoin"] = ["rm", str(tmp_path / "gone")]
    return own


def words(group):
    return [one["LifecycleHookName"] for one in group.heard]


def test_a_machine_of_a_warm_pool_leaves_before_it_says_that_it_has_booted(metadata, tmp_path):
    metadata[STATE] = "Warmed:Stopped"
    group = Group()
    own = resting(tmp_path, group)
    assert not own.look()
    assert (tmp_path / "gone").exists()
    assert not own.look()
    assert words(group) == ["ready"]


def test_a_machine_of_a_warm_pool_does_not_rest_before_it_has_booted(metadata, tmp_path):
    metadata[STATE] = "Warmed:Hibernated"
    group = Group()
    resting(tmp_path, group, ready="false").look()
    assert (words(group), (tmp_path / "gone").exists()) == ([], False)


def test_a_machine_that_was_frozen_goes_on_in_its_work_and_says_so(metadata, tmp_path):
    metadata[STATE] = "Warmed:Hibernated"
    group = Group()
    own = resting(tmp_path, group)
    own.look()
    metadata[STATE] = "InService"
    own.look()
    own.look()
    assert (words(group), (tmp_path / "gone").exists()) == (["ready", "ready"], False)


def test_a_machine_at_rest_stays_there_while_nobody_says_more(metadata, tmp_path):
    metadata[STATE] = "Warmed:Stopped"
    group = Group()
    own = resting(tmp_path, group)
    own.look()
    metadata.clear()
    own.look()
    assert (words(group), (tmp_path / "gone").exists()) == (["ready"], True)


def test_a_machine_that_goes_back_into_the_pool_leaves_its_work_first(metadata, tmp_path):
    group = Group()
    own = resting(tmp_path, group)
    own.look()
    metadata[STATE] = "Warmed:Stopped"
    own.look()
    assert (words(group), (tmp_path / "gone").exists()) == (["ready", "left"], True)
