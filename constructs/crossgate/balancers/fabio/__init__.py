"""Fabio: listeners for clients, and routes that it reads from Consul by itself."""

from crossgate.balancers.fabio.nodes import FabioNodes

__all__ = ["FabioNodes"]
