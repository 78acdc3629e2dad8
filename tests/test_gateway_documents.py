"""Every boot document of the two-cloud gateway, judged by the programs that will read it."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from crossgate import App, Reference, TerraformOutput, Text
from crossgate.balancers.haproxy.settings import LAYOUT
from crossgate.boot.cloud_init import render
from crossgate.boot.document import Document, unit_path
from crossgate.boot.script import BOOT_SCRIPT
from crossgate.clouds.aws import machines as aws_machines
from crossgate.clouds.aws import secrets as aws_secrets
from crossgate.clouds.openstack import group as openstack_group
from crossgate.clouds.openstack import machines as openstack_machines
from crossgate.discovery.consul.programs.consul_tokens import Secret
from stacks.gateway import GatewayStack
from tests.boot import programs
from tests.discovery.consul.programs import (
    assert_consul_accepts,
    configuration,
    rendered,
    running_consul,
)
from tools.toolbox import environment, program

MACHINES = [
    (cloud, f"gateway-gw-{name}")
    for cloud in ("aws", "nova")
    for name in ("api", "discovery", "edge")
]
BALANCERS = [machine for machine in MACHINES if machine[1].endswith("-edge")]
_SECRET = re.compile(r"(?<=\[)random_password\.[a-z0-9_-]+\.result", re.IGNORECASE)
_TOKEN = re.compile(
    rf'\$\{{uuidv5\("dns", join\("/", \[({_SECRET.pattern}), "(.*)"\]\)\)\}}', re.IGNORECASE
)
_LOCAL = re.compile(r"\$\{local\.([A-Za-z0-9_-]+)\}")
_SUM = re.compile(r"\$\{sha256\(local\.([A-Za-z0-9_-]+)\)\}")
_OF_A_RESOURCE = re.compile(r"\$\{(?:\[for one in )?(?:aws|openstack|random|tls)_[^${}]+\}")


AUTHORITY = trustme.CA()
LEAF = AUTHORITY.issue_cert("balancers.example.org")
PEMS = {
    re.compile(r"tls_self_signed_cert\..*\.cert_pem"): AUTHORITY.cert_pem,
    re.compile(r"tls_locally_signed_cert\..*\.cert_pem"): LEAF.cert_chain_pems[0],
    re.compile(r"tls_private_key\..*\.private_key_pem"): LEAF.private_key_pem,
}


@dataclass
class Built:
    """The gateway as it was built and written.

    Attributes:
        documents: what each cloud was asked to give to its machines, by cloud and name.
        sent: what is left of it in user data, where machines fetch the rest.
        json: what synthesis wrote.
        known: a value for each thing that only Terraform knows.

    """

    documents: dict[tuple[str, str], Document] = field(default_factory=dict)
    sent: dict[tuple[str, str], Document] = field(default_factory=dict)
    json: dict[str, Any] = field(default_factory=dict)
    known: dict[Reference, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build the example, listening to what its clouds are asked."""
    found = Built()
    folder = tmp_path_factory.mktemp("gateway")
    app = App(outdir=str(folder))
    with pytest.MonkeyPatch.context() as patch:
        # Where a cloud builds: what it adds of its own for its machines is in their document then.
        for module, function in (
            (aws_machines, "fixed"),
            (aws_machines, "group"),
            (openstack_group, "group"),
            (openstack_machines, "fixed"),
        ):
            patch.setattr(module, function, _listening(getattr(module, function), found))
        patch.setattr(aws_secrets, "kept", _apart(aws_secrets.kept, found))
        stack = GatewayStack(app, "gateway")
    written = [*found.documents.values(), *found.sent.values()]
    references = {r for d in written for r in render(d).references()}
    # The engine says in an output what stands behind a token.
    outputs = {r: TerraformOutput(stack, f"o{n}", value=r.token) for n, r in enumerate(references)}
    app.synth()
    found.json = json.loads((folder / "stacks" / "gateway" / "cdk.tf.json").read_text())
    for reference, output in outputs.items():
        expression = found.json["output"][output.friendly_unique_id]["value"]
        if summed := _SUM.fullmatch(expression):
            written = found.json["locals"][summed[1]]
            text = _OF_A_RESOURCE.sub(lambda said: value(said[0]), written)
            found.known[reference] = hashlib.sha256(text.encode()).hexdigest()
        elif (named := _LOCAL.fullmatch(expression)) and "${" not in (
            text := found.json["locals"][named[1]]
        ):
            found.known[reference] = text
        else:
            found.known[reference] = value(expression)
    return found


