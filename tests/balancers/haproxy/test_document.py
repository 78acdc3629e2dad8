from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossgate.balancers.haproxy.document import DROP_IN, haproxy_document
from crossgate.balancers.haproxy.settings import LAYOUT
from crossgate.model.text import Reference, Text
from tools import toolbox

if TYPE_CHECKING:
    from crossgate.boot.document import File

PASSWORD = Reference("${random_password.stats.result}")


def files() -> dict[str, File]:
    return {file.path: file for _, file in haproxy_document(stats_password=PASSWORD).written()}


def test_the_password_is_a_reference_in_a_file_for_root_only() -> None:
    holding = [file for file in files().values() if Text.of(file.text).references()]
    assert [(file.path, file.mode, file.owner) for file in holding] == [
        (LAYOUT.login, 0o600, "root:root")
    ]
    assert holding[0].text == Text.of("stats:", PASSWORD, "\n")


def test_the_packages_are_debians() -> None:
    assert haproxy_document(stats_password=PASSWORD).packages == ("haproxy", "python3")


def test_the_script_is_clean() -> None:
    script = str(Text.of(files()[LAYOUT.apply].text))
    done = subprocess.run(
        [toolbox.program("shellcheck"), "--enable=all", "--exclude=SC2250", "-"],
        input=script, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.root
def test_systemd_accepts_debians_unit_with_the_drop_in(tmp_path: Path) -> None:
    folder = tmp_path / "haproxy.service.d"
    folder.mkdir()
    (folder / Path(DROP_IN).name).write_text(str(Text.of(files()[DROP_IN].text)), encoding="utf-8")
    environment = dict(os.environ, SYSTEMD_UNIT_PATH=f"{tmp_path}:")
    done = subprocess.run(
        [toolbox.program("systemd-analyze"), "verify", "haproxy.service"],
        env=environment, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.root
def test_the_drop_in_names_the_live_file(tmp_path: Path) -> None:
    text = str(Text.of(files()[DROP_IN].text))
    assert f"\nEnvironment=CONFIG={LAYOUT.live}\n" in text
    unit = Path("/lib/systemd/system/haproxy.service").read_text(encoding="utf-8")
    assert "-f $CONFIG" in unit, "Debian's unit reads the file that CONFIG names"


@pytest.mark.root
def test_the_drop_in_starts_haproxy_as_debians_unit_does() -> None:
    text = str(Text.of(files()[DROP_IN].text))
    unit = Path("/lib/systemd/system/haproxy.service").read_text(encoding="utf-8")
    (own,) = re.findall(r"^ExecStart=(\S.*)$", unit, re.MULTILINE)
    assert f" {own}\n" in text
    for check in re.findall(r"^(ExecReload=.*)$", unit, re.MULTILINE):
        assert f"\n{check}\n" in text
