"""An OpenStack cloud that needs no look-up, so that a plan of it needs no cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossgate.boot.document import Document
from crossgate.clouds.openstack import JETSTREAM2, OpenStackCloud
from crossgate.model.capacity import Capacity
from crossgate.model.machine import Machine
from crossgate.specs import EntrySpec, GroupSpec, MachinesSpec

if TYPE_CHECKING:
    from crossgate.terraform.engine import Construct

EXTERNAL = "0b6f4d4c-6c1e-4d2a-9a3e-1f0c5b8d7e21"
IMAGE = "5f3c1d2e-8a4b-4c6d-9e7f-0a1b2c3d4e5f"
DOCUMENT = Document(label="test", packages=("curl",))


def by_ids(scope: Construct, id: str = "nova", **changes: Any) -> OpenStackCloud:
    """Make a cloud with Jetstream2's profile, and ids where it would look names up."""
    given: dict[str, Any] = {
        "profile": JETSTREAM2,
        "image": IMAGE,
        "network": "10.30.0.0/16",
        "external_network_id": EXTERNAL,
    }
    return OpenStackCloud(scope, id, **(given | changes))


def group_spec(cloud: OpenStackCloud | None = None, scope: Any = None, **changes: Any) -> GroupSpec:
    """Return a group of two to four machines; with a firewall where a cloud is given."""
    worn = (cloud.firewall(scope, "group-firewall", name="test-api"),) if cloud else ()
    given: dict[str, Any] = {
        "name": "test-api",
        "machine": Machine(cpu=2, memory=4),
        "document": DOCUMENT,
        "firewalls": worn,
        "capacity": Capacity(2, 4),
    }
    return GroupSpec(**(given | changes))


def machines_spec(cloud: OpenStackCloud, scope: Any, **changes: Any) -> MachinesSpec:
    """Return a spec of three machines (or `count`) with their places and a firewall."""
    name, count = changes.get("name", "test-consul"), changes.get("count", 3)
    firewall = cloud.firewall(scope, "machines-firewall", name=name)
    places = cloud.reserve(scope, "places", name=name, count=count, firewalls=(firewall,))
    given: dict[str, Any] = {
        "name": name,
        "machine": Machine(cpu=2, memory=4),
        "document": DOCUMENT,
        "firewalls": (firewall,),
        "count": count,
        "reservation": places,
    }
    return MachinesSpec(**(given | changes))


def entry_spec(cloud: OpenStackCloud, scope: Any, **changes: Any) -> EntrySpec:
    """Return an entry with two ports before two machines."""
    given: dict[str, Any] = {
        "name": "test-edge",
        "ports": (9000, 9001),
        "health_port": 8405,
        "health_path": "/healthz",
        "reservation": machines_spec(cloud, scope, count=2).reservation,
    }
    return EntrySpec(**(given | changes))


def only(made: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the one block of a kind in a stack's JSON."""
    (block,) = made["resource"][kind].values()
    found: dict[str, Any] = block
    return found


def named(made: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    """Return the block of a kind whose `name` is this."""
    (block,) = [b for b in made["resource"][kind].values() if b["name"] == name]
    found: dict[str, Any] = block
    return found
