"""An app that is not ours, whose stack already uses the provider that makes our secrets."""

from cdktf import App, TerraformOutput, TerraformStack
from cdktf_cdktf_provider_random.pet import Pet
from cdktf_cdktf_provider_random.provider import RandomProvider

from crossgate import AwsCloud, ConsulServers

app = App()
stack = TerraformStack(app, "shop")
RandomProvider(stack, "random")
aws = AwsCloud(
    stack,
    "aws",
    region="eu-west-1",
    zones=["eu-west-1a", "eu-west-1b"],
    image="ami-0123456789abcdef0",
)
ConsulServers(stack, "consul", clouds=[aws])
TerraformOutput(stack, "pet", value=Pet(stack, "name").id)
app.synth()
