"""How machines log in to their cloud: by an application credential of one role."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.clouds.openstack import limits
from crossgate.clouds.openstack.bindings.identity import IdentityApplicationCredentialV3
from crossgate.model.names import shortened
from crossgate.model.text import Reference
from crossgate.terraform.engine import path_of
from crossgate.terraform.variables import sensitive_variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossgate.clouds.openstack.cloud import OpenStackCloud
    from crossgate.terraform.engine import Construct

ID = "application_credential_id"
SECRET = "application_credential_secret"  # noqa: S105  (the name of a setting)


def keystone(cloud: OpenStackCloud) -> str | None:
    """Return where machines find Keystone; None: nobody said so."""
    return (cloud.healing.auth_url if cloud.healing else None) or cloud.profile.auth_url


def credential(
    cloud: OpenStackCloud,
    scope: Construct | None,
    id: str,
    *,
    name: str,
    does: str,
    role: str,
) -> Mapping[str, Reference]:
    """Return the id and the secret of a credential, by the names that clouds.yaml has for them.

    It is the one of the variable that `Healing` names; otherwise Terraform makes one.

    Args:
        cloud: where it logs in.
        scope: where it is made; None: none is made, and what comes back is good for measuring.
        id: its name among the constructs of `scope`.
        name: what it is called.
        does: what it is for, in its description.
        role: the one role that it has.

    """
    if scope is None:
        return dict.fromkeys((ID, SECRET), Reference("${local.unknown}"))
    variable = cloud.healing.credential_variable if cloud.healing else None
    if variable is not None:
        sensitive_variable(scope, variable, kind="object({ id = string, secret = string })")
        return {
            ID: Reference(f"${{var.{variable}.id}}"),
            SECRET: Reference(f"${{var.{variable}.secret}}"),
        }
    made = IdentityApplicationCredentialV3(
        scope,
        id,
        name=cloud.names.take(
            "application credential", shortened(name, limits.NAME), path_of(scope)
        ),
        description=f"{does}; made by crossgate",
        roles=[role],
        provider=cloud.provider,
    )
    kind = IdentityApplicationCredentialV3
    return {ID: Reference(kind.id.of(made)), SECRET: Reference(kind.secret.of(made))}
