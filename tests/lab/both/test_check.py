"""`crossgate check` against a real control plane of OpenStack that lacks things on purpose.

It stands before the tests of both clouds, which use the same control plane.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crossgate import (
    JETSTREAM2,
    App,
    Capacity,
    Gateway,
    GroupPlan,
    Image,
    Listener,
    OpenStackCloud,
    TerraformStack,
)
from crossgate.cli.app import run
from lab.machine import until
from stacks.gateway import API

if TYPE_CHECKING:
    from lab.control_plane.plane import ControlPlane

pytestmark = [
    pytest.mark.openstack,
    # openstacksdk warns of how it calls itself.
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"),
]

STACK = "checked-gw-api"
TAG = "crossgate-keeper=checked-gw-discovery"


@pytest.fixture(scope="module")
def out(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where a gateway for the control plane is synthesized, and not deployed."""
    folder = tmp_path_factory.mktemp("checked") / "cdktf.out"
    folder.mkdir()
    app = App(outdir=str(folder))
    stack = TerraformStack(app, "checked")
    profile = replace(
        JETSTREAM2, auth_url=plane.project.url, region="RegionOne", images={}, designate=False
    )
    nova = OpenStackCloud(
        stack, "nova", profile=profile, image=Image(name="debian-12"), network="10.30.0.0/16"
    )
    Gateway(
        stack,
        "gw",
        clouds=[nova],
        services=[GroupPlan(service=API, capacity=Capacity(2, 4))],
        listeners=[Listener(port=9000, to=API, allow_from=["198.51.100.0/24"])],
    )
    app.synth()
    return folder


@dataclass
class Checked:
    """What one run said."""

    code: int
    text: str
    error: str
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.text.strip():
            (cloud,) = json.loads(self.text)["clouds"]
            self.rows = {row["what"]: row for row in cloud["findings"]}
            self.cloud = cloud

    def of(self, verdict: str) -> list[str]:
        return [what for what, row in self.rows.items() if row["verdict"] == verdict]


Check = Callable[..., Checked]


@pytest.fixture
def check(plane, out, monkeypatch, capsys) -> Check:
    for name, value in plane.project.environment.items():
        if name.startswith("OS_"):
            monkeypatch.setenv(name, value)

    def checked(*more: str, app_out: Path = out) -> Checked:
        capsys.readouterr()
        code = run(["check", "--app-out", str(app_out), "--json", *more])
        said = capsys.readouterr()
        return Checked(code, said.out, said.err)

    return checked


@pytest.fixture
def changed(out, tmp_path) -> Callable[[Callable[[dict[str, Any]], None]], Path]:
    def copy(change: Callable[[dict[str, Any]], None]) -> Path:
        made = json.loads((out / "stacks/checked/cdk.tf.json").read_text())
        change(made)
        folder = tmp_path / "cdktf.out" / "stacks" / "checked"
        folder.mkdir(parents=True)
        (folder / "cdk.tf.json").write_text(json.dumps(made))
        return tmp_path / "cdktf.out"

    return copy


@pytest.fixture
def operator(plane) -> Any:
    return plane.project.operate()


def test_where_everything_is_there_nothing_is_missing(check):
    found = check()
    assert (found.code, found.of("missing"), found.of("could not ask"), found.of("warn")) == (
        *(0, [], [], []),
    )
    assert found.rows["servers"]["needed"] == "10 more"
    assert found.rows["cores"]["needed"] == "20 more"
    assert found.rows["flavor m3.small"]["found"] == "2 cpu, 6 GiB memory, 20 GiB disk"
    assert found.rows["credential"]["found"] == "password of deployer"
    assert found.rows["ready profile"]["found"].startswith("none; the nearest is jetstream2")


def test_the_catalogue_suggests_a_profile(check):
    profile = check().cloud["profile"]
    assert '"m3.small": Flavor(cpu=2, memory=6, disk=20)' in profile
    assert 'zones=["nova"]' in profile
    assert "heat=True" in profile
    assert "octavia=True" in profile
    assert "designate" not in profile


def test_no_secret_is_said(check, plane):
    found = check()
    assert plane.project.password not in found.text + found.error


