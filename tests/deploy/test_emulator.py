"""What the emulator does as AWS does, where moto by itself does not."""

import pytest

from lab.aws import Account

pytestmark = pytest.mark.terraform


def test_a_load_balancer_that_is_created_again_is_the_same_one(aws: Account):
    ec2, elb = aws.client("ec2"), aws.client("elbv2")
    subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]][:2]
    wanted = {"Name": "asked-twice", "Type": "network", "Subnets": subnets}
    first, second = (elb.create_load_balancer(**wanted)["LoadBalancers"] for _ in range(2))
    elb.delete_load_balancer(LoadBalancerArn=first[0]["LoadBalancerArn"])
    assert [one["LoadBalancerArn"] for one in first] == [one["LoadBalancerArn"] for one in second]
