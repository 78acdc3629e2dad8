"""How a member of a group says that it is ready; tests/lab has real ones say it to a real Heat."""

from __future__ import annotations

import http.server
import json
import threading
from datetime import timedelta
from importlib.resources import files as resources

import pytest
import yaml

from crossgate import Health
from crossgate.boot import cloud_init
from crossgate.clouds.openstack import ready
from crossgate.clouds.openstack.programs import heat_ready
from crossgate.clouds.openstack.programs.heat_keeper.heat import members
from crossgate.model.capacity import Capacity
from crossgate.model.text import Text
from tests.clouds.openstack.ids import by_ids, group_spec, machines_spec, only
from tests.clouds.openstack.test_group import STACK, template
from tests.clouds.openstack.test_keeper import WATCH

TEMPLATE = yaml.safe_load(
    resources("crossgate.clouds.openstack.templates").joinpath("member.yaml").read_text()
)


def member(stack, synth, **changes):
    cloud = by_ids(stack)
    cloud.group(stack, "group", group_spec(cloud, stack, watch=WATCH, service="api", **changes))
    return template(synth())["resources"]["group"]["properties"]["resource"]


def test_a_member_is_a_group_of_one_that_launches_before_it_terminates(stack, synth):
    found = member(stack, synth)
    assert found["type"] == "OS::Heat::AutoScalingGroup"
    inner = found["properties"]
    assert (inner["min_size"], inner["max_size"], inner["desired_capacity"]) == (1, 1, 1)
    assert inner["rolling_updates"]["min_in_service"] == 1


def test_heat_waits_for_it_as_long_as_its_grace(stack, synth):
    found = member(stack, synth, health=Health(grace=timedelta(minutes=7)))
    assert found["properties"]["resource"]["properties"]["patience"] == 420


def test_its_template_lies_beside_the_json_and_is_named_by_what_it_holds(stack, synth):
    kind = member(stack, synth)["properties"]["resource"]["type"]
    assert kind.startswith("file:///proc/self/cwd/assets/")
    assert kind.endswith("/member.yaml")


def test_all_that_a_server_is_given_is_a_parameter_of_the_template(stack, synth):
    given = member(stack, synth)["properties"]["resource"]["properties"]
    assert set(given) <= set(TEMPLATE["parameters"])
    needed = {name for name, one in TEMPLATE["parameters"].items() if "default" not in one}
    assert needed <= set(given)


def test_the_template_hands_on_all_of_it():
    text = json.dumps(TEMPLATE["resources"])
    for name in TEMPLATE["parameters"]:
        assert f'{{"get_param": "{name}"}}' in text


def test_the_group_comes_after_those_who_say_that_it_is_ready(stack, synth):
    cloud = by_ids(stack)
    spec = machines_spec(cloud, stack, watch=WATCH)
    cloud.machines(stack, "servers", spec)
    cloud.group(stack, "group", group_spec(cloud, stack, watch=WATCH))
    made = synth()
    servers = {f"openstack_compute_instance_v2.{name}" for name in
               made["resource"]["openstack_compute_instance_v2"]}  # fmt: skip
    assert servers <= set(only(made, STACK)["depends_on"])


def test_a_group_without_discovery_has_nobody_to_ask(stack, synth):
    cloud = by_ids(stack)
    cloud.group(stack, "group", group_spec(cloud, stack))
    found = template(synth())["resources"]["group"]["properties"]["resource"]
    assert found["type"] == "OS::Nova::Server"


def test_what_heat_does_not_hear_any_more_is_refused():
    (refusal,) = ready.refusals(group_spec(watch=WATCH, health=Health(grace=timedelta(hours=2))))
    assert "Heat no longer hears" in str(refusal)


def test_a_group_too_large_for_heat_is_told_how_large_it_may_be(stack):
    cloud = by_ids(stack)
    spec = group_spec(cloud, stack, watch=WATCH, capacity=Capacity(2, 300))
    assert any("a maximum of 165" in str(refusal) for refusal in cloud.refusals(spec))


