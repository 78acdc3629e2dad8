from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgate.cli.expressions import plain, reference


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("${aws_vpc.own.id}", "aws_vpc.own"),
        ("${local.gw_api_template_0}", "local.gw_api_template_0"),
        ("${data.openstack_images_image_v2.nova_image_12.id}",
         "data.openstack_images_image_v2.nova_image_12"),
        ('${trimprefix(jsonencode("${local.a_0}"), "\\"")}', "local.a_0"),
        ("${base64gzip(local.document)}", "local.document"),
        ("aws_vpc.own", None),
        ("$${aws_vpc.own}", None),
        ("${var.region}", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_first_address_of_an_expression_is_found(text, address):
    assert reference(text) == address


def test_a_json_with_expressions_in_it_can_be_read():
    text = (
        '{"network": "${trimsuffix(trimprefix(jsonencode("${local.a_0}"), "\\""), "\\"")}", "n": 2}'
    )
    assert json.loads(plain(text)) == {"network": "${local.a_0}", "n": 2}


def test_what_terraform_escapes_is_as_it_will_be():
    assert plain("echo $${HOME} %%{+Q}r") == "echo ${HOME} %{+Q}r"


def test_what_names_nothing_is_marked():
    assert plain("a ${1 + 1} b") == "a ${unknown} b"


@given(st.text())
def test_any_text_is_read_without_an_error(text):
    reference(text)
    plain(text)


@given(st.text(alphabet=st.characters(exclude_characters="$%")))
def test_a_text_without_expressions_stays(text):
    assert plain(text) == text
