"""What Fabio is on a machine, as facts: its ports, its files, its timers."""

from __future__ import annotations

from typing import Literal

Strategy = Literal["rr", "rnd"]
"""Who gets the next connection: each in turn, or one by chance."""

NAME = "fabio"
"""The unit, the user and the folder below /opt."""

HEALTH_PORT = 8405
"""Where an entry asks whether this balancer is fit."""

PROXIED_HEALTH_PORT = 8408
"""The same behind a header of the PROXY protocol; only where a listener wants that header."""

HEALTH_PATH = "/healthz"
"""What an entry asks for; answered with 200 while Fabio takes connections for its listeners."""

ADMIN_PORT = 9998
"""Fabio's page and its API, on the loopback address; they show, and change nothing."""

FIGURES_PORT = 9997
"""Fabio's figures for Prometheus, on the loopback address."""

PROPERTIES = "/etc/fabio/fabio.properties"
CERTIFICATES = "/etc/fabio/tls"
"""How the names of folders begin that hold what a listener shows: `/etc/fabio/tls-443`."""

HEALTH = "/usr/local/lib/crossgate/fabio_health.py"
FIGURES = "/usr/local/lib/crossgate/fabio_figures.py"
FIGURES_SETTINGS = "/etc/crossgate/fabio-figures.json"

TAG = "urlprefix-{name}="
"""How tags of Consul begin that are routes of the balancers of a name: each has its own table."""

KV = "/crossgate/fabio"
"""Below it Fabio looks for further routes; the role of a balancer reads keys of `crossgate/`."""

FILES = 1_048_576
"""Two for each connection. Fabio ends when it has none left, with all connections."""