def test_the_machine_has_what_it_says_it_with():
    spec = ready.telling(group_spec(watch=WATCH, service="api"))
    written = {file.path: file for _, file in spec.document.written()}
    settings = written["/etc/crossgate/ready.json"]
    assert settings.mode == 0o600
    said = json.loads(Text.of(settings.text).sample())
    assert said["watch"] == [*WATCH.program, "ready", "api"]
    replaced = TEMPLATE["resources"]["server"]["properties"]["user_data"]["str_replace"]["params"]
    assert list(replaced) == said["heat"]


def test_what_is_replaced_is_there_once():
    text = cloud_init.render(ready.telling(group_spec(watch=WATCH)).document).sample()
    for word in ("crossgate-ready-endpoint", "crossgate-ready-token"):
        assert text.count(word) == 1


class Heat(http.server.BaseHTTPRequestHandler):
    """What a member says it to."""

    answers = 200
    heard: list[tuple[str, str]] = []  # noqa: RUF012  (a case empties it)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.heard.append((self.headers["X-Auth-Token"], json.loads(body)["status"]))
        self.send_response(self.answers)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def heat(monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Heat)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(Heat, "heard", [])
    monkeypatch.setattr(Heat, "answers", 200)
    yield f"http://127.0.0.1:{server.server_port}/signal"
    server.shutdown()
    thread.join()
    server.server_close()


def settings(endpoint, ready="true"):
    return {"heat": [endpoint, "a-token"], "watch": ["sh", "-c", ready]}


def test_it_says_so_when_it_is_ready(heat):
    assert heat_ready.look(settings(heat)) == (True, "is ready, and Heat knows")
    assert Heat.heard == [("a-token", "SUCCESS")]


def test_it_waits_until_it_is(heat):
    found = heat_ready.look(settings(heat, "echo no leader >&2; false"))
    assert (found, Heat.heard) == ((False, "waits: no leader"), [])


@pytest.mark.parametrize("code", [409, 429, 503])
def test_when_heat_cannot_hear_it_now_it_says_it_again(heat, monkeypatch, code):
    monkeypatch.setattr(Heat, "answers", code)
    done, said = heat_ready.look(settings(heat))
    assert not done
    assert str(code) in said


def test_when_heat_is_away_it_says_it_again():
    assert not heat_ready.look(settings("http://127.0.0.1:1/signal"))[0]


@pytest.mark.parametrize("code", [401, 404])
def test_after_a_reboot_nobody_listens_and_that_is_no_failure(heat, monkeypatch, code):
    monkeypatch.setattr(Heat, "answers", code)
    done, said = heat_ready.look(settings(heat))
    assert done
    assert said == f"is ready; Heat does not listen any more ({code})"


KIND = "file:///proc/self/cwd/assets/nova/1/member.yaml"


def resource(name, parent, kind, id, status="CREATE_COMPLETE"):
    return {
        "resource_name": name,
        "parent_resource": parent,
        "resource_type": kind,
        "physical_resource_id": id,
        "resource_status": status,
    }


def of_one(member, one, server, status="CREATE_COMPLETE"):
    return [
        resource(one, member, KIND, f"{one}-stack", status),
        resource("handle", one, "OS::Heat::WaitConditionHandle", "h"),
        resource("server", one, "OS::Nova::Server", server),
        resource("ready", one, "OS::Heat::WaitCondition", ""),
    ]


def outer(name):
    return resource(name, "group", "OS::Heat::AutoScalingGroup", f"{name}-stack")


def test_the_keeper_finds_the_server_of_each_member():
    found = members([outer("a"), outer("b"), *of_one("a", "x", "s-1"), *of_one("b", "y", "s-2")])
    assert found == {"a": "s-1", "b": "s-2"}


@pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "CREATE_FAILED"])
def test_beside_one_that_does_not_serve_yet_the_one_that_does_is_meant(status):
    old, new = of_one("a", "x", "s-1"), of_one("a", "y", "s-2", status)
    for order in ([*old, *new], [*new, *old]):
        assert members([outer("a"), *order]) == {"a": "s-1"}


def test_a_member_that_is_being_made_has_no_server_yet():
    assert members([outer("a")]) == {"a": ""}
    assert members([outer("a"), resource("x", "a", KIND, "", "INIT_COMPLETE")]) == {"a": ""}
