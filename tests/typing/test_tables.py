from __future__ import annotations

import re
from pathlib import Path

from mypy import api

ROOT = Path(__file__).parent.parent.parent
CASES = Path(__file__).with_name("tables.py")


def checked(*arguments: str) -> str:
    report, errors, _ = api.run(["--config-file", str(ROOT / "pyproject.toml"), *arguments])
    assert errors == ""
    return report


def test_mypy_accepts_what_is_right_and_refuses_what_is_wrong(tmp_path: Path) -> None:
    """Take the expected errors away, and mypy must report exactly those, in those places."""
    source = CASES.read_text()
    expected = {
        (number, code)
        for number, line in enumerate(source.splitlines(), 1)
        if (marked := re.search(r"# type: ignore\[([\w, -]+)\]", line))
        for code in marked[1].split(", ")
    }
    bare = tmp_path / "bare.py"
    bare.write_text(re.sub(r"  # type: ignore\[.*", "", source))

    report = checked("--hide-error-context", str(bare))

    found = re.findall(r"bare\.py:(\d+): error: .*\[([\w-]+)\]", report)
    assert {(int(number), code) for number, code in found} == expected
    assert len(expected) > 15


def test_a_misspelt_argument_is_named_with_what_was_meant(tmp_path: Path) -> None:
    bare = tmp_path / "bare.py"
    bare.write_text(re.sub(r"  # type: ignore\[.*", "", CASES.read_text()))

    report = checked(str(bare))

    assert 'Unexpected keyword argument "imageid" for "LaunchTemplate"' in report
    assert 'Missing named argument "max_size" for "AutoscalingGroup"' in report
    assert 'Argument "image_id" to "LaunchTemplate" has incompatible type "int"' in report
