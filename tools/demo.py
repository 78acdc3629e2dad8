"""`make demo`: the two-cloud gateway synthesized, validated and planned, without any account."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from tools.toolbox import ROOT, ToolError, environment, program, run

STACK = "gateway"
JSON = ROOT / "cdktf.out" / "stacks" / STACK / "cdk.tf.json"

# Terraform merges `*_override.tf.json` into the blocks of the same name: so the JSON that is
# planned is the JSON that is deployed, and only the provider is told not to ask for an account.
_OFFLINE = {
    "skip_credentials_validation": True,
    "skip_metadata_api_check": "true",
    "skip_region_validation": True,
    "skip_requesting_account_id": True,
}
_ACCOUNTS = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "OS_AUTH_URL": "http://127.0.0.1:9/v3",
    "OS_USERNAME": "none",
    "OS_PASSWORD": "none",
    "OS_PROJECT_NAME": "none",
    "OS_USER_DOMAIN_NAME": "Default",
}

_NETWORKS = {
    "aws_vpc": "VPC",
    "aws_subnet": "subnet",
    "aws_nat_gateway": "NAT gateway",
    "openstack_networking_network_v2": "network",
    "openstack_networking_subnet_v2": "subnet",
    "openstack_networking_router_v2": "router",
}
_RULES = ("aws_vpc_security_group_ingress_rule", "openstack_networking_secgroup_rule_v2")
_ENTRIES = ("aws_lb", "openstack_lb_loadbalancer_v2")
_MACHINES = (
    "aws_autoscaling_group",
    "openstack_compute_instance_v2",
    "openstack_orchestration_stack_v1",
)


@dataclass(frozen=True)
class Planned:
    """What Terraform would make, by cloud (the provider's alias)."""

    resources: Mapping[str, Sequence[Mapping[str, Any]]]

    @property
    def total(self) -> int:
        """How many resources there are."""
        return sum(len(found) for found in self.resources.values())

    def table(self) -> Table:
        """Return a table with a row for each thing worth knowing, cloud by cloud."""
        made = Table(title="What Terraform would make", title_justify="left")
        for column in ("cloud", "what", "which"):
            made.add_column(column, overflow="fold")
        for cloud, resources in self.resources.items():
            made.add_section()
            for number, (what, which) in enumerate(_rows(resources)):
                made.add_row(cloud if number == 0 else "", what, "\n".join(which))
        return made


def synthesize() -> Path:
    """Run the real `cdktf synth` and return where the JSON is."""
    run(
        [program("cdktf"), "synth"],
        env=environment(),
        do="read the last lines above: they name the construct and what to change in stacks/.",
    )
    return JSON


def initialize(folder: Path, made: Path = JSON) -> None:
    """Copy the JSON to a folder of its own and fetch the providers there."""
    shutil.copy(made, folder / JSON.name)
    aliases = json.loads(made.read_text(encoding="utf-8"))["provider"].get("aws", ())
    offline = {"provider": {"aws": [{"alias": p["alias"], **_OFFLINE} for p in aliases]}}
    (folder / "offline_override.tf.json").write_text(json.dumps(offline), encoding="utf-8")
    _terraform(
        folder,
        "init",
        "-backend=false",
        do="run `make tools`; it brings the providers, and tells what it lacks.",
    )


def validate(folder: Path) -> None:
    """Let the real providers check every argument."""
    _terraform(folder, "validate", do="this is a bug of crossgate: please report the lines above.")


def plan(folder: Path) -> Planned:
    """Let the real providers plan, with no account and nothing to look up."""
    backend = {"terraform": {"backend": {"local": {"path": "demo.tfstate"}}}}
    (folder / "backend_override.tf.json").write_text(json.dumps(backend), encoding="utf-8")
    help_text = "replace look-ups by ids in stacks/gateway.py: a look-up needs an account."
    _terraform(folder, "init", do=help_text)
    _terraform(folder, "plan", "-out=plan", "-refresh=false", do=help_text)
    shown = json.loads(_terraform(folder, "show", "-json", "plan", do=help_text))
    return planned(shown, json.loads((folder / JSON.name).read_text(encoding="utf-8"))["locals"])


def planned(shown: Mapping[str, Any], local: Mapping[str, str]) -> Planned:
    """Sort the resources of a plan (`terraform show -json`) by cloud.

    Args:
        shown: the plan.
        local: the local values of the JSON that was planned.

    """
    blocks = {
        block["address"]: block for block in shown["configuration"]["root_module"]["resources"]
    }
    providers = shown["configuration"]["provider_config"]
    found: dict[str, list[Mapping[str, Any]]] = {}
    for resource in shown["planned_values"]["root_module"]["resources"]:
        block = blocks[resource["address"]]
        provider = providers[block["provider_config_key"]]
        references = block["expressions"].get("template_opts", {}).get("references", ())
        cloud = provider["alias"] if provider["name"] not in {"random", "tls"} else "secrets"
        name = f"{cloud} ({provider['name']})"
        size = _heat_size(references, local)
        found.setdefault(name, []).append({**resource, "size": size})
    return Planned(resources=found)


def _rows(resources: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    machines = list(_machines(resources))
    if machines:
        yield "machines", machines
    networks = Counter(_NETWORKS[r["type"]] for r in resources if r["type"] in _NETWORKS)
    if networks:
        ranges = [r["values"]["cidr_block"] for r in resources if r["type"] == "aws_vpc"]
        ranges += [
            r["values"]["cidr"] for r in resources if r["type"] == "openstack_networking_subnet_v2"
        ]
        counted = ", ".join(f"{n} {kind}{'s' * (n > 1)}" for kind, n in networks.items())
        yield "network", [f"{' '.join(ranges)}: {counted}"]
    rules = [_rule(r["values"]) for r in resources if r["type"] in _RULES]
    if rules:
        yield "let in", sorted({rule for rule in rules if rule})
    entries = [r["values"]["name"] for r in resources if r["type"] in _ENTRIES]
    if entries:
        yield "entry", [f"{name}, a fixed address" for name in entries]
    yield "resources", [str(len(resources))]


def _machines(resources: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    single = Counter[str]()
    for resource in resources:
        values = resource["values"]
        if resource["type"] == "aws_autoscaling_group":
            least, most = values["min_size"], values["max_size"]
            spot = ", spot" if values.get("mixed_instances_policy") else ""
            size = f"{least} to {most}" if least != most else f"{least}"
            yield f"{values['name']}: {size}{spot}"
        elif resource["type"] == "openstack_orchestration_stack_v1":
            yield f"{values['name']}: {resource['size']}, by Heat"
        elif resource["type"] == "openstack_compute_instance_v2":
            single[values["name"].rpartition("-")[0]] += 1
    for name, number in single.items():
        yield f"{name}: {number}"


def _heat_size(references: Sequence[str], local: Mapping[str, str]) -> str:
    """Return the bounds of a Heat group: its template is a local value, unknown to the plan."""
    text = "".join(local.get(name.removeprefix("local."), "") for name in references)
    bounds = [re.search(rf'"{key}": (\d+)', text) for key in ("min_size", "max_size")]
    return " to ".join(found[1] if found else "?" for found in bounds)


def _rule(values: Mapping[str, Any]) -> str:
    if values.get("direction", "ingress") != "ingress":
        return ""
    why = values.get("description") or ""
    protocol = values.get("ip_protocol") or values.get("protocol")
    port = values.get("from_port") or values.get("port_range_min")
    return f"{protocol}/{port}: {why}"


def _terraform(folder: Path, *arguments: str, do: str) -> str:
    command: list[str | Path] = [program("terraform"), *arguments]
    if arguments[0] != "show":
        command.append("-no-color")
    return run(command, cwd=folder, env=environment() | _ACCOUNTS, do=do)


@contextmanager
def _steps(console: Console) -> Iterator[Progress]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        yield progress


def main() -> int:
    """Run every step, and print what was made, where it is and what to do next."""
    console = Console()
    try:
        with _steps(console) as progress, tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for told, step in (
                ("cdktf synth: one JSON for both clouds", synthesize),
                ("terraform init: the providers", lambda: initialize(folder)),
                ("terraform validate: every argument", lambda: validate(folder)),
            ):
                task = progress.add_task(told, total=1)
                step()
                progress.update(task, completed=1)
            task = progress.add_task("terraform plan: without an account", total=1)
            made = plan(folder)
            progress.update(task, completed=1)
    except ToolError as error:
        console.print(f"[bold red]The demo stopped.[/] {error}", markup=True, highlight=False)
        return 1
    console.print(made.table())
    console.print(f"\n{made.total} resources in one JSON: {JSON.relative_to(ROOT)}")
    console.print(
        "Next: put your image ids and ranges into stacks/gateway.py, your credentials into the "
        "environment\n(AWS_PROFILE, OS_CLOUD), and run: .tools/bin/cdktf deploy gateway"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
