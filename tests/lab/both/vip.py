"""Balancers that share their entry's address, for tests on a control plane with Neutron."""

from dataclasses import replace
from ipaddress import IPv4Network

from crossgate import JETSTREAM2, App, Machine, OpenStackCloud, TerraformStack
from crossgate.boot.document import Document
from crossgate.specs import EntrySpec, MachinesSpec
from crossgate.terraform.engine import TerraformOutput

app = App()
given = app.node.try_get_context("vip")
stack = TerraformStack(app, "vip")
nova = OpenStackCloud(
    stack,
    "nova",
    profile=replace(JETSTREAM2, auth_url=None, region=None, octavia=False),
    network="10.50.0.0/16",
    image=given["image"],
    external_network_id=given["external_network_id"],
)
firewall = nova.firewall(stack, "firewall", name="edge")
places = nova.reserve(stack, "places", name="edge", count=2, firewalls=(firewall,))
spec = EntrySpec(
    name="edge", ports=(9000,), health_port=8405, health_path="/healthz", reservation=places
)
entry = nova.entry(stack, "entry", spec)
entry.allow(IPv4Network("198.51.100.0/24"), 9000)
nova.machines(
    stack,
    "nodes",
    MachinesSpec(
        name="edge",
        machine=Machine(cpu=2, memory=4),
        document=Document(label="edge"),
        firewalls=(firewall,),
        count=2,
        reservation=places,
    ),
)
TerraformOutput(stack, "addresses", value=list(entry.addresses))
app.synth()
