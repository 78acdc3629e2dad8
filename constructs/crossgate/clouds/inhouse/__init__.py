"""In-house servers: hosts that exist, reached over SSH."""

from crossgate.clouds.inhouse.catalogue import Host
from crossgate.clouds.inhouse.cloud import InHouse

__all__ = ["Host", "InHouse"]