class TestQuotas:
    @pytest.fixture(autouse=True)
    def _small(self, operator, plane) -> Iterator[None]:
        name = plane.project.name
        (owner,) = operator.identity.projects(name=name)
        any_number = {"instances": -1, "cores": -1, "ram": -1, "server_group_members": -1}
        networks = {"security_groups": -1, "floating_ips": -1}
        operator.set_compute_quotas(name, instances=9, cores=20, ram=1024, server_group_members=4)
        operator.network.update_quota(owner.id, security_groups=3, floating_ips=0)
        operator.load_balancer.update_quota(owner.id, load_balancers=0)
        yield
        operator.set_compute_quotas(name, **any_number)
        operator.network.update_quota(owner.id, **networks)
        operator.load_balancer.delete_quota(owner.id)

    def test_what_does_not_fit_is_missing_and_nothing_else(self, check):
        found = check()
        assert found.code == 1
        assert sorted(found.of("missing")) == [
            *("floating addresses", "load balancers", "members of a server group", "memory"),
            *("security groups", "servers"),
        ]
        assert found.rows["servers"]["found"] == "0 of 9 in use"
        assert found.rows["servers"]["do"].startswith("ask the operator for a quota of 10")
        # The one named "default" is Neutron's.
        assert found.rows["security groups"]["found"].endswith("of 3 in use")


def test_a_flavor_an_image_and_a_zone_that_are_not_there_are_missing(check, changed):
    def change(made):
        (machine, *_) = made["resource"]["openstack_compute_instance_v2"].values()
        machine |= {"flavor_name": "m3.smal", "availability_zone": "north"}
        (image,) = made["data"]["openstack_images_image_v2"].values()
        image["name"] = "debian-21"

    found = check(app_out=changed(change))
    assert found.code == 1
    assert found.of("missing") == ["flavor m3.smal", 'image "debian-21"', "zone north"]
    assert "m3.small" in found.rows["flavor m3.smal"]["do"]


def test_a_network_that_does_not_lead_out_is_missing(check, changed):
    def change(made):
        (address,) = made["resource"]["openstack_networking_floatingip_v2"].values()
        address["pool"] = "campus"

    assert check(app_out=changed(change)).of("missing") == ["external network campus"]


def test_a_region_that_is_not_there_is_missing_whatever_the_environment_names(check, changed):
    def change(made):
        made["provider"]["openstack"][0]["region"] = "North"

    found = check(app_out=changed(change))
    assert found.code == 1
    assert found.rows["region North"]["found"].endswith("there are RegionOne")


def test_without_octavia_in_the_catalogue_the_entry_is_missing(check, operator):
    (service,) = operator.identity.services(type="load-balancer")
    endpoints = list(operator.identity.endpoints(service_id=service.id))
    try:
        for one in endpoints:
            operator.identity.update_endpoint(one.id, is_enabled=False)
        found = check()
    finally:
        for one in endpoints:
            operator.identity.update_endpoint(one.id, is_enabled=True)
    assert (found.code, found.of("missing")) == (1, ["service Octavia (load-balancer)"])
    assert "octavia" not in found.cloud["profile"]


@pytest.fixture(scope="module")
def credentials(plane: ControlPlane) -> Iterator[Mapping[bool, Any]]:
    """Return two application credentials of the user: by whether it is unrestricted."""
    who = plane.project.deploy()
    user = who.current_user_id
    made = {
        unrestricted: who.identity.create_application_credential(
            user=user, name=f"check-{unrestricted}", unrestricted=unrestricted
        )
        for unrestricted in (False, True)
    }
    yield made
    for one in made.values():
        who.identity.delete_application_credential(user, one.id)


@pytest.fixture
def credential(credentials, check, monkeypatch) -> Callable[..., None]:
    """Return what makes the environment that of an application credential."""

    def use(*, unrestricted: bool) -> None:
        for name in ("OS_USERNAME", "OS_PASSWORD", "OS_PROJECT_NAME"):
            monkeypatch.delenv(name)
        for name in ("OS_USER_DOMAIN_NAME", "OS_PROJECT_DOMAIN_NAME"):
            monkeypatch.delenv(name)
        one = credentials[unrestricted]
        monkeypatch.setenv("OS_APPLICATION_CREDENTIAL_ID", one.id)
        monkeypatch.setenv("OS_APPLICATION_CREDENTIAL_SECRET", one.secret)

    return use


class TestApplicationCredentials:
    def test_a_restricted_one_cannot_make_the_keepers(self, check, credential):
        credential(unrestricted=False)
        found = check()
        assert found.code == 1
        assert found.of("missing") == ["right to make an application credential"]
        assert found.of("warn") == ["trusts of Keystone"]
        assert found.rows["credential"]["found"] == "application credential check-False"
        assert 'credential="application-credential"' in found.cloud["profile"]

    def test_an_unrestricted_one_is_warned_of(self, check, credential):
        credential(unrestricted=True)
        found = check()
        assert (found.code, found.of("missing")) == (0, [])
        assert found.of("warn") == ["trusts of Keystone"]


def test_a_password_that_is_wrong_is_a_sentence_and_2(check, monkeypatch):
    monkeypatch.setenv("OS_PASSWORD", "wrong-horse-battery")
    found = check()
    assert found.code == 2
    assert found.cloud["failed"].startswith("The request you have made requires authentication")
    assert "wrong-horse-battery" not in found.text + found.error


