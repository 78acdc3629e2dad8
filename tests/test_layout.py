"""Guards the shape of the repository: what is where, and what is never committed."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "constructs" / "crossgate"

TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "Pipfile",
    "Pipfile.lock",
    "README.md",
    "bench",
    "cdktf.json",
    "constructs",
    "docs",
    "lab",
    "main.py",
    "pyproject.toml",
    "stacks",
    "tests",
    "tools",
}
TARGETS = (
    *("setup", "demo", "unit", "test", "lint", "format"),
    *("bindings", "tools", "lock", "bench-synth", "lab", "lab-report"),
)
SHAPELESS = {"base", "common", "helpers", "misc", "shared", "util", "utils"}
# Near 250 is what is wanted; this is where a module has certainly outgrown its name.
MOST_LINES = 400

# Written in parts, for this file is read by its own test.
HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("yarnpkg", "com"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("debian", "org/debian"),
    )
]
MACHINE_PATHS = [
    "/".join(parts)
    for parts in (
        ("", "work", ""),
        ("", "root", ""),
        ("", "tmp", "exp"),
        ("", "opt", "wheels"),
        ("", "opt", "tf-"),
    )
]


def committed() -> list[Path]:
    """What git has or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    names = sorted({name for name in listed.stdout.split("\0") if name})
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def written_modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "bindings" not in path.parts]


def test_the_source_root_does_not_hide_the_library_it_is_named_after():
    assert not (ROOT / "constructs" / "__init__.py").exists()
    import constructs  # noqa: PLC0415  (only after the file is known to be absent)

    assert Path(constructs.__file__).parent != ROOT / "constructs"


def test_the_top_level_holds_only_what_the_design_names():
    assert {path.relative_to(ROOT).parts[0] for path in committed()} <= TOP_LEVEL


def test_no_module_has_a_name_that_says_nothing():
    names = {
        part
        for path in written_modules()
        for part in path.relative_to(PACKAGE).with_suffix("").parts
    }
    assert not names & SHAPELESS


@pytest.mark.parametrize("path", written_modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_short_enough_to_be_read_at_once(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_nothing_committed_names_a_machine_or_a_registry():
    found = []
    for path in committed():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}: {word}" for word in (*HOSTS, *MACHINE_PATHS) if word in text
        ]
    assert not found


def test_nothing_built_is_committed():
    largest = 2_000_000
    assert not [path for path in committed() if path.stat().st_size > largest]


@pytest.mark.parametrize(
    "folder",
    sorted(path.parent for path in (ROOT / "tools").glob("*/go.mod")),
    ids=lambda path: path.name,
)
def test_every_go_program_is_pinned_to_its_checksums(folder):
    module = (folder / "go.mod").read_text(encoding="utf-8")
    assert re.search(r"^tool \S+$", module, re.MULTILINE)
    sums = (folder / "go.sum").read_text(encoding="utf-8")
    replaced = set(re.findall(r"^replace (\S+) => ", module, re.MULTILINE))
    required = set(re.findall(r"^(?:require |\t)(\S+) v\S+", module, re.MULTILINE)) - replaced
    assert required
    assert not {name for name in required if f"{name} v" not in sums}


def test_the_cli_is_pinned_by_hashes_and_not_by_addresses():
    lock = json.loads(
        (ROOT / "tools" / "cdktf-cli" / "package-lock.json").read_text(encoding="utf-8")
    )
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages["node_modules/cdktf-cli"]["version"].startswith("0.21.")
    assert not [name for name, entry in packages.items() if "resolved" in entry]
    bundled = [name for name, entry in packages.items() if entry.get("inBundle")]
    assert [name for name, entry in packages.items() if "integrity" not in entry] == bundled


def test_the_environment_is_pinned_by_hashes_and_to_no_index():
    lock = json.loads((ROOT / "Pipfile.lock").read_text(encoding="utf-8"))
    assert lock["_meta"]["sources"] == []
    entries = {**lock["default"], **lock["develop"]}
    assert entries.pop("crossgate") == {"editable": True, "path": "."}
    assert not [name for name, entry in entries.items() if not entry.get("hashes")]
    assert not [name for name, entry in entries.items() if "index" in entry]
    assert "source" not in tomllib.loads((ROOT / "Pipfile").read_text(encoding="utf-8"))


def test_the_package_asks_for_what_the_environment_has():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pipfile = tomllib.loads((ROOT / "Pipfile").read_text(encoding="utf-8"))
    asked = [*project["dependencies"], *project["optional-dependencies"]["cli"]]
    names = {re.match(r"[\w-]+", line)[0].lower() for line in asked}
    assert names <= {name.lower() for name in pipfile["packages"]}


def test_make_alone_prints_every_target():
    printed = subprocess.run(
        ["make", "--no-print-directory"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    described = dict(line.split(maxsplit=1) for line in printed.splitlines())
    assert set(described) == set(TARGETS)
    assert all(described.values())


def test_the_license_is_apache_2():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
