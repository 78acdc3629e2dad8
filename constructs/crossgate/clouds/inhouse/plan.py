"""What a gateway file says of in-house servers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import pydantic

from crossgate.clouds.inhouse.catalogue import Host
from crossgate.clouds.inhouse.cloud import InHouse
from crossgate.errors import ConfigError
from crossgate.model.names import VariableName
from crossgate.model.units import Duration
from crossgate.model.value import Many, value
from crossgate.terraform.variables import sensitive_variable

if TYPE_CHECKING:
    from crossgate.model.text import Reference
    from crossgate.terraform.engine import Construct


@value
class Plan:
    """Servers that exist, reached over SSH.

    Attributes:
        hosts: the servers.
        user: who logs in: root, or somebody who may use sudo without a password.
        key: the path of the private key's file; default: the SSH agent.
        key_variable: name of a sensitive Terraform variable that holds the private key, instead.
        vip: an address with its prefix that the balancers share.
        network: the range of the hosts' addresses.
        firewall: close the hosts to all but SSH and what is opened; default true.
        timeout: how long a host that does not answer is tried; default one minute.
        ways_out: addresses by which the hosts reach other clouds.

    """

    type: Literal["inhouse"] = "inhouse"
    hosts: Annotated[Many[Host], pydantic.Field(min_length=1)]
    user: str
    key: str | None = None
    key_variable: VariableName | None = None
    vip: str | None = None
    network: str | None = None
    firewall: bool = True
    timeout: Duration = timedelta(minutes=1)
    ways_out: Many[str] = ()

    def __post_init__(self) -> None:
        """Refuse two keys."""
        if self.key is not None and self.key_variable is not None:
            raise ConfigError("names two keys", want="key or key_variable")

    def build(self, scope: Construct, id: str) -> InHouse:
        """Make the cloud."""
        key: str | Reference | None = self.key
        if self.key_variable is not None:
            key = sensitive_variable(scope, self.key_variable, kind="string")
        return InHouse(
            scope,
            id,
            hosts=self.hosts,
            user=self.user,
            key=key,
            vip=self.vip,
            network=self.network,
            firewall=self.firewall,
            timeout=self.timeout,
            ways_out=self.ways_out,
        )
