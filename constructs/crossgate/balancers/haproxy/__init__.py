"""HAProxy: listeners for clients, checks that know the protocol, a reload without a lost call."""

from crossgate.balancers.haproxy.nodes import HAProxyNodes
from crossgate.balancers.haproxy.settings import Seen, SpillOver

__all__ = ["HAProxyNodes", "Seen", "SpillOver"]