def _listening(build: Any, found: Built) -> Any:
    def listening(cloud: Any, scope: Any, spec: Any) -> Any:
        found.documents[cloud.name, spec.name] = spec.document
        return build(cloud, scope, spec)

    return listening


def _apart(keep: Any, found: Built) -> Any:
    def keeping(cloud: Any, scope: Any, spec: Any) -> Any:
        kept = keep(cloud, scope, spec)
        found.sent[cloud.name, spec.name] = kept.document
        return kept

    return keeping


def value(expression: str) -> str:
    """Return what stands for the value of an expression of Terraform, of the same kind."""
    if token := _TOKEN.fullmatch(expression):
        # As Consul's servers work it out.
        return Secret(1, value(f"${{{token[1]}}}")).token(token[2])
    made = hashlib.sha256(expression.encode()).digest()
    if "fixed_ips" in expression:
        return f"10.30.0.{made[0]}"
    if ".public_ip" in expression or "floatingip" in expression:
        return f"203.0.113.{made[0]}"
    for asked, pem in PEMS.items():
        if asked.search(expression):
            return pem.bytes().decode()
    return base64.b64encode(made).decode() if ".base64" in expression else made.hex()


@pytest.fixture(params=MACHINES, ids="/".join)
def document(request: pytest.FixtureRequest, built: Built) -> Document:
    return built.documents[request.param]


def test_every_machine_of_the_gateway_is_here(built):
    assert sorted(built.documents) == MACHINES


@pytest.mark.root
def test_the_programs_of_a_machine_accept_its_document(document, tmp_path):
    """cloud-init takes all of it, systemd its units, shellcheck its scripts."""
    programs.assert_accepted(document, tmp_path)


def test_cloud_init_finds_the_files_and_the_script_and_nothing_else(document):
    """cloud-init's own schema lets a misspelt key pass."""
    found = yaml.safe_load(render(document).sample())
    assert set(found) == {"write_files", "runcmd"}
    paths = [file.path for _, file in document.written()]
    assert sorted(entry["path"] for entry in found["write_files"]) == sorted([*paths, BOOT_SCRIPT])
    assert found["runcmd"] == [["sh", BOOT_SCRIPT]]


def test_no_unit_escapes_systemds_eye(document):
    """What is a unit by its name is one in the document, and so was verified."""
    units = {unit_path(unit.name) for unit in document.units if unit.text is not None}
    assert {f.path for _, f in document.written() if f.path.endswith(".service")} == units
    assert units


@pytest.mark.live
def test_consul_accepts_its_configuration(built, document, tmp_path):
    assert {"agent.json", "acl.json"} <= set(configuration(document))
    assert_consul_accepts(document, tmp_path, built.known)


