"""Where the parts of a control plane are."""

from __future__ import annotations

ADDRESS = "127.0.0.1"
"""Where everything listens, and what the catalogue calls internal."""

PUBLIC = "198.18.0.2"
"""What the catalogue calls public: there the machines of a lab find the APIs, by `lab.clouds`."""

REGION = "RegionOne"
PORTS = {
    "keystone": 5000,
    "glance": 9292,
    "placement": 8778,
    "nova": 8774,
    "neutron": 9696,
    "heat": 8004,
    "octavia": 9876,
    "gnocchi": 8041,
    "aodh": 8042,
}
"""Where the APIs answer: OpenStack's usual ports."""

RABBIT_PORT = 5672
DATABASES = ("keystone", "glance", "placement", "nova", "nova_api", "nova_cell0", "neutron",
             "heat", "octavia", "gnocchi", "aodh")  # fmt: skip
