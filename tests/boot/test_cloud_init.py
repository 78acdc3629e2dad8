"""User data: what cloud-init reads out of it is what the document says."""

from __future__ import annotations

import gzip

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from crossgate.boot.cloud_init import refusal, render, size
from crossgate.boot.document import Document, File
from crossgate.boot.script import BOOT_SCRIPT
from crossgate.model.text import Reference, Text
from crossgate.model.value import holds_token

X = Reference("${local.x}")
CONTENTS = st.text(
    st.sampled_from(" \t\n\r#:-|>'\"\\é\u2028😀\x7f\x85ab{}%")
    | st.characters(exclude_categories=["Cs"], exclude_characters="\0")
).filter(lambda text: not holds_token(text))


def read(document: Document, **known: str) -> dict[str, dict[str, str]]:
    values = {Reference(f"${{local.{name}}}"): text for name, text in known.items()}
    data = yaml.safe_load(render(document).sample(known=values))
    return {entry["path"]: entry for entry in data["write_files"]}


def one(text: object, **arguments: object) -> Document:
    return Document(label="a", files=[File("/a", text, **arguments)])  # type: ignore[arg-type]


@given(CONTENTS)
def test_a_file_holds_what_was_written(text):
    assert read(one(text))["/a"]["content"] == text


@given(CONTENTS, CONTENTS, st.sampled_from(["", " ", "\n  x", 'q"\\', "10.0.0.1"]))
def test_a_file_holds_what_its_references_hold(before, after, value):
    assert read(one(Text.of(before, X, after)), x=value)["/a"]["content"] == before + value + after


@given(CONTENTS)
def test_user_data_is_printable_ascii(text):
    lines = render(one(Text.of(text, X))).sample().split("\n")
    assert all(line.isascii() and (line.isprintable() or not line) for line in lines)


def test_it_begins_as_a_cloud_config(document):
    assert render(document).sample().startswith("#cloud-config\n")


def test_plain_text_stands_as_it_is():
    assert "  content: |\n   a\n\n     b\n" in render(one("a\n\n  b\n")).sample()


def test_the_distribution_keeps_its_own_user(document):
    """A `users` key without `default` would take it away."""
    assert "users" not in yaml.safe_load(render(document).sample())


def test_files_belong_to_root_until_their_owner_is_there():
    document = one("x", mode=0o640, owner="root:api")
    entry = read(document)["/a"]
    assert (entry["owner"], entry["permissions"]) == ("root:root", "0640")
    assert "\nown root:api 0640 /a\n" in read(document)[BOOT_SCRIPT]["content"]


def test_the_boot_script_is_run_and_is_roots_alone(document):
    data = yaml.safe_load(render(document).sample())
    assert data["runcmd"] == [["sh", BOOT_SCRIPT]]
    assert read(document)[BOOT_SCRIPT]["permissions"] == "0700"


def test_programs_lie_together_where_gzip_finds_what_they_share():
    names = ("/long.py", "/a.json", "/short.py", "/b.sh")
    files = [File(name, name * (9 if "long" in name else 1) + "\n") for name in names]
    written = yaml.safe_load(render(Document(label="x", files=files)).sample())["write_files"]
    paths = [entry["path"] for entry in written]
    assert paths == ["/a.json", "/b.sh", BOOT_SCRIPT, "/short.py", "/long.py"]


def test_a_certificate_takes_the_room_of_a_certificate():
    small = one(Text.of(Reference("${x.a}")))
    large = one(Text.of(Reference("${x.b}", 750)))
    assert size(large).plain - size(small).plain == 750 - 64


def test_the_same_document_is_always_the_same_text(everything):
    assert render(everything) == render(Document.merge(everything))


def test_size_counts_bytes(everything):
    plain = render(everything).sample().encode()
    found = size(everything)
    assert found.plain == len(plain)
    assert abs(found.compressed - len(gzip.compress(plain))) <= 1


def test_a_document_that_fits_is_not_refused(everything):
    assert refusal(everything, limit=size(everything).plain) is None
    assert refusal(everything, limit=size(everything).compressed, compressed=True) is None


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({}, "bytes, which"),
        ({"compressed": True}, "bytes after gzip, which"),
        ({"compressed": True, "encoded": True}, "bytes after gzip and base64, which"),
    ],
)
def test_fails_when_too_large_and_names_the_largest_parts(how, words):
    big = Document(label="api", files=[File("/big", "".join(map(str, range(20_000))))])
    small = Document(label="consul", files=[File("/small", "x")])
    message = str(refusal(Document.merge(small, big), limit=16_384, **how))
    assert words in message
    assert "at most 16,384 bytes" in message
    assert "the largest are api: /big (" in message


def test_base64_makes_four_bytes_of_three(everything):
    encoded = -(-size(everything).plain // 3) * 4
    assert refusal(everything, limit=encoded, encoded=True) is None
    assert refusal(everything, limit=encoded - 1, encoded=True) is not None
