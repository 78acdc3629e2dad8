"""Where copies are kept in OpenStack: a container of Swift, made for them or there already."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crossgate.boot.document import Document, File
from crossgate.boot.program import program
from crossgate.clouds.openstack import limits
from crossgate.clouds.openstack.bindings.objectstorage import ObjectstorageContainerV1
from crossgate.clouds.openstack.login import ID, SECRET, credential, keystone
from crossgate.errors import RefusedError
from crossgate.model.names import shortened
from crossgate.model.text import Reference, Text, json_text
from crossgate.terraform.engine import path_of
from crossgate.terraform.locals import note

if TYPE_CHECKING:
    from crossgate.clouds.openstack.cloud import OpenStackCloud
    from crossgate.specs import MachinesSpec
    from crossgate.terraform.engine import Construct

_LOGIN = "/etc/crossgate/archive.login.json"


def refusals(cloud: OpenStackCloud, spec: MachinesSpec) -> list[RefusedError]:
    """Return why copies cannot be kept here: no Swift, no Keystone, no such container."""
    if spec.archive is None:
        return []
    place = f"{spec.name}: snapshots"
    if not cloud.profile.swift:
        return [
            RefusedError(
                f"{cloud.profile.name} has no Swift to keep snapshots in",
                path=place,
                got="swift=False",
                want="a cloud with Swift, or with Ceph's gateway that answers as Swift does",
                do="leave it out for this cloud: snapshots={aws: Snapshots()}; if it is there: "
                "replace(profile, swift=True)",
            )
        ]
    found = []
    if keystone(cloud) is None:
        found.append(
            RefusedError(
                "snapshots are kept only if the servers know where Keystone is",
                path=place,
                got="no auth_url, in the profile or in Healing",
                want="the address of Keystone as the machines reach it",
                do='replace(profile, auth_url="https://.../v3")',
            )
        )
    name = None if spec.archive.to is None else Text.of(spec.archive.to).literal
    if name is not None and not (0 < len(name.encode()) <= limits.CONTAINER and "/" not in name):
        found.append(
            RefusedError(
                "is no container of Swift",
                path=f"{place}.to",
                got=name,
                want=f"the name of a container that is there: no slash, {limits.CONTAINER} bytes "
                "at most",
            )
        )
    return found


def kept(cloud: OpenStackCloud, scope: Construct | None, spec: MachinesSpec) -> MachinesSpec:
    """Return the spec with its container, and with a document that keeps its copies there.

    Args:
        cloud: where the container is.
        scope: where it is made, when none is named, and the credential; None: nothing is made, and
            the document is good for measuring.
        spec: the machines; those that keep nothing come back as they are.

    """
    archive = spec.archive
    if archive is None:
        return spec
    container = Text.of(archive.to) if archive.to is not None else _container(cloud, scope, spec)
    login = credential(
        cloud,
        scope,
        "archive-login",
        name=f"{spec.name}-snapshots",
        does="keeps snapshots",
        role=cloud.profile.swift_role,
    )
    _, path, settings = archive.program
    place = {
        "auth_url": keystone(cloud) or "",
        "container": container,
        "login": _LOGIN,
        "prefix": f"{archive.name}/{cloud.name}/",
        "region": cloud.region,
    }
    if scope is not None:
        facts = {"cloud": cloud.name, "in": "swift", "of": archive.name, **place}
        note(scope, "archive-note", "archive", facts)
    own = Document(
        label="archive",
        packages=("python3",),
        files=(
            program(path, "crossgate.clouds.openstack.programs", "swift_store"),
            File(settings, json_text(place) + "\n"),
            File(
                _LOGIN,
                json_text({"id": login[ID], "secret": login[SECRET]}) + "\n",
                mode=0o600,
            ),
        ),
    )
    return replace(
        spec,
        archive=replace(archive, to=container),
        document=Document.merge(spec.document, own),
    )


def _container(cloud: OpenStackCloud, scope: Construct | None, spec: MachinesSpec) -> Text:
    """Make a container of the project's own; Terraform does not delete it while it holds anything.

    It has no versions: Swift and Ceph's gateway differ in how they keep them.
    """
    if scope is None:
        return Text.of(Reference("${local.unknown}"))
    name = cloud.names.take(
        "container", shortened(f"{spec.name}-snapshots", limits.CONTAINER), path_of(scope)
    )
    made = ObjectstorageContainerV1(
        scope,
        "snapshots",
        name=name,
        force_destroy=False,
        metadata={"crossgate": spec.name},
        provider=cloud.provider,
    )
    return Text.of(Reference(ObjectstorageContainerV1.name.of(made)))
