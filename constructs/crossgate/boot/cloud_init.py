"""The boot document as cloud-init's user data: a `#cloud-config` that is pure ASCII.

cloud-init writes the files and runs the boot script once for every instance; its log is in the
journal and in /var/log/cloud-init-output.log. It keeps the user data and its parts below
/var/lib/cloud/instance, readable by root only (mode 0600). The cloud's metadata service, however,
hands it to any process of the machine that asks.
"""

from __future__ import annotations

import functools
import gzip
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossgate.boot.document import File
from crossgate.boot.script import BOOT_SCRIPT, boot_script
from crossgate.errors import RefusedError
from crossgate.model.quoting import escaped
from crossgate.model.text import Quoted, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossgate.boot.document import Document
    from crossgate.model.text import TextLike

# What YAML carries in a literal block as it stands: ASCII lines, the first one not indented, and
# one newline at the end.
_BLOCK = re.compile(r"(?=[^ ])[ -~]+(?:\n[ -~]*)*(?<!\n)\n")
_INDENT = 3  # one more than the mapping that the block is in
_LARGEST = 5
_LEVEL = 6  # that of Terraform's `base64gzip`: the default of Go's compress/gzip


@functools.lru_cache(maxsize=32)  # a document is measured before it is used
def render(document: Document) -> Text:
    """Return the user data that makes a machine what `document` says."""
    files = [_entry(file) for _, file in sorted(_files(document), key=_place)]
    return Text.of("#cloud-config\nwrite_files:\n", *files, f"runcmd:\n- [sh, {BOOT_SCRIPT}]\n")


def _files(document: Document) -> Iterator[tuple[str, File]]:
    yield from document.written()
    yield "crossgate", File(BOOT_SCRIPT, boot_script(document), mode=0o700)


def _place(labelled: tuple[str, File]) -> tuple[bool, int]:
    """Return where a file goes: gzip looks 32 KB back, so programs, which are alike, lie together.

    That is two hundredths of all, and EC2 takes no more than 16 KB.
    """
    text = labelled[1].text
    program = labelled[1].path.endswith(".py")
    return program, len(text) if program and isinstance(text, str) else 0


@functools.lru_cache(maxsize=256)  # machines of a stack share most of their files
def _entry(file: File) -> Text:
    return Text.of(*_file(file))


def _file(file: File) -> Iterator[TextLike]:
    yield f"- path: {file.path}\n"
    yield f'  permissions: "{file.mode:04o}"\n  owner: root:root\n  content: '
    text = Text.of(file.text)
    literal = text.literal
    if literal is not None and _BLOCK.fullmatch(literal):
        yield Text.of("|\n", Text.of(literal).indented(_INDENT))
    else:
        yield from ('"', *_scalar(text), '"\n')


def _scalar(text: Text) -> Iterator[TextLike]:
    r"""Yield a double-quoted scalar, a line of it for every line of `text` where that can be.

    A backslash ends a line that goes on, and stands for the spaces that YAML strips: before text
    whose first characters only Terraform knows, the line is not broken.
    """
    for piece in text.pieces:
        if not isinstance(piece, str):
            yield Text.of(Quoted(Text.of(piece), "yaml", bare=True))
            continue
        lines = [escaped(line, "yaml") for line in piece.split("\n")]
        for line, following in itertools.pairwise(lines):
            yield line + "\\n"
            if following:
                yield "\\\n    " + ("\\" if following[0] == " " else "")
        yield lines[-1]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How many bytes user data takes; a reference counts for 64 characters.

    Attributes:
        plain: as it is.
        compressed: after gzip, which cloud-init unpacks by itself.

    """

    plain: int
    compressed: int


def size(document: Document) -> Size:
    """Return how large the user data of `document` is."""
    plain = render(document).sample().encode()
    return Size(plain=len(plain), compressed=len(gzip.compress(plain, _LEVEL)))


def largest(document: Document) -> tuple[tuple[str, int], ...]:
    """Return the files that take most room, as `label: path`, with their plain bytes."""
    measured = [
        (f"{label}: {file.path}", len(_entry(file).sample())) for label, file in _files(document)
    ]
    return tuple(sorted(measured, key=lambda item: -item[1])[:_LARGEST])


def refusal(
    document: Document, *, limit: int, compressed: bool = False, encoded: bool = False
) -> RefusedError | None:
    """Return why user data does not fit, with its largest parts, or None when it does.

    Args:
        document: the boot document.
        limit: the most bytes that the cloud takes.
        compressed: whether it is sent gzipped; default False.
        encoded: whether the cloud counts the bytes after base64; default False.

    """
    found = size(document)
    sent = found.compressed if compressed else found.plain
    counted = -(-sent // 3) * 4 if encoded else sent
    if counted <= limit:
        return None
    how = [word for word, used in (("gzip", compressed), ("base64", encoded)) if used]
    after = f" after {' and '.join(how)}" if how else ""
    parts = "; ".join(f"{name} ({length:,} bytes)" for name, length in largest(document))
    return RefusedError(
        f"the boot document takes {counted:,} bytes{after}, which is more than the cloud accepts",
        path=document.label,
        want=f"at most {limit:,} bytes",
        do=f"fetch large files when the machine starts instead; the largest are {parts}",
    )