@pytest.fixture(scope="module")
def consul_address() -> Iterator[str]:
    """A Consul that knows two machines which run the API."""
    with running_consul() as consul:
        for number in (1, 2):
            consul.register(f"api-{number}", f"10.20.0.{number}", "api", 9190, "passing")
        yield consul.address


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder with a short name: a socket's path has 97 letters at most."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.live
@pytest.mark.root
@pytest.mark.parametrize("machine", BALANCERS, ids="/".join)
def test_haproxy_accepts_what_consul_template_makes_of_two_servers(
    built, consul_address, tmp_path, home, machine
):
    files = {
        file.path: Text.of(file.text).sample(known=built.known)
        for _, file in built.documents[machine].written()
    }
    (settings,) = (json.loads(t) for p, t in files.items() if p.endswith("haproxy.json"))
    (wanted,) = settings["template"]
    assert wanted["destination"] == LAYOUT.staged
    text = rendered(
        tmp_path,
        files[wanted["source"]],
        consul_address,
        left=wanted["left_delimiter"],
        right=wanted["right_delimiter"],
    )
    servers = re.findall(r"^ +server (?!own |nova-|aws-)\S+ (\S+)", text, re.MULTILINE)
    assert servers == ["10.20.0.1:9190", "10.20.0.2:9190"]
    config = _at_home(text, files, home)
    done = subprocess.run(
        [program("haproxy"), "-c", "-dW", "-V", "-f", config],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Configuration file is valid" in done.stdout


def _at_home(text: str, files: Mapping[str, str], root: Path) -> Path:
    """Write a balancer's configuration, with the files that it names, below a root of its own."""
    for place in dataclasses.asdict(LAYOUT).values():
        path = root / place[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        # Some are how the names of several begin.
        for name, held in files.items():
            if name.startswith(place):
                (root / name[1:]).write_text(held)
        text = text.replace(f" {place}", f" {path}")
    (root / LAYOUT.chroot[1:]).mkdir(parents=True, exist_ok=True)
    (root / LAYOUT.states[1:]).write_text("1\n")  # as haproxy_process.py writes it at the start
    config = root / "haproxy.cfg"
    config.write_text(text)
    return config


@pytest.mark.terraform
def test_a_machine_receives_its_document_byte_for_byte(built, tmp_path):
    """Through the JSON and the real Terraform, as user data or inside a Heat template."""
    expressions = dict(_given(built.json["resource"]))
    outputs = {f"{cloud}_{name}": {"value": text} for (cloud, name), text in expressions.items()}
    configuration = {"locals": _known_locals(built.json["locals"]), "output": outputs}
    (tmp_path / "main.tf.json").write_text(json.dumps(configuration))
    for words in (["apply", "-auto-approve"], ["output", "-json"]):
        done = subprocess.run(
            [program("terraform"), *words],
            cwd=tmp_path,
            env=environment(),
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    received = json.loads(done.stdout)
    secrets = [(cloud, f"{name}_secret") for cloud, name in built.sent]
    assert sorted(expressions) == sorted([*MACHINES, *secrets])
    for (cloud, name), document in built.documents.items():
        sent = built.sent.get((cloud, name), document)
        got = _unpacked(received[f"{cloud}_{name}"]["value"])
        assert got == render(sent).sample(known=built.known), name
        if sent is not document:
            files = json.loads(received[f"{cloud}_{name}_secret"]["value"])
            here = {file.path for _, file in sent.written()}
            assert files == {
                file.path: Text.of(file.text).sample(known=built.known)
                for _, file in document.written()
                if file.path not in here
            }


def _given(resources: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield what each kind of machine is given, as an expression, by cloud and name."""
    for block in resources["aws_launch_template"].values():
        yield ("aws", block["name"]), block["user_data"]
    for block in resources["aws_secretsmanager_secret_version"].values():
        (of,) = (
            secret["name"]
            for key, secret in resources["aws_secretsmanager_secret"].items()
            if f".{key}." in block["secret_id"]
        )
        yield ("aws", f"{of.removesuffix('-aws')}_secret"), block["secret_string"]
    for block in resources["openstack_compute_instance_v2"].values():
        yield ("nova", block["name"].rpartition("-")[0]), block["user_data"]
    for block in resources["openstack_orchestration_stack_v1"].values():
        yield ("nova", block["name"]), block["template_opts"]["Bin"]


def _known_locals(written: Mapping[str, str]) -> dict[str, str]:
    """Return the local values, what resources say of themselves replaced by what stands for it."""
    known = {}

    def standing(said: re.Match[str]) -> str:
        # As a local value of its own: it may have several lines, and stand between quotes.
        name = f"known_{hashlib.sha256(said[0].encode()).hexdigest()[:16]}"
        known[name] = value(said[0])
        return f"${{local.{name}}}"

    texts = {
        name: _SECRET.sub(
            lambda said: f'"{value(f"${{{said[0]}}}")}"', _OF_A_RESOURCE.sub(standing, text)
        )
        for name, text in written.items()
    }
    return texts | known


def _unpacked(received: str) -> str:
    """Return user data as cloud-init finds it."""
    if received.startswith("{"):
        return str(_user_data(json.loads(received)))
    if received.startswith("#cloud-config"):
        return received
    return gzip.decompress(base64.b64decode(received)).decode()


def _user_data(template: Any) -> Any:
    """Return the user data of the one kind of machine in a Heat template."""
    if isinstance(template, list):
        return next(filter(None, map(_user_data, template)), None)
    if not isinstance(template, dict):
        return None
    return template.get("user_data") or _user_data(list(template.values()))
