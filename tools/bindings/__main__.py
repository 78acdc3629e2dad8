"""`make bindings`: writes the tables anew, from the repository's schemas or from fresh ones."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tools.bindings import schema, tables
from tools.toolbox import ROOT, VENV_BIN, ToolError


def main() -> int:
    """Write the pruned schemas, where fresh ones are asked for, and all tables."""
    parser = argparse.ArgumentParser(prog="python -m tools.bindings", description=__doc__)
    parser.add_argument(
        "--schema",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="take a full schema (what `terraform providers schema -json` prints, packed by xz or "
        "not) for one of the files in tests/schemas, such as openstack-3.4.0=FILE",
    )
    parser.add_argument(
        "--ask",
        action="append",
        default=[],
        metavar="NAME",
        help="ask the real provider, through Terraform, for one of the files, such as aws-5.100.0",
    )
    options = parser.parse_args()
    files = dict(pair.split("=", 1) for pair in options.schema)
    try:
        for want in schema.wanted():
            refresh(want, files, options.ask)
            for path, text in rendered(want).items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
                print(path.relative_to(ROOT))  # noqa: T201  # a command line's answer
    except ToolError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def refresh(want: schema.Wanted, files: dict[str, str], ask: list[str]) -> None:
    """Write the pruned schemas of one provider that are to be taken anew."""
    for name in want.schemas:
        if name in files:
            full = schema.read(Path(files[name]), want.source)
        elif name in ask:
            full = schema.asked(want.source, name.rpartition("-")[2])
        else:
            continue
        schema.check(full, want, name)
        text = schema.written(schema.pruned(full, want), want.source)
        schema.SCHEMAS.mkdir(parents=True, exist_ok=True)
        (schema.SCHEMAS / f"{name}.json").write_text(text, encoding="utf-8")


def rendered(want: schema.Wanted) -> dict[Path, str]:
    """Return the text of each table of one provider, from the schemas in the repository."""
    known = [schema.read(schema.SCHEMAS / f"{name}.json", want.source) for name in want.schemas]
    for name, one in zip(want.schemas, known, strict=True):
        schema.check(one, want, name)
    modules = tables.modules(want, schema.merged(known))
    return {ROOT / want.folder / name: formatted(text) for name, text in modules.items()}


def formatted(text: str) -> str:
    """Return Python in the form that `make lint` wants."""
    done = subprocess.run(  # noqa: S603  # our own ruff
        [VENV_BIN / "ruff", "format", "--stdin-filename", str(ROOT / "constructs" / "x.py"), "-"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
