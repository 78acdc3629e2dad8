"""Crossgate: highly available gateways over several clouds, described once, as one Terraform JSON.

The names here are the public face; what is not in `__all__` is private.
"""

# First, because it starts the engine; what follows needs none, and is read meanwhile.
from crossgate.terraform import ahead as _ahead  # noqa: F401

# isort: split
from crossgate.boot.document import Command, Document, File, Unit
from crossgate.errors import (
    ArgumentError,
    ConfigError,
    CrossgateError,
    FileError,
    PolicyError,
    RefusedError,
    SynthesisError,
    ToolError,
)
from crossgate.model.capacity import Capacity
from crossgate.model.check import GrpcCheck, HttpCheck, TcpCheck, ThriftCheck
from crossgate.model.grant import Grant
from crossgate.model.health import Health
from crossgate.model.listener import Listener
from crossgate.model.machine import Image, Machine
from crossgate.model.market import OnDemand, Spot
from crossgate.model.net import ANYWHERE, Ports
from crossgate.model.release import Release
from crossgate.model.rollout import InstanceRefresh, Leave, ReplaceGroup
from crossgate.model.route import Route
from crossgate.model.scaling import Scaling, Step, Steps
from crossgate.model.schedule import Scheduled
from crossgate.model.service import Artifact, Limits, Service, ServiceFile
from crossgate.model.snapshots import Snapshots
from crossgate.model.termination import Termination
from crossgate.model.text import Reference, Text
from crossgate.model.tls import Certificate, Tls
from crossgate.model.warm_pool import WarmPool

# isort: split
from crossgate.balancers.fabio import FabioNodes
from crossgate.balancers.fabio.plan import Plan as Fabio
from crossgate.balancers.haproxy import HAProxyNodes, Seen, SpillOver
from crossgate.balancers.haproxy.plan import Plan as HAProxy
from crossgate.clouds.aws import AwsCloud, AwsMachines, ExistingVpc, OwnVpc, VpcByName
from crossgate.clouds.inhouse import Host, InHouse
from crossgate.clouds.null import NullCloud
from crossgate.clouds.openstack import (
    DEVSTACK,
    JETSTREAM2,
    ExistingNetwork,
    Healing,
    NetworkByName,
    OpenStackCloud,
    OpenStackProfile,
    OwnNetwork,
)
from crossgate.connections import Connections
from crossgate.dashboards import write_dashboards
from crossgate.discovery.consul import ConsulServers, Versions
from crossgate.discovery.consul.plan import Plan as Consul
from crossgate.gateway import Gateway, GroupPlan
from crossgate.group import AutoScalingGroup
from crossgate.terraform.app import App
from crossgate.terraform.engine import Construct, TerraformOutput, TerraformStack

__all__ = [
    "ANYWHERE",
    "DEVSTACK",
    "JETSTREAM2",
    "App",
    "ArgumentError",
    "Artifact",
    "AutoScalingGroup",
    "AwsCloud",
    "AwsMachines",
    "Capacity",
    "Certificate",
    "Command",
    "ConfigError",
    "Connections",
    "Construct",
    "Consul",
    "ConsulServers",
    "CrossgateError",
    "Document",
    "ExistingNetwork",
    "ExistingVpc",
    "Fabio",
    "FabioNodes",
    "File",
    "FileError",
    "Gateway",
    "Grant",
    "GroupPlan",
    "GrpcCheck",
    "HAProxy",
    "HAProxyNodes",
    "Healing",
    "Health",
    "Host",
    "HttpCheck",
    "Image",
    "InHouse",
    "InstanceRefresh",
    "Leave",
    "Limits",
    "Listener",
    "Machine",
    "NetworkByName",
    "NullCloud",
    "OnDemand",
    "OpenStackCloud",
    "OpenStackProfile",
    "OwnNetwork",
    "OwnVpc",
    "PolicyError",
    "Ports",
    "Reference",
    "RefusedError",
    "Release",
    "ReplaceGroup",
    "Route",
    "Scaling",
    "Scheduled",
    "Seen",
    "Service",
    "ServiceFile",
    "Snapshots",
    "SpillOver",
    "Spot",
    "Step",
    "Steps",
    "SynthesisError",
    "TcpCheck",
    "Termination",
    "TerraformOutput",
    "TerraformStack",
    "Text",
    "ThriftCheck",
    "Tls",
    "ToolError",
    "Unit",
    "Versions",
    "VpcByName",
    "WarmPool",
    "write_dashboards",
]
