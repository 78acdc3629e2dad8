"""The example stacks: each against a golden that a person reads in review.

After a change that is meant: `CROSSGATE_RENEW=1 make unit`, then read what git shows.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossgate import App, Gateway, TerraformStack
from stacks.gateway import GatewayStack
from tools.toolbox import ROOT

GOLDEN = Path(__file__).parent / "goldens" / "gateway.tf.json"
RENEW = "CROSSGATE_RENEW"
LEAST_RESOURCES = 60

# Ends of lines, also of those in a text inside a text.
_LINE = re.compile(r"(?<=\n)|(?<=\\n)")
# What stands after one of these names, if Terraform does not fill it in.
_SECRET = re.compile(
    r"""(?i)(?:(?:password|passwd|secret|credential|encrypt|private_?key|token)\w*[\\"']*\s*[:=]|"""
    r"""stats:)[\s\\"']*(?!true|false|required|getsecretvalue|settings|provider|description)[a-z0-9+/]{8,}"""
)
_PRIVATE = re.compile(
    r"PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\b(?:[A-Za-z0-9+/]{43}|[A-Za-z0-9+/]{22}=)="
)


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Any]:
    app = App(outdir=str(tmp_path))
    GatewayStack(app, "gateway")
    return synthesized(app, tmp_path)


def synthesized(app: App, folder: Path) -> dict[str, Any]:
    app.synth()
    made: dict[str, Any] = json.loads((folder / "stacks/gateway/cdk.tf.json").read_text())
    return made


def readable(value: Any) -> Any:
    """Return JSON without what the engine says of itself, and texts line by line."""
    if isinstance(value, dict):
        return {name: readable(item) for name, item in value.items() if name != "//"}
    if isinstance(value, list):
        return [readable(item) for item in value]
    if isinstance(value, str) and len(lines := [part for part in _LINE.split(value) if part]) > 1:
        return {"text": lines}
    return value


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        # With its name, which says what it is.
        for name, item in value.items():
            yield from (f"{name}: {text}" for text in texts(item))
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def test_the_gateway_is_the_golden_one(made):
    shown = readable(made)
    # It names a folder of the machine.
    del shown["terraform"]["backend"]
    text = json.dumps(shown, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get(RENEW):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8"), f"meant? {RENEW}=1 make unit; git diff"


def test_the_golden_is_not_being_renewed_where_nobody_reads_it():
    assert not (os.environ.get("CI") and os.environ.get(RENEW))


def test_the_file_says_the_same_as_the_program(made, tmp_path):
    folder = tmp_path / "from_file"
    app = App(outdir=str(folder))
    stack = TerraformStack(app, "gateway")
    Gateway.from_file(stack, "gw", ROOT / "stacks" / "gateway.json")
    assert synthesized(app, folder) == made


def test_it_is_a_gateway_of_some_size_in_both_clouds(made):
    counted = {kind: len(blocks) for kind, blocks in made["resource"].items()}
    assert sum(counted.values()) >= LEAST_RESOURCES
    for cloud in ("aws_", "openstack_"):
        assert (
            sum(n for kind, n in counted.items() if kind.startswith(cloud)) >= LEAST_RESOURCES / 3
        )


def test_it_can_be_planned_without_an_account(made):
    assert "data" not in made


def test_no_literal_looks_like_a_secret(made):
    found = [
        text for text in texts(made) for pattern in (_SECRET, _PRIVATE) if pattern.search(text)
    ]
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        'password: "hunter2hunter2"',
        "SECRET_KEY=abcdefgh12",
        '{"encrypt": "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="}',
        '{\\"encrypt\\": \\"pUqJrVyVRj5jsiYE\\"}',
        "stats:hunter2hunter2",
        "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s=",
        "AKIAABCDEFGHIJKLMNOP",
        "-----BEGIN EC PRIVATE KEY-----",
    ],
)
def test_fails_on_what_looks_like_a_secret(text):
    assert _SECRET.search(text) or _PRIVATE.search(text)
