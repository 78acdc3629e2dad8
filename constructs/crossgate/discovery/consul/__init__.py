"""Consul: servers in every cloud, an agent on every member, consul-template for balancers."""

from crossgate.discovery.consul.servers import ConsulServers
from crossgate.discovery.consul.settings import Versions

__all__ = ["ConsulServers", "Versions"]
