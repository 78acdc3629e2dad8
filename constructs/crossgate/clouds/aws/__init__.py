"""AWS: autoscaling groups, security groups, network load balancers, in one region."""

from crossgate.clouds.aws.cloud import AwsCloud
from crossgate.clouds.aws.network import ExistingVpc, OwnVpc, VpcByName

__all__ = ["AwsCloud", "ExistingVpc", "OwnVpc", "VpcByName"]
