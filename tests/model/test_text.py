"""Text: literal pieces and references, kept apart until Terraform joins them."""

from __future__ import annotations

import json

import pydantic
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from crossgate.errors import ConfigError
from crossgate.model.quoting import quoted
from crossgate.model.text import Quoted, Reference, Text, TextLike, json_text
from crossgate.model.value import holds_token, value

X = Reference("${local.x}")
Y = Reference("${TfToken[TOKEN.7]}")
LITERALS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).filter(
    lambda text: not holds_token(text)
)
TEXTS = st.lists(LITERALS | st.sampled_from([X, Y])).map(lambda parts: Text.of(*parts))


def test_neighbouring_literals_are_one_piece():
    assert Text.of("a", "", Text.of("b", X), "c", Text.of("d")).pieces == ("ab", X, "cd")


def test_texts_that_say_the_same_are_equal_and_hash_alike():
    assert Text.of("a", "b", X) == Text.of("ab", X)
    assert hash(Text.of("a", "b", X)) == hash(Text.of("ab", X))
    assert Text.of("a", X) != Text.of("a", Y)


@given(TEXTS, TEXTS, TEXTS)
def test_joining_is_associative(a, b, c):
    assert (a + b) + c == a + (b + c) == Text.of(a, b, c)


def test_a_str_or_a_reference_may_stand_on_either_side_of_a_plus():
    assert "a" + Text.of("b") + X == Text.of("ab", X)
    assert X + Text.of("b") == Text.of(X, "b")


def test_join_puts_the_separator_between():
    assert Text.join(", ", ["a", X, "b"]) == Text.of("a, ", X, ", b")
    assert Text.join(", ", []) == Text.of()


def test_lines_end_in_a_newline():
    assert Text.lines("a", X) == Text.of("a\n", X, "\n")


def test_literal_is_the_text_or_none():
    assert Text.of("a", "b").literal == "ab"
    assert Text.of().literal == ""
    assert Text.of("a", X).literal is None
    assert Text.of(X).literal is None


def test_no_text_is_false():
    assert not Text.of("")
    assert Text.of(X)


def test_a_text_is_no_sequence():
    with pytest.raises(TypeError):
        iter(Text.of("ab"))  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        len(Text.of("ab"))  # type: ignore[arg-type]


def test_a_text_cannot_be_changed():
    with pytest.raises(AttributeError):
        Text.of("a").pieces = ()  # type: ignore[misc]


def test_references_are_found_in_order_once_and_inside_quotes():
    text = Text.of(Y, Quoted(Text.of(X, Quoted(Text.of(Y)))), X)
    assert text.references() == (Y, X)


@pytest.mark.parametrize("text", [X, Text.of("a", X)])
@pytest.mark.parametrize("use", [str, lambda text: f"{text}", lambda text: f"{text!s:>9}"])
def test_fails_where_a_reference_would_become_a_str(text, use):
    with pytest.raises(ConfigError, match=r"no value while the program runs[\s\S]*Text\.of"):
        use(text)


def test_a_text_without_references_becomes_a_str():
    text = Text.of("a")
    assert f"<{text}>" == "<a>"


def test_the_repr_of_a_reference_never_fails():
    assert repr(Text.of("a", X)) == "Text.of('a', Reference(token='${local.x}'))"


@pytest.mark.parametrize(
    "token", ["vpc-123", "", "${local.x", "a${local.x}", "${TfToken[TOKEN.1]}${TfToken[TOKEN.2]}"]
)
def test_fails_on_what_is_no_reference(token):
    with pytest.raises(ConfigError, match="is no reference"):
        Reference(token)


def test_fails_on_a_reference_that_is_no_string():
    with pytest.raises(ConfigError, match="is no reference"):
        Reference(4.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("literal", "problem"),
    [
        ("http://${TfToken[TOKEN.7]}", "escaped and lost"),
        ("a\0b", "NUL"),
        ("\ud800", "surrogate"),
        (b"a", "is no text"),
        (7, "is no text"),
    ],
)
def test_fails_on_a_literal_that_terraform_cannot_carry(literal, problem):
    with pytest.raises(ConfigError, match=problem):
        Text.of(literal)


def test_a_sample_has_the_width_asked_for_each_reference():
    assert len(Text.of("a", X, "b").sample(100)) == 102


def test_samples_of_two_references_differ():
    assert Text.of(X).sample() != Text.of(Y).sample()


def test_a_sample_takes_known_values_and_quotes_them():
    text = Text.of("a=", Quoted(Text.of(X)), " ", Quoted(Text.of(X), "shell", bare=True))
    assert text.sample(known={X: 'q"\n'}) == 'a="q\\"\\n" q\\"\n'


def test_quoted_without_references_is_literal():
    assert Text.of(Quoted(Text.of('a"b\né'))).literal == '"a\\"b\\n\\u00e9"'


@given(LITERALS)
def test_quoted_json_reads_back_and_is_ascii(literal):
    assert json.loads(quoted(literal)) == literal
    assert quoted(literal).isascii()


@given(LITERALS)
def test_quoted_yaml_reads_back_and_is_printable_ascii(literal):
    assert yaml.safe_load(quoted(literal, "yaml")) == literal
    assert quoted(literal, "yaml").isascii()
    assert quoted(literal, "yaml").isprintable()


def test_lines_are_indented_but_empty_ones():
    text = Text.of("a\n\n", X, "\n  b", Y, "c\nd\n").indented(2)
    assert text == Text.of("  a\n\n  ", X, "\n    b", Y, "c\n  d\n")


def test_only_a_newline_ends_a_line():
    assert Text.of("a\rb\u2028c\n").indented(2).literal == "  a\rb\u2028c\n"


def test_json_quotes_references_among_plain_values():
    text = json_text({"a": [1, X, {"b": None, "c": True}], "d": Text.of("é"), "e": {}})
    known = '{"a": [1, "q\\"", {"b": null, "c": true}], "d": "\\u00e9", "e": {}}'
    assert text.sample(known={X: 'q"'}) == known


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | LITERALS,
        lambda inner: st.lists(inner) | st.dictionaries(LITERALS, inner),
    ),
    st.sampled_from([None, 0, 2]),
)
def test_json_reads_back(given_value, indent):
    # Numbers that the engine uses as tokens are refused, and no configuration holds them.
    if "e+" in repr(given_value):
        return
    assert json.loads(json_text(given_value, indent).sample()) == given_value


def test_json_is_indented_as_python_does():
    data = {"a": [1, {"b": []}], "c": {}}
    assert json_text(data, indent=2).literal == json.dumps(data, indent=2)


@pytest.mark.parametrize(
    "wrong", [object(), {1: 2}, b"a", {"a": {1, 2}}, float("inf"), float("nan")]
)
def test_fails_on_what_json_cannot_hold(wrong):
    with pytest.raises(ConfigError, match="cannot be written as JSON"):
        json_text(wrong)


def test_fails_on_a_number_token_in_json():
    with pytest.raises(ConfigError, match="a token stands where a value is needed"):
        json_text({"port": -8.1e298})


def test_a_value_holds_a_text_as_it_is_and_shows_it_as_a_string_in_its_schema():
    @value
    class Holder:
        text: TextLike

    text = Text.of("a", X)
    assert Holder(text=text).text is text
    assert Holder(text=X).text is X
    schema = pydantic.TypeAdapter(Holder).json_schema()
    assert schema["properties"]["text"] == {"type": "string", "title": "Text"}
