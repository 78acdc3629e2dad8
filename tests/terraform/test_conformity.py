from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.terraform.conformity import nonconforming, schemas

RIGHT: dict[str, Any] = {
    "provider": {"aws": [{"alias": "east", "region": "us-east-1"}]},
    "resource": {
        "aws_launch_template": {
            "it": {
                "//": {},
                "provider": "aws.east",
                "image_id": "${data.aws_ami.it.id}",
                "metadata_options": {"http_tokens": "required", "http_put_response_hop_limit": 1},
                "tag_specifications": [{"resource_type": "instance", "tags": {"a": "b"}}],
            }
        },
        "aws_security_group": {
            "it": {
                "ingress": [
                    {
                        "cidr_blocks": ["10.0.0.0/8"],
                        "description": "${null}",
                        "from_port": 1,
                        "ipv6_cidr_blocks": "${null}",
                        "prefix_list_ids": "${null}",
                        "protocol": "tcp",
                        "security_groups": "${null}",
                        "self": False,
                        "to_port": 2,
                    }
                ]
            }
        },
        "openstack_networking_subnet_v2": {
            "it": {"network_id": "${openstack_networking_network_v2.it.id}", "cidr": "10.0.0.0/8"}
        },
        "random_password": {"it": {"length": 8}},
    },
    "data": {"aws_ami": {"it": {"owners": ["1"], "most_recent": True}}},
}

LAUNCH = "resource.aws_launch_template.it"
SUBNET = "resource.openstack_networking_subnet_v2.it"
GROUP = "resource.aws_security_group.it.ingress.0"

WRONG = [
    ("provider.aws.0.regoin", "x", "aws-5.100.0: aws.regoin is unknown"),
    ("provider.azure", [{}], "no schema is known of the provider azure"),
    ("resource.azure_thing", {"it": {}}, "no schema is known of azure_thing"),
    ("resource.aws_thing", {"it": {}}, "aws-5.100.0: aws_thing is unknown"),
    (f"{LAUNCH}.imageid", "x", "aws_launch_template.it.imageid is unknown"),
    (f"{LAUNCH}.arn", "x", "aws_launch_template.it.arn is read-only"),
    (f"{LAUNCH}.image_id", 3, "aws_launch_template.it.image_id is no string: 3"),
    (f"{LAUNCH}.disable_api_stop", "true", ".disable_api_stop is no bool: 'true'"),
    (f"{LAUNCH}.default_version", True, ".default_version is no number: True"),
    (f"{LAUNCH}.tags", ["a"], ".tags is no map: ['a']"),
    (f"{LAUNCH}.tags", {"a": 1}, ".tags.a is no string: 1"),
    (f"{LAUNCH}.vpc_security_group_ids", "sg-1", ".vpc_security_group_ids is no set: 'sg-1'"),
    (f"{LAUNCH}.vpc_security_group_ids", [1], ".vpc_security_group_ids[0] is no string: 1"),
    (f"{LAUNCH}.metadata_options.http_token", "x", ".metadata_options[0].http_token is unknown"),
    (f"{LAUNCH}.metadata_options", [{}, {}], ".metadata_options: 2 blocks, and 0 to 1 are allowed"),
    (f"{LAUNCH}.metadata_options", "x", ".metadata_options[0] is no block: 'x'"),
    (f"{LAUNCH}.hibernation_options", {}, ".hibernation_options[0].configured is missing"),
    (f"{GROUP}.self", None, ".ingress[0].self is no bool: None"),
    (f"{GROUP}.port", 1, ".ingress[0].port is unknown"),
    (f"{SUBNET}.network_id", ..., "openstack-1.54.1: openstack_networking_subnet_v2.it.network_id"),
    (f"{SUBNET}.network_id", ..., "openstack-3.4.0: openstack_networking_subnet_v2.it.network_id"),
    (f"{SUBNET}.allocation_pools", [{"start": "a", "end": "b"}], "3.4.0: openstack_networking"),
    ("resource.random_password.it.length", ..., "random-3.9.0: random_password.it.length is miss"),
    ("data.aws_ami.it.most_recent", 1, "aws-5.100.0: aws_ami.it.most_recent is no bool: 1"),
]


def test_conforming_json_has_no_findings() -> None:
    assert nonconforming(RIGHT, schemas()) == []


@pytest.mark.parametrize(("path", "value", "finding"), WRONG)
def test_every_departure_is_found(path: str, value: object, finding: str) -> None:
    wrong = copy.deepcopy(RIGHT)
    *above, last = path.split(".")
    place: Any = wrong
    for step in above:
        place = place[int(step)] if isinstance(place, list) else place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value

    assert any(finding in found for found in nonconforming(wrong, schemas()))


def test_what_one_version_knows_is_not_held_against_the_other() -> None:
    wrong = copy.deepcopy(RIGHT)
    wrong["resource"]["openstack_networking_subnet_v2"]["it"]["allocation_pools"] = []

    assert nonconforming(wrong, schemas()) == [
        "openstack-3.4.0: openstack_networking_subnet_v2.it.allocation_pools is unknown"
    ]
