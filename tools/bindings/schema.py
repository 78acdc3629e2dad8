"""A provider's schema, as `terraform providers schema -json` prints it: read, pruned, merged."""

from __future__ import annotations

import json
import lzma
import re
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from tools.toolbox import ROOT, ToolError, environment, program

Schema: TypeAlias = dict[str, Any]
"""The part of the JSON that belongs to one provider, or any part below it."""

SCHEMAS = ROOT / "tests" / "schemas"
_LIST = Path(__file__).with_name("bindings.toml")
_KEPT_OF_AN_ATTRIBUTE = ("type", "required", "optional", "computed", "deprecated", "sensitive")
_KEPT_OF_A_BLOCK = ("nesting_mode", "min_items", "max_items")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What of one provider has a table; the fields are those of `bindings.toml`.

    Attributes:
        resources: names of resource types, by module.
        data: names of data source types, by module.
        only: blocks of which only these arguments are of use.

    """

    name: str
    source: str
    version: str
    provider: str
    folder: str
    schemas: list[str]
    strip: str
    found_by_id: list[str] = field(default_factory=list)
    only: dict[str, list[str]] = field(default_factory=dict)
    resources: dict[str, list[str]] = field(default_factory=dict)
    data: dict[str, list[str]] = field(default_factory=dict)


def wanted() -> list[Wanted]:
    """Return what `bindings.toml` lists, one for each provider."""
    listed = tomllib.loads(_LIST.read_text(encoding="utf-8"))
    return [Wanted(name=name, **entry) for name, entry in listed.items()]


def read(path: Path, source: str) -> Schema:
    """Return the schema of one provider from a file, packed by xz or not."""
    packed = path.read_bytes()
    text = lzma.decompress(packed) if path.suffix == ".xz" else packed
    return of_source(json.loads(text), source)


def of_source(printed: Schema, source: str) -> Schema:
    """Return the part of Terraform's output that belongs to one provider."""
    for name, schema in printed["provider_schemas"].items():
        if name.endswith(f"/{source}"):
            return schema  # type: ignore[no-any-return]  # JSON
    raise ToolError(f"The schema knows no provider {source}.", do="name the file of that provider.")


def asked(source: str, version: str) -> Schema:
    """Return the schema that the real provider gives to Terraform.

    Raises:
        ToolError: Terraform cannot have the provider.

    """
    name = source.rpartition("/")[2]
    with tempfile.TemporaryDirectory() as folder:
        required = {name: {"source": source, "version": version}}
        Path(folder, "main.tf.json").write_text(
            json.dumps({"terraform": {"required_providers": required}}), encoding="utf-8"
        )
        _terraform(folder, "init", "-backend=false", "-input=false", "-no-color")
        return of_source(json.loads(_terraform(folder, "providers", "schema", "-json")), source)


def _terraform(folder: str, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603  # our own Terraform
        [program("terraform"), *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ToolError(
            f"terraform {arguments[0]} failed.", do="run `make tools`.", output=done.stderr
        )
    return done.stdout


def check(schema: Schema, want: Wanted, name: str) -> None:
    """Refuse a schema that lacks what is wanted.

    Raises:
        ToolError: it does; with what is to be done about it.

    """
    absent = [
        kind
        for section, groups in (
            ("resource_schemas", want.resources),
            ("data_source_schemas", want.data),
        )
        for kinds in groups.values()
        for kind in kinds
        if kind not in schema.get(section, {})
    ]
    if absent:
        raise ToolError(
            f"{name} does not know {', '.join(sorted(absent))}.",
            do="mend bindings.toml; or, where they are new there: python -m tools.bindings "
            f"--ask {name}, or --schema {name}=FILE.",
        )


def pruned(schema: Schema, want: Wanted) -> Schema:
    """Return only what is wanted, without the prose."""
    return {
        "provider": {"block": _pruned_block(schema["provider"]["block"], want.only)},
        **{
            section: {
                name: {"block": _pruned_block(schema[section][name]["block"], {})}
                for names in groups.values()
                for name in sorted(names)
            }
            for section, groups in (
                ("resource_schemas", want.resources),
                ("data_source_schemas", want.data),
            )
        },
    }


def _pruned_block(block: Schema, only: dict[str, list[str]]) -> Schema:
    made: Schema = {}
    for name, attribute in sorted(block.get("attributes", {}).items()):
        kept = {key: attribute[key] for key in _KEPT_OF_AN_ATTRIBUTE if attribute.get(key)}
        if "type" not in kept:
            raise ToolError(
                f"The attribute {name} is of a kind that our tables do not know.",
                do="teach tools/bindings nested attributes.",
            )
        made.setdefault("attributes", {})[name] = kept
    for name, nested in sorted(block.get("block_types", {}).items()):
        inner = _pruned_block(nested["block"], {})
        if name in only:
            inner["attributes"] = {k: v for k, v in inner["attributes"].items() if k in only[name]}
        kept = {key: nested[key] for key in _KEPT_OF_A_BLOCK if nested.get(key)}
        made.setdefault("block_types", {})[name] = kept | {"block": inner}
    return made


def written(schema: Schema, source: str) -> str:
    """Return a pruned schema as JSON with one line for each attribute."""
    address = f"registry.terraform.io/{source}"
    text = json.dumps({"provider_schemas": {address: schema}}, indent=1, sort_keys=True)
    flat = re.compile(r'("[\w-]+": \{)([^{}]*"type": [^{}]*(?:\{[^{}]*\}[^{}]*)*)(\})')
    return flat.sub(lambda m: m[1] + re.sub(r"\s*\n\s*", " ", m[2]).strip() + m[3], text) + "\n"


def merged(schemas: list[Schema]) -> Schema:
    """Return what all of several versions of a provider know, as strict as the strictest."""
    first, *others = schemas
    for other in others:
        first = {
            "provider": {
                "block": _merged_block(first["provider"]["block"], other["provider"]["block"])
            },
            **{
                section: {
                    name: {
                        "block": _merged_block(
                            first[section][name]["block"], other[section][name]["block"]
                        )
                    }
                    for name in first[section]
                }
                for section in ("resource_schemas", "data_source_schemas")
            },
        }
    return first


def _merged_block(one: Schema, two: Schema) -> Schema:
    attributes = {}
    for name, left in one.get("attributes", {}).items():
        right = two.get("attributes", {}).get(name)
        if right is not None and _as_list(left["type"]) == _as_list(right["type"]):
            attributes[name] = {
                "type": left["type"],
                "required": bool(left.get("required") or right.get("required")),
                "optional": bool(settable(left) and settable(right)),
                "computed": bool(left.get("computed") or right.get("computed")),
                "deprecated": bool(left.get("deprecated") or right.get("deprecated")),
            }
    blocks = {}
    for name, left in one.get("block_types", {}).items():
        right = two.get("block_types", {}).get(name)
        if right is not None:
            most = [x["max_items"] for x in (left, right) if x.get("max_items")]
            blocks[name] = {
                "nesting_mode": left["nesting_mode"],
                "min_items": max(left.get("min_items", 0), right.get("min_items", 0)),
                "max_items": min(most) if most else None,
                "block": _merged_block(left["block"], right["block"]),
            }
    return {"attributes": attributes, "block_types": blocks}


def settable(attribute: Schema) -> bool:
    """Return whether a user may give the attribute."""
    return bool(attribute.get("required") or attribute.get("optional"))


def _as_list(kind: object) -> object:
    """Make lists and sets alike: both are written as lists."""
    if isinstance(kind, list):
        return ["list" if kind[0] == "set" else kind[0], *(_as_list(x) for x in kind[1:])]
    return kind
