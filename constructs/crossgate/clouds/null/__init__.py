"""A cloud that builds nothing and remembers what it was asked."""

from crossgate.clouds.null.cloud import NullCloud

__all__ = ["NullCloud"]
