"""An app that is not ours: somebody's network and secrets, and one of our groups among them."""

from cdktf import App, TerraformOutput, TerraformProvider, TerraformResource, TerraformStack
from cdktf_cdktf_provider_random.password import Password
from cdktf_cdktf_provider_random.pet import Pet
from cdktf_cdktf_provider_random.provider import RandomProvider
from constructs import Construct

from crossgate import (
    AutoScalingGroup,
    AwsCloud,
    Capacity,
    ExistingVpc,
    Reference,
    Service,
    ServiceFile,
    Text,
)

REGION = "eu-west-1"


class Shop(TerraformStack):
    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        RandomProvider(self, "random-provider")
        provider = TerraformProvider(
            self,
            "aws-provider",
            terraform_resource_type="aws",
            terraform_provider_source="hashicorp/aws",
        )
        provider.add_override("region", REGION)
        vpc = TerraformResource(self, "vpc", terraform_resource_type="aws_vpc", provider=provider)
        vpc.add_override("cidr_block", "10.7.0.0/16")
        subnets = []
        for number in range(4):
            subnet = TerraformResource(
                self, f"subnet-{number}", terraform_resource_type="aws_subnet", provider=provider
            )
            subnet.add_override("vpc_id", vpc.get_string_attribute("id"))
            subnet.add_override("cidr_block", f"10.7.{number}.0/24")
            subnet.add_override("availability_zone", f"{REGION}{'ab'[number % 2]}")
            subnets.append(subnet.get_string_attribute("id"))
        password = Password(self, "database-password", length=24)
        name = Pet(self, "name", length=2)

        aws = AwsCloud(
            self,
            "aws",
            region=REGION,
            zones=[f"{REGION}a", f"{REGION}b"],
            network=ExistingVpc(
                vpc_id=vpc.get_string_attribute("id"),
                private=subnets[:2],
                public=subnets[2:],
                cidr="10.7.0.0/16",
            ),
            image="ami-0123456789abcdef0",
            root_device="/dev/xvda",
        )
        shop = Service(
            name="shop",
            port=8080,
            command=["/usr/bin/python3", "-m", "http.server", "8080"],
            environment={
                "DATABASE": Text.of("postgres://shop:", Reference(password.result), "@db/shop")
            },
            files=[ServiceFile("/etc/shop/name", Text.of(Reference(name.id), "\n"))],
        )
        group = AutoScalingGroup(self, "shop", clouds=[aws], service=shop, capacity=Capacity(2, 8))

        TerraformOutput(self, "group", value=group.ids[aws])
        night = TerraformResource(
            self, "night", terraform_resource_type="aws_autoscaling_schedule", provider=provider
        )
        night.add_override("scheduled_action_name", "night")
        night.add_override("autoscaling_group_name", group.ids[aws])
        night.add_override("recurrence", "0 22 * * *")
        night.add_override("desired_capacity", 2)
        night.add_override("min_size", 2)
        night.add_override("max_size", 8)
        Pet(self, "release", keepers={"group": group.ids[aws]})


app = App()
Shop(app, "shop")
app.synth()
