"""AWS: autoscaling groups, security groups, network load balancers, in one region."""

from crossgate.clouds.aws.cloud import AwsCloud
from crossgate.clouds.aws.network import ExistingVpc, OwnVpc, VpcByName
from crossgate.clouds.aws.settings import AwsMachines

__all__ = ["AwsCloud", "AwsMachines", "ExistingVpc", "OwnVpc", "VpcByName"]
