"""The way into an OpenStack project: the one that the Terraform provider would take."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keystoneauth1.exceptions import ClientException, EndpointNotFound
from openstack.config import OpenStackConfig
from openstack.connection import Connection
from openstack.exceptions import SDKException

ERRORS = (SDKException, ClientException)
"""What openstacksdk and keystoneauth raise."""

_POOL = re.compile(r":? HTTPS?ConnectionPool")
_SECONDS = 30
_LONGEST = 300
_GIVEN = {
    "endpoint_type": "interface",
    "cacert_file": "cacert",
    "insecure": "insecure",
}
"""Arguments of the provider, and what openstacksdk calls them."""


def sentence(error: Exception) -> str:
    """Return what is wrong in words, as the cloud says it."""
    details = getattr(error, "details", None)
    text = str(details) if isinstance(details, str) and details.strip() else str(error)
    status = getattr(error, "status_code", None) or getattr(error, "http_status", None)
    # What the libraries below say of a connection that fails is for their authors.
    line = _POOL.split(" ".join(text.split()))[0] or type(error).__name__
    line = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
    return f"{line} (HTTP {status})" if status and str(status) not in line else line


@dataclass(frozen=True, kw_only=True)
class Login:
    """Who asks, and what Keystone says of it.

    Attributes:
        connection: openstacksdk's.
        catalogue: keystoneauth's, of the services.
        user: the user's name.
        project: the project's name.
        url: the Keystone.
        region: the region asked.
        roles: the user's in the project.
        methods: how the user logged in, in Keystone's words.
        application_credential: the application credential that was used; None: none was.

    """

    connection: Any = field(repr=False)
    catalogue: Any = field(repr=False)
    user: str
    project: str
    url: str
    region: str | None
    roles: frozenset[str]
    methods: tuple[str, ...]
    application_credential: Mapping[str, Any] | None = None

    @property
    def kind(self) -> str:
        """What kind of credential it is, in words."""
        if self.application_credential is not None:
            restricted = self.application_credential.get("restricted", True)
            name = self.application_credential.get("name", "")
            return f"{'' if restricted else 'unrestricted '}application credential {name}".strip()
        return f"{' and '.join(self.methods)} of {self.user}"

    @property
    def regions(self) -> list[str]:
        """The regions of the catalogue."""
        return sorted(
            {
                endpoint.get("region_id") or endpoint.get("region")
                for service in self.catalogue.catalog
                for endpoint in service.get("endpoints", [])
            }
            - {None}
        )

    def has(self, service: str) -> bool:
        """Return whether the catalogue has a service in the region."""
        try:
            found = self.catalogue.get_endpoint_data_list(
                service_type=service,
                interface=self.connection.config.get_interface(),
                region_name=self.region,
            )
        except EndpointNotFound:
            return False
        return bool(found)


def log_in(provider: Mapping[str, Any]) -> Login:
    """Log in as the Terraform provider would.

    What its block says comes first; then the entry of clouds.yaml that it or OS_CLOUD names, or
    `OS_...` of the environment. Without such a name no clouds.yaml is read, as by the provider.

    Args:
        provider: the arguments of the provider's block.

    Raises:
        ClientException: there is no credential, or Keystone does not take it.
        SDKException: clouds.yaml has no such entry.

    """
    known = {key: value for key, value in provider.items() if "${" not in str(value)}
    cloud = known.get("cloud") or os.environ.get("OS_CLOUD") or None
    given: dict[str, Any] = {sdk: known[name] for name, sdk in _GIVEN.items() if name in known}
    if "auth_url" in known:
        given["auth"] = {"auth_url": known["auth_url"]}
    config = OpenStackConfig(load_yaml_config=cloud is not None, load_envvars=True)
    read = config.get_one(cloud=cloud, validate=False, **given).config
    auth = {**read, **read.get("auth", {})}
    kind = _kind(auth)
    if kind is not None:
        given["auth_type"] = kind
    _refuse_none(auth, kind)
    region = config.get_one(cloud=cloud, api_timeout=_SECONDS, **given)
    # Given as an argument, it would have to be among those of the environment or clouds.yaml.
    region.config["region_name"] = known.get("region") or region.config.get("region_name")
    connection = Connection(config=region)
    session: Any = connection.session
    access = session.auth.get_access(session)
    token = access._data["token"]  # keystoneauth has no name for the methods
    return Login(
        connection=connection,
        catalogue=access.service_catalog,
        user=access.username or "?",
        project=access.project_name or "?",
        url=region.config.get("auth", {}).get("auth_url", "?"),
        region=region.get_region_name() or None,
        roles=frozenset(access.role_names or ()),
        methods=tuple(token.get("methods", ())),
        application_credential=token.get("application_credential"),
    )


def _refuse_none(auth: Mapping[str, Any], kind: str | None) -> None:
    """Refuse to log in with nothing: keystoneauth says it in a way that cannot be caught."""
    absent = [] if auth.get("auth_url") else ["no auth_url"]
    if kind is None and not auth.get("password"):
        absent.append("no password, token or application credential")
    if absent:
        raise SDKException(
            f"there is {' and '.join(absent)}: set OS_CLOUD, or the OS_... of an openrc file"
        )


def _kind(auth: Mapping[str, Any]) -> str | None:
    """Return the kind of credential by what is given, as the provider finds it out."""
    if "application_credential_secret" in auth:
        return "v3applicationcredential"
    return "v3token" if "token" in auth and "password" not in auth else None
