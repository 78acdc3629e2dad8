"""What was written is what a machine receives: through the real Terraform, byte for byte."""

from __future__ import annotations

import json
import subprocess
import unicodedata
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from crossgate.boot.cloud_init import render
from crossgate.boot.document import Document, File
from crossgate.model.text import Quoted, Reference, Text, json_text
from crossgate.model.value import holds_token
from crossgate.terraform.text import template
from tools.toolbox import environment, program

AWKWARD = "a\"b'\n$\\{ é ${y} %{z} <&> \U0001f600 `c` \t\r\n  $"
KNOWN = {
    Reference("${local.awkward}"): AWKWARD,
    Reference('${join("", ["<", local.plain, ">"])}'): "<10.0.0.7>",
    Reference("${local.number}"): "5",
    Reference("${local.truth}"): "true",
}
AWKWARD_REFERENCE, *_ = REFERENCES = tuple(KNOWN)

# Everything that means something to HCL, JSON, YAML or a shell, and letters that are not in NFC.
SPECIAL = st.sampled_from([
    "$", "%", "{", "}", "${", "%{", "$${", "%%{", "~}", '"', "'", "\\", "\\n", "\n", "\r\n", "\r",
    "\t", " ", "  ", "#", ": ", "- ", "`", "é", "e\u0301", "\u212b", "\x7f", "\x1b", "\u2028", "😀",
])  # fmt: skip
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
LITERALS = (
    st.lists(SPECIAL | st.text(CHARACTERS, max_size=6), max_size=8)
    .map("".join)
    .filter(lambda text: not holds_token(text))
)
TEXTS = st.lists(LITERALS | st.sampled_from(REFERENCES), max_size=6).map(
    lambda parts: Text.of(*parts)
)
BATCH = 50

# One example is one run of Terraform with many texts, so a handful of them is a few hundred texts.
# Each text is compared on its own: making the batch smaller would take minutes and show no more.
few = settings(
    max_examples=5,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

pytestmark = pytest.mark.terraform


@pytest.fixture
def through_terraform(tmp_path: Path):
    """Return a function that passes texts through Terraform and returns what came out."""

    def pass_through(texts: list[Text]) -> list[str]:
        configuration = {
            "locals": {
                "awkward": template(Text.of(AWKWARD)),
                "plain": "10.0.0.7",
                "number": 5,
                "truth": True,
            },
            "output": {f"o{n}": {"value": template(text)} for n, text in enumerate(texts)},
        }
        (tmp_path / "main.tf.json").write_text(json.dumps(configuration))
        for words in (["apply", "-auto-approve"], ["output", "-json"]):
            done = subprocess.run(
                [program("terraform"), *words],
                cwd=tmp_path,
                env=environment(),
                check=False,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
        outputs = json.loads(done.stdout)
        return [as_text(outputs[f"o{n}"]["value"]) for n in range(len(texts))]

    return pass_through


def as_text(output: object) -> str:
    """Return what an argument would hold: Terraform keeps the type of a lone reference."""
    return output if isinstance(output, str) else json.dumps(output)


@few
@given(texts=st.lists(TEXTS, min_size=BATCH, max_size=BATCH))
def test_texts_come_out_as_they_were_written_but_for_nfc(through_terraform, texts):
    for text, got in zip(texts, through_terraform(texts), strict=True):
        assert got == unicodedata.normalize("NFC", text.sample(known=KNOWN)), text


@few
@given(texts=st.lists(TEXTS, min_size=BATCH, max_size=BATCH), depth=st.integers(1, 3))
def test_quoted_texts_read_back_however_deep_they_are_nested(through_terraform, texts, depth):
    def nested(text: Text) -> Text:
        for _ in range(depth):
            text = Text.of(Quoted(text))
        return text

    for text, got in zip(texts, through_terraform([nested(t) for t in texts]), strict=True):
        for _ in range(depth):
            got = json.loads(got)  # noqa: PLW2901  # one pair of quotes after the other
        assert got == text.sample(known=KNOWN)


@few
@given(texts=st.lists(TEXTS, min_size=BATCH, max_size=BATCH))
def test_json_inside_json_reads_back(through_terraform, texts):
    inner = json_text({"texts": texts, "$${": "%{"}, indent=2)
    (outer,) = through_terraform([json_text({"inner": inner})])
    found = json.loads(json.loads(outer)["inner"])
    assert found == {"texts": [text.sample(known=KNOWN) for text in texts], "$${": "%{"}


@few
@given(texts=st.lists(TEXTS, min_size=BATCH, max_size=BATCH))
def test_a_shell_reads_double_quotes_as_they_were_written(through_terraform, texts):
    (script,) = through_terraform(
        [Text.lines(*(Text.of("printf '%s\\0' ", Quoted(text, "shell")) for text in texts))]
    )
    done = subprocess.run(["/bin/sh"], input=script.encode(), check=True, capture_output=True)
    for text, got in zip(texts, done.stdout.decode().split("\0")[:-1], strict=True):
        assert got == unicodedata.normalize("NFC", text.sample(known=KNOWN)), text


@few
@given(texts=st.lists(TEXTS, min_size=BATCH, max_size=BATCH))
def test_the_files_of_a_boot_document_survive_byte_for_byte(through_terraform, texts):
    """Also those that are not in NFC, because a document is ASCII."""
    document = Document(
        label="test", files=[File(f"/srv/{n}", text) for n, text in enumerate(texts)]
    )
    (user_data,) = through_terraform([render(document)])
    written = {f["path"]: f["content"] for f in yaml.safe_load(user_data)["write_files"]}
    for n, text in enumerate(texts):
        assert written[f"/srv/{n}"].encode() == text.sample(known=KNOWN).encode()


def test_terraform_normalizes_what_is_not_ascii(through_terraform):
    """The reason for ASCII: without it, this file would have lost a byte."""
    assert through_terraform([Text.of("e\u0301")]) == ["\u00e9"]


def test_a_document_whose_references_are_ascii_reaches_terraform_as_ascii(through_terraform):
    files = [File("/srv/a", Text.of("é😀e\u0301", REFERENCES[1]))]
    (user_data,) = through_terraform([render(Document(label="test", files=files))])
    assert user_data.isascii()
