"""Documents: parts that are merged, and refused where they contradict each other."""

from __future__ import annotations

import pytest

from crossgate.boot.document import Command, Document, File, Unit, User
from crossgate.errors import ConfigError


def part(label: str, **what: object) -> Document:
    return Document(label=label, **what)  # type: ignore[arg-type]


def test_parts_keep_their_order():
    merged = Document.merge(
        part("a", packages=["curl"], before=[Command("one")]),
        part("b", packages=["podman"], before=[Command("two")]),
    )
    assert merged.packages == ("curl", "podman")
    assert merged.before == (Command("one"), Command("two"))


def test_what_two_parts_say_alike_is_done_once():
    again = part(
        "a", files=[File("/a", "x")], packages=["curl"], before=[Command("one")], users=[User("u")]
    )
    merged = Document.merge(again, part("b", files=again.files, users=again.users))
    assert merged.files == again.files
    assert merged.users == again.users
    assert Document.merge(again, again).before == again.before


def test_merging_merged_documents_is_merging_their_parts():
    a, b, c = (part(label, files=[File(f"/{label}", label)]) for label in "abc")
    assert Document.merge(Document.merge(a, b), c) == Document.merge(a, b, c)


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [
        ({"files": [File("/a", "x")]}, {"files": [File("/a", "y")]}, "file /a"),
        ({"files": [File("/a", "x")]}, {"files": [File("/a", "x", mode=0o600)]}, "file /a"),
        ({"units": [Unit("a.service", "x")]}, {"units": [Unit("a.service")]}, "unit a.service"),
        (
            {"units": [Unit("a.service", "x")]},
            {"files": [File("/etc/systemd/system/a.service", "y")]},
            "file /etc/systemd/system/a.service",
        ),
        ({"users": [User("u")]}, {"users": [User("u", home="/h")]}, "user u"),
    ],
)
def test_fails_on_two_parts_that_claim_one_thing_and_names_both(one, other, name):
    with pytest.raises(ConfigError, match=rf"the {name} is claimed twice[\s\S]*haproxy and by api"):
        Document.merge(part("haproxy", **one), part("api", **other))


def test_fails_on_one_part_that_claims_a_file_twice():
    with pytest.raises(ConfigError, match="the file /a is claimed twice"):
        part("a", files=[File("/a", "x"), File("/a", "y")])


@pytest.mark.parametrize("path", ["etc/a", "/etc/../a", "/a/", "/a b", "/", "/a//b", "/a\n"])
def test_fails_on_a_path_that_is_not_plain(path):
    with pytest.raises(ConfigError, match="File: path"):
        File(path, "")


@pytest.mark.parametrize("name", ["api", "a/b.service", "a b.service"])
def test_fails_on_what_is_no_unit_name(name):
    with pytest.raises(ConfigError, match="Unit: name"):
        Unit(name, "")


def test_written_holds_units_and_the_label_of_the_first_owner():
    shared = File("/a", "x")
    merged = Document.merge(
        part("a", files=[shared]), part("b", files=[shared], units=[Unit("b.service", "y")])
    )
    assert [(label, file.path) for label, file in merged.written()] == [
        ("a", "/a"),
        ("b", "/etc/systemd/system/b.service"),
    ]
