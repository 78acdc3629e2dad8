"""What Consul is, as facts: its versions, its ports, where its files lie."""

from __future__ import annotations

from typing import Annotated

import pydantic

from crossgate.model.net import Ports
from crossgate.model.value import value

_Version = Annotated[str, pydantic.Field(pattern=r"^\d+\.\d+\.\d+$")]


@value
class Versions:
    """The releases that every member installs, so that a machine made later is like the others.

    Attributes:
        consul: of the agent, servers and clients alike; default "1.20.0".
        consul_template: of consul-template on balancers; default "0.41.1".

    """

    consul: _Version = "1.20.0"
    consul_template: _Version = "0.41.1"


SERVER_RPC = Ports(first=8300, last=8300)
"""Servers among themselves, and what agents ask of servers."""

SERF_LAN = (Ports(first=8301, last=8301), Ports(first=8301, last=8301, transport="udp"))
"""Gossip among all agents of a datacenter; UDP for probes, TCP for full exchanges."""

HTTP_PORT = 8500
"""The HTTP API, on the loopback address only."""

DNS_PORT = 8600
"""The DNS interface, on the loopback address only."""

GOSSIP_PORTS = SERF_LAN
"""What every member must reach on every other member."""

RPC_PORTS = (SERVER_RPC,)
"""What every member must reach on a server.

WAN gossip (8302), HTTPS (8501), gRPC (8502, 8503) and side-car ports are off: nothing opens them.
"""

GOSSIP_KEY_BYTES = 32
"""Length of a gossip key before base64: AES-256, what `consul keygen` makes."""

HTTP_ADDRESS = f"127.0.0.1:{HTTP_PORT}"
"""Where programs of the same machine find the agent."""

METRICS_URL = f"http://{HTTP_ADDRESS}/v1/agent/metrics?format=prometheus"
"""Where the agent tells Prometheus of itself."""

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
