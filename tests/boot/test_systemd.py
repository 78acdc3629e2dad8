"""Words for systemd: refused where it could not carry them; test_machine.py asks systemd itself."""

from __future__ import annotations

import pytest

from crossgate.boot.systemd import command_line, environment_file
from crossgate.errors import ConfigError
from crossgate.model.text import Reference, Text


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("--port=80", "--port=80"),
        ("", '""'),
        ("a b", '"a b"'),
        ("100%", '"100%%"'),
        ("$HOME", '"$$HOME"'),
        ('say "\\"', '"say \\"\\\\\\""'),
        ("a\nb\t", '"a\\u000ab\\u0009"'),
        (";", '";"'),
        ("{{ x }}", '"{{ x }}"'),
    ],
)
def test_an_argument_is_quoted_when_it_needs_to_be(word, written):
    assert command_line(["/bin/a", word]) == f"/bin/a {written}"


@pytest.mark.parametrize("program", ["a", "/a b", '/a"', "/a\\b", "/a$b", "/a\n"])
def test_fails_on_a_program_that_systemd_cannot_start(program):
    with pytest.raises(ConfigError, match="is no program that systemd can start"):
        command_line([program])


def test_a_variable_stands_in_double_quotes():
    assert environment_file({"A": "b", "C": 'd "$e"\n'}).literal == 'A="b"\nC="d \\"\\$e\\"\n"\n'


def test_a_reference_is_escaped_when_terraform_knows_it():
    secret = Reference("${local.secret}")
    text = environment_file({"A": Text.of("b:", secret)})
    assert text.literal is None
    assert text.sample(known={secret: '"$'}) == 'A="b:\\"\\$"\n'


@pytest.mark.parametrize("wrong", ["\r", "\x1b", "\x7f"])
def test_fails_on_a_control_character_that_systemd_would_drop_with_its_variable(wrong):
    with pytest.raises(ConfigError, match="environment: A: holds a control character"):
        environment_file({"A": f"b{wrong}"})
