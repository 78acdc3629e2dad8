"""What Consul is, as facts: its versions, its ports, where its files lie."""

from __future__ import annotations

from typing import Annotated

import pydantic

from crossgate.errors import ConfigError
from crossgate.model.net import Ports
from crossgate.model.value import value

_Version = Annotated[str, pydantic.Field(pattern=r"^\d+\.\d+\.\d+$")]


@value
class Versions:
    """The releases that every member installs, so that a machine made later is like the others.

    Attributes:
        consul: of Consul; default "1.20.0".
        consul_template: of consul-template on balancers; default "0.41.1".
        agents: of Consul on machines that are no servers, never newer than servers; default the
            same. The one before while servers are replaced: docs/consul.md.

    Raises:
        ConfigError: agents would be newer than the servers that they ask.

    """

    consul: _Version = "1.20.0"
    consul_template: _Version = "0.41.1"
    agents: _Version | None = None

    def __post_init__(self) -> None:
        """Refuse agents that are newer than servers."""
        if _numbers(self.of_agents) > _numbers(self.consul):
            raise ConfigError(
                "agents would be newer than the servers that they ask",
                path="Versions: agents",
                got=self.agents,
                want=f"{self.consul} at most, that of the servers",
                do="raise consul= first; then, when all servers have it, agents=",
            )

    @property
    def of_agents(self) -> str:
        """Of Consul on machines that are no servers."""
        return self.agents or self.consul


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


SERVER_RPC = Ports(first=8300, last=8300)
"""Servers among themselves, and what agents ask of servers."""

SERF_LAN = (Ports(first=8301, last=8301), Ports(first=8301, last=8301, transport="udp"))
"""Gossip among all agents of a datacenter; UDP for probes, TCP for full exchanges."""

SERF_WAN = (Ports(first=8302, last=8302), Ports(first=8302, last=8302, transport="udp"))
"""Gossip among the servers of several datacenters, where these are federated."""

HTTP_PORT = 8500
"""The HTTP API, on the loopback address only."""

DNS_PORT = 8600
"""The DNS interface, on the loopback address only."""

GOSSIP_PORTS = SERF_LAN
"""What every member must reach on every other member."""

RPC_PORTS = (SERVER_RPC,)
"""What every member must reach on a server.

HTTPS (8501), gRPC (8502, 8503) and side-car ports are off: nothing opens them. So is WAN gossip
(8302), unless datacenters are federated.
"""

GOSSIP_KEY_BYTES = 32
"""Length of a gossip key before base64: AES-256, what `consul keygen` makes."""

HTTP_ADDRESS = f"127.0.0.1:{HTTP_PORT}"
"""Where programs of the same machine find the agent."""

METRICS_URL = f"http://{HTTP_ADDRESS}/v1/agent/metrics?format=prometheus"
"""Where the agent tells Prometheus of itself."""

NODE = '"$$(uname -n | cut -d. -f1)-$$(cut -c1-8 /etc/machine-id)"'
"""A machine's own name there, as the shell of a systemd unit works it out. It is unique: a server
that takes a dead one's place has its host name, and Consul keeps the two apart by this."""

FELLOWS = "balancer"
"""The name, in a node's metadata, of what the balancers are called of which it is one."""

USER = "consul"
"""The system user of the agent; the package makes it."""

CONFIG_DIRECTORY = "/etc/crossgate/consul"
"""Not /etc/consul.d: HashiCorp's package puts a file of its own there, which would be read too."""

TLS_DIRECTORY = "/etc/crossgate/consul-tls"
"""Certificates and keys: not in the folder that the agent reads its settings from."""

DOMAIN = "consul"
"""What the names of Consul end in."""

DATA_DIRECTORY = "/opt/consul"
"""The agent's state; the package makes it. It must never be part of a machine image."""
