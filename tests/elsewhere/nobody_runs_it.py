"""An app that is not ours, with a mistake that only the whole stack shows."""

from cdktf import App, TerraformStack

from crossgate import AwsCloud, ConsulServers, HAProxyNodes, Listener, Service

app = App()
stack = TerraformStack(app, "shop")
aws = AwsCloud(
    stack,
    "aws",
    region="eu-west-1",
    zones=["eu-west-1a", "eu-west-1b"],
    image="ami-0123456789abcdef0",
)
shop = Service(name="shop", port=8080, command=["/usr/bin/shop"])
consul = ConsulServers(stack, "consul", clouds=[aws])
HAProxyNodes(stack, "edge", clouds=[aws], discovery=consul, listeners=[Listener(port=80, to=shop)])
app.synth()
