"""In-house hosts and specs for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossgate.boot.document import Document, File, Unit
from crossgate.clouds.inhouse import Host, InHouse
from crossgate.model.capacity import Capacity
from crossgate.model.machine import Machine
from crossgate.specs import EntrySpec, GroupSpec, MachinesSpec

if TYPE_CHECKING:
    from crossgate.terraform.engine import Construct

KEY = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBExample="
DOCUMENT = Document(
    label="test",
    files=[File("/etc/test.conf", "a = ${b} %{c}\n")],
    units=[Unit("test.service", "[Service]\nExecStart=/usr/bin/test\n")],
)
DATA = "terraform_data"


def host(number: int, **changes: Any) -> Host:
    """Return a host of four processors and 8 GiB."""
    given: dict[str, Any] = {"cpu": 4, "memory": 8, "host_key": KEY}
    return Host(f"10.0.0.{number}", **(given | changes))


def rack(scope: Construct, id: str = "rack", **changes: Any) -> InHouse:
    """Make a cloud of seven hosts."""
    given: dict[str, Any] = {"hosts": [host(n) for n in range(11, 18)], "user": "deploy"}
    return InHouse(scope, id, **(given | changes))


def group_spec(cloud: InHouse | None = None, scope: Any = None, **changes: Any) -> GroupSpec:
    """Return a group of two machines; with a firewall where a cloud is given."""
    worn = (cloud.firewall(scope, "group-firewall", name="test-api"),) if cloud else ()
    given: dict[str, Any] = {
        "name": "test-api",
        "machine": Machine(cpu=2, memory=4),
        "document": DOCUMENT,
        "firewalls": worn,
        "capacity": Capacity(2),
    }
    return GroupSpec(**(given | changes))


def machines_spec(cloud: InHouse, scope: Any, **changes: Any) -> MachinesSpec:
    """Return a spec of three machines (or `count`) with their places and a firewall."""
    name, count = changes.get("name", "test-consul"), changes.get("count", 3)
    firewall = cloud.firewall(scope, f"{name}-firewall", name=name)
    places = cloud.reserve(scope, f"{name}-places", name=name, count=count, firewalls=(firewall,))
    given: dict[str, Any] = {
        "name": name,
        "machine": Machine(cpu=2, memory=4),
        "document": DOCUMENT,
        "firewalls": (firewall,),
        "count": count,
        "reservation": places,
    }
    return MachinesSpec(**(given | changes))


def entry_spec(spec: MachinesSpec, **changes: Any) -> EntrySpec:
    """Return an entry with two ports before the machines of `spec`."""
    given: dict[str, Any] = {
        "name": spec.name,
        "ports": (9000, 9001),
        "health_port": 8405,
        "health_path": "/healthz",
        "reservation": spec.reservation,
    }
    return EntrySpec(**(given | changes))


def part(made: dict[str, Any], number: int, what: str) -> dict[str, Any]:
    """Return one resource of a host: its content or its health."""
    (block,) = [
        block
        for name, block in made["resource"][DATA].items()
        if f"host-10-0-0-{number}_{what}" in name
    ]
    found: dict[str, Any] = block
    return found


def presence(made: dict[str, Any]) -> dict[str, Any]:
    """Return what stands for all hosts that carry something."""
    (block,) = [block for name, block in made["resource"][DATA].items() if "presence" in name]
    found: dict[str, Any] = block
    return found


def carried(made: dict[str, Any]) -> list[int]:
    """Return the hosts that carry something."""
    given = presence(made)["for_each"]
    return sorted(int(address.rpartition(".")[2]) for address in given if given != "${{}}")


def script(made: dict[str, Any], number: int) -> str:
    """Return the script of a host, as Terraform would unescape it."""
    given = part(made, number, "content")["provisioner"][1]["file"]["content"]
    text: str = made["locals"][given.removeprefix("${local.").removesuffix("}")]
    return text.replace("$${", "${").replace("%%{", "%{")
