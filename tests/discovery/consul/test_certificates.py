"""The certificates of Consul's servers, as Terraform is told to make them."""

from __future__ import annotations

import json

import pytest

from crossgate import AwsCloud, ConsulServers, OpenStackCloud, TerraformStack
from tests.clouds.openstack.ids import by_ids

HOURS = 365 * 24


@pytest.fixture
def made(stack: TerraformStack, synth):
    aws = AwsCloud(
        stack,
        "aws",
        region="us-east-1",
        zones=["us-east-1a", "us-east-1b"],
        image="ami-0123456789abcdef0",
        root_device="/dev/xvda",
    )
    nova: OpenStackCloud = by_ids(stack)
    ConsulServers(stack, "consul", clouds=[aws, nova])
    return synth()


def test_one_authority_signs_for_all_clouds(made):
    signed = made["resource"]["tls_locally_signed_cert"].values()
    assert len(signed) == 2
    (by,) = {one["ca_cert_pem"] for one in signed}
    assert by.startswith("${tls_self_signed_cert.consul_authority_")


def test_a_certificate_is_good_for_the_servers_of_its_cloud(made):
    requests = made["resource"]["tls_cert_request"].values()
    assert sorted(one["dns_names"] for one in requests) == [
        ["server.aws.consul", "localhost"],
        ["server.nova.consul", "localhost"],
    ]


def test_a_server_is_the_client_of_another(made):
    for one in made["resource"]["tls_locally_signed_cert"].values():
        assert {"server_auth", "client_auth"} < set(one["allowed_uses"])


def test_a_deploy_renews_what_has_a_year_left(made):
    resources = made["resource"]
    for one in resources["tls_self_signed_cert"].values():
        assert (one["validity_period_hours"], one["early_renewal_hours"]) == (10 * HOURS, HOURS)
    for one in resources["tls_locally_signed_cert"].values():
        assert (one["validity_period_hours"], one["early_renewal_hours"]) == (5 * HOURS, HOURS)


def test_no_key_is_in_the_json(made):
    assert "PRIVATE KEY" not in json.dumps(made)


def test_the_provider_is_the_constructs_own(made):
    (provider,) = made["provider"]["tls"]
    assert provider["alias"] == "crossgate"
