"""What an in-house host cannot exceed, with the place that says so."""

from __future__ import annotations

OWNER = 255
"""Characters of what a host says that it is for: one line of its record, a bound of our own."""

VIRTUAL_ROUTERS = 255
"""Virtual router ids of VRRP, from 1 (RFC 5798, section 5.2.3)."""

VRRP = 112
"""The IP protocol of VRRP (RFC 5798, section 5.1.1.4)."""
