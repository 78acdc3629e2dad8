"""The real programs that judge a boot document: cloud-init, systemd, shellcheck."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from crossgate.boot.cloud_init import render
from crossgate.boot.document import Document, unit_path
from crossgate.boot.script import boot_script
from crossgate.model.text import Text
from tools.toolbox import program

_UNITS = Path("/lib/systemd/system")


def assert_cloud_init_accepts(document: Document, folder: Path) -> None:
    """Fail unless the rendered document is a cloud-config by cloud-init's own schema."""
    path = folder / "user-data"
    path.write_text(render(document).sample())
    done = _run(program("cloud-init"), "schema", "--config-file", path)
    assert "Valid cloud-config" in done.stdout, done.stdout + done.stderr


def assert_systemd_accepts(document: Document, folder: Path) -> None:
    """Fail unless systemd finds nothing to say about the document's units.

    They are read below a root of their own that has this machine's units. The programs they start
    are not there yet on a machine that has not booted, so empty ones stand in their places.
    """
    root = folder / "root"
    shutil.copytree(_UNITS, root / str(_UNITS)[1:], symlinks=True, dirs_exist_ok=True)
    names = []
    for unit in document.units:
        text = None if unit.text is None else Text.of(unit.text).sample()
        if text is None:
            continue
        names.append(unit.name)
        _write(root / unit_path(unit.name)[1:], text)
        for started in re.findall(r"^Exec\w+=[-+!:@]*(/\S+)", text, re.MULTILINE):
            _write(root / started[1:], "#!/bin/sh\n", 0o755)
    if not names:
        return
    done = _run(
        program("systemd-analyze"), "verify", "--man=no", "--recursive-errors=no",
        f"--root={root}", *names,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def assert_shellcheck_accepts(document: Document) -> None:
    """Fail unless shellcheck finds nothing in the boot script and the document's own scripts."""
    scripts = [boot_script(document)]
    scripts += [Text.of(file.text) for _, file in document.written()]
    for script in scripts:
        text = script.sample(8)
        if text.startswith("#!"):
            done = subprocess.run(
                [program("shellcheck"), "--norc", "-"],
                input=text, check=False, capture_output=True, text=True,
            )  # fmt: skip
            assert done.stdout == "", done.stdout


def assert_accepted(document: Document, folder: Path) -> None:
    """Fail unless all of the above accept the document."""
    assert_cloud_init_accepts(document, folder)
    assert_systemd_accepts(document, folder)
    assert_shellcheck_accepts(document)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], check=False, capture_output=True, text=True
    )