class Heat:
    """Stacks as Terraform would have made them, or somebody else."""

    def __init__(self, heat: Any) -> None:
        self.heat = heat

    def template(self, flavor: str, description: str) -> dict[str, Any]:
        member = {
            "type": "OS::Nova::Server",
            "properties": {
                "flavor": flavor,
                "image": "debian-12",
                "networks": [{"network": "public"}],
            },
        }
        group = {"min_size": 1, "max_size": 1, "resource": member}
        return {
            "heat_template_version": "2018-08-31",
            "description": description,
            "resources": {"group": {"type": "OS::Heat::AutoScalingGroup", "properties": group}},
        }

    def make(self, flavor: str, *, by: str = ", made by crossgate", tag: str = TAG) -> Any:
        made = self.heat.create_stack(
            name=STACK,
            template=self.template(flavor, f"{STACK}{by}"),
            tags=tag,
            disable_rollback=True,
            timeout_mins=5,
        )
        return self.wait(made.id)

    def update(self, stack: Any, flavor: str) -> Any:
        self.heat.update_stack(
            stack.id,
            template=self.template(flavor, f"{STACK}, made by crossgate"),
            tags=TAG,
            disable_rollback=True,
            timeout_mins=5,
        )
        time.sleep(1)  # until then Heat tells of what was before
        return self.wait(stack.id)

    def wait(self, id: str) -> Any:
        until(
            lambda: "IN_PROGRESS" not in self.heat.get_stack(id).status,
            seconds=120,
            what="Heat has ended",
        )
        return self.heat.get_stack(id)

    def names(self) -> list[str]:
        return [stack.name for stack in self.heat.stacks()]

    def clear(self) -> None:
        for stack in self.heat.stacks():
            if stack.name == STACK:
                self.heat.delete_stack(stack.id)
        until(lambda: STACK not in self.names(), seconds=120, what="the stack is gone")


@pytest.fixture(scope="class")
def heat(plane: ControlPlane) -> Iterator[Heat]:
    heat = Heat(plane.project.deploy().orchestration)
    yield heat
    heat.clear()


@pytest.fixture(scope="class")
def served(heat: Heat) -> Any:
    served = heat.make("m3.tiny")
    assert served.status == "CREATE_COMPLETE"
    return served


ROW = f"Heat stack {STACK}"


class TestOfWhatAFailedCreateLeft:
    def test_it_is_named_and_removed_after_a_question(self, check, heat, monkeypatch):
        left = heat.make("m9.huge")
        assert left.status == "CREATE_FAILED"
        found = check()
        assert (found.code, found.of("missing")) == (1, [ROW])
        assert f"openstack stack delete {left.id}" in found.rows[ROW]["do"]

        monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
        refused = check("--remove-orphans")
        assert f"Heat stack {STACK} ({left.id}), CREATE_FAILED: delete it?" in refused.error
        assert refused.of("missing") == [ROW]
        monkeypatch.setattr("sys.stdin", io.StringIO())
        unanswered = check("--remove-orphans")
        assert unanswered.code == 2
        assert "nobody answers, so nothing is removed" in unanswered.error
        assert STACK in heat.names()

        removed = check("--remove-orphans", "--yes")
        assert (removed.code, removed.of("missing")) == (0, [])
        assert STACK not in heat.names()

    def test_one_of_somebody_else_is_told_and_kept(self, check, heat):
        heat.make("m9.huge", by=" of another team", tag="theirs")
        found = check("--remove-orphans", "--yes")
        assert "not ours" in found.rows[ROW]["found"]
        assert STACK in heat.names()


class TestOfAStackThatServes:
    def test_it_is_none_when_the_state_has_it(self, check, served, out, tmp_path):
        made = json.loads((out / "stacks/checked/cdk.tf.json").read_text())
        (name,) = made["resource"]["openstack_orchestration_stack_v1"]
        state = tmp_path / "pulled.tfstate"
        resource = {
            "mode": "managed",
            "type": "openstack_orchestration_stack_v1",
            "name": name,
            "instances": [{"attributes": {"id": served.id}}],
        }
        state.write_text(json.dumps({"version": 4, "resources": [resource]}))
        found = check("--state", str(state))
        assert (found.code, found.of("missing")) == (0, [])
        assert found.rows["servers"]["needed"] == "8 more"

    def test_it_is_not_removed_also_when_its_last_change_failed(self, check, served, heat):
        changed = heat.update(served, "m9.huge")
        assert changed.status == "UPDATE_FAILED"
        found = check("--remove-orphans", "--yes")
        assert (found.code, found.of("missing")) == (1, [ROW])
        assert "with machines" in found.rows[ROW]["found"]
        assert STACK in heat.names()
