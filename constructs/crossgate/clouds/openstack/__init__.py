"""OpenStack: Heat groups, instances on reserved ports, security groups, entries, names."""

from crossgate.clouds.openstack.cloud import OpenStackCloud
from crossgate.clouds.openstack.keeper import Healing
from crossgate.clouds.openstack.network import ExistingNetwork, NetworkByName, OwnNetwork
from crossgate.clouds.openstack.profile import DEVSTACK, JETSTREAM2, Flavor, OpenStackProfile

__all__ = [
    "DEVSTACK",
    "JETSTREAM2",
    "ExistingNetwork",
    "Flavor",
    "Healing",
    "NetworkByName",
    "OpenStackCloud",
    "OpenStackProfile",
    "OwnNetwork",
]
