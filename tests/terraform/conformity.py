"""Whether blocks of Terraform's JSON are what the providers' own schemas allow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Json = dict[str, Any]

SCHEMAS = Path(__file__).parent.parent / "schemas"
_META = {
    "//",
    "connection",
    "count",
    "depends_on",
    "for_each",
    "lifecycle",
    "provider",
    "provisioner",
}
_PYTHON: dict[str, Any] = {
    "string": str,
    "number": (int, float),
    "bool": bool,
    "list": list,
    "set": list,
    "map": dict,
    "object": dict,
}
_SECTIONS = (("resource", "resource_schemas"), ("data", "data_source_schemas"))


def schemas() -> dict[str, Json]:
    """Return the schema of each provider and version in the repository: `openstack-3.4.0`, ..."""
    found = {}
    for path in sorted(SCHEMAS.glob("*.json")):
        (schema,) = json.loads(path.read_text())["provider_schemas"].values()
        found[path.stem] = schema
    return found


def nonconforming(tf_json: Json, known: Mapping[str, Json]) -> list[str]:
    """Return what is wrong with the providers, resources and data sources of one JSON.

    Each block is checked against every known version of its provider: unknown, missing and
    read-only arguments, types, nesting, the number of nested blocks.

    Args:
        tf_json: what synthesis wrote for one stack.
        known: schemas by provider and version, as `schemas()` returns them.

    """
    return list(_findings(tf_json, known))


def _findings(tf_json: Json, known: Mapping[str, Json]) -> Iterator[str]:
    for provider, blocks in tf_json.get("provider", {}).items():
        for version, schema in _versions(provider, known):
            for block in blocks:
                given = {name: value for name, value in block.items() if name != "alias"}
                yield from _block(given, schema["provider"]["block"], f"{version}: {provider}")
        if not _versions(provider, known):
            yield f"no schema is known of the provider {provider}"
    for section, part in _SECTIONS:
        for kind, made in tf_json.get(section, {}).items():
            for version, schema in _versions(kind.partition("_")[0], known):
                yield from _all_of_one_kind(f"{version}: {kind}", made, schema[part].get(kind))
            if not _versions(kind.partition("_")[0], known):
                yield f"no schema is known of {kind}"


def _all_of_one_kind(where: str, made: Json, schema: Json | None) -> Iterator[str]:
    if schema is None:
        yield f"{where} is unknown"
        return
    for name, block in made.items():
        given = {argument: value for argument, value in block.items() if argument not in _META}
        yield from _block(given, schema["block"], f"{where}.{name}")


def _versions(provider: str, known: Mapping[str, Json]) -> list[tuple[str, Json]]:
    return [(name, s) for name, s in known.items() if name.rpartition("-")[0] == provider]


def _block(given: object, schema: Json, where: str) -> Iterator[str]:
    if not isinstance(given, dict):
        yield f"{where} is no block: {given!r}"
        return
    attributes, blocks = schema.get("attributes", {}), schema.get("block_types", {})
    for name, value in given.items():
        place = f"{where}.{name}"
        if name in attributes:
            attribute = attributes[name]
            if not (attribute.get("required") or attribute.get("optional")):
                yield f"{place} is read-only"
            else:
                yield from _value(value, attribute["type"], place)
        elif name not in blocks:
            yield f"{place} is unknown"
    for name, attribute in attributes.items():
        if attribute.get("required") and name not in given:
            yield f"{where}.{name} is missing"
    for name, nested in blocks.items():
        yield from _nested(given.get(name, []), nested, f"{where}.{name}")


def _nested(given: object, schema: Json, where: str) -> Iterator[str]:
    blocks = given if isinstance(given, list) else [given]
    least = schema.get("min_items") or 0
    most = 1 if schema["nesting_mode"] == "single" else schema.get("max_items") or len(blocks)
    if not least <= len(blocks) <= most:
        yield f"{where}: {len(blocks)} blocks, and {least} to {most} are allowed"
    for number, block in enumerate(blocks):
        yield from _block(block, schema["block"], f"{where}[{number}]")


def _value(given: object, kind: Any, where: str) -> Iterator[str]:
    if isinstance(given, str) and given.startswith("${") and given.endswith("}"):
        return
    nature, item = (kind, None) if isinstance(kind, str) else kind
    wanted = _PYTHON[nature]
    if not isinstance(given, wanted) or (isinstance(given, bool) and nature != "bool"):
        yield f"{where} is no {nature}: {given!r}"
    elif isinstance(given, list):
        for number, value in enumerate(given):
            yield from _value(value, item, f"{where}[{number}]")
    elif isinstance(given, dict):
        # Terraform wants every member of an object in an attribute, if only as null.
        members = dict.fromkeys(given, item) if nature == "map" else item
        yield from (f"{where}.{name} is unknown" for name in given.keys() - members.keys())
        yield from (f"{where}.{name} is missing" for name in members.keys() - given.keys())
        for name in sorted(given.keys() & members.keys()):
            yield from _value(given[name], members[name], f"{where}.{name}")
