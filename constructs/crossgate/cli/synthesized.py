"""What `cdktf synth` wrote and what Terraform's state knows of it: read, never changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from crossgate.cli.expressions import plain, reference
from crossgate.errors import ToolError

KINDS = ("aws", "openstack")
"""Providers whose clouds can be asked."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A resource of the stack, or something that it looks up.

    Attributes:
        kind: Terraform's type: "aws_vpc".
        name: its name there.
        arguments: what the JSON says of it.
        made: what the state says of it, once for each that exists; default: none does.

    """

    kind: str
    name: str
    arguments: Mapping[str, Any]
    made: Sequence[Mapping[str, Any]] = ()

    @property
    def address(self) -> str:
        """What other blocks call it."""
        return f"{self.kind}.{self.name}"

    @property
    def new(self) -> int:
        """How many of it are not there yet."""
        count = whole(self.arguments.get("count"))
        return max(0, (1 if count is None else count) - len(self.made))

    @property
    def called(self) -> str:
        """What the cloud calls it: its name, where that is a literal one."""
        name = self.arguments.get("name")
        return name if isinstance(name, str) and "${" not in name else self.name

    @property
    def known_as(self) -> str | None:
        """What the cloud calls it by the JSON, else by the state; None: neither knows."""
        for name in (self.arguments.get("name"), *(one.get("name") for one in self.made)):
            if isinstance(name, str) and name and "${" not in name:
                return name
        return None


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """One provider block, and what of the stack is made through it.

    Attributes:
        name: the block's alias, which is the cloud's id; the provider's name without one.
        kind: the provider: "aws" or "openstack".
        provider: the block's arguments.
        resources: what is made.
        lookups: what is looked up.
        locals: the stack's local values.

    """

    name: str
    kind: str
    provider: Mapping[str, Any]
    resources: Sequence[Block]
    lookups: Sequence[Block]
    locals: Mapping[str, Any] = field(repr=False)

    def made_of(self, kind: str) -> list[Block]:
        """Return the resources of a type."""
        return [block for block in self.resources if block.kind == kind]

    def looked_up(self, kind: str) -> list[Block]:
        """Return the look-ups of a type."""
        return [block for block in self.lookups if block.kind == kind]

    @cached_property
    def _blocks(self) -> Mapping[str, Block]:
        looked_up = {f"data.{block.address}": block for block in self.lookups}
        return looked_up | {block.address: block for block in self.resources}

    def follow(self, value: object) -> Block | None:
        """Return what a reference leads to, local values in between or not; else None."""
        seen = set()
        while isinstance(value, str) and (address := reference(value)) and address not in seen:
            if not address.startswith("local."):
                return self._blocks.get(address)
            seen.add(address)
            value = self.locals.get(address.removeprefix("local."))
        return None

    def text(self, value: object) -> str:
        """Return a text, of a local value where one is named, with short expressions."""
        if isinstance(value, str) and (address := reference(value)):
            held = self.locals.get(address.removeprefix("local."))
            value = held if address.startswith("local.") else value
        return plain(value) if isinstance(value, str) else ""

    def literal(self, value: object) -> str | None:
        """Return a text that is one as it stands; None for anything that only Terraform knows."""
        return value if isinstance(value, str) and value and "${" not in value else None


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A synthesized stack.

    Attributes:
        name: its name.
        clouds: those that can be asked, in the order of the JSON.
        state_known: whether it is known what exists: there is a state, or its file is not there
            because nothing was deployed yet.
        locals: its local values.

    """

    name: str
    clouds: Sequence[Cloud]
    state_known: bool
    locals: Mapping[str, Any] = field(default_factory=dict, repr=False)


def read(app_out: Path, name: str | None = None, state: Path | None = None) -> Stack:
    """Return a synthesized stack.

    Args:
        app_out: where `cdktf synth` writes: `cdktf.out`.
        name: the stack's name; default: the only one.
        state: Terraform's state in a file, such as `terraform state pull` prints; default: the file
            of the local backend.

    Raises:
        ToolError: it is not there, there are several, or it cannot be read.

    """
    name = name or _only(app_out)
    path = app_out / "stacks" / name / "cdk.tf.json"
    if not path.is_file():
        raise ToolError(f"{path} is not there: run `cdktf synth` first, or name another --stack")
    made = _json(path)
    exists = state or _state_file(made, path.parent, app_out, name)
    if state and not state.is_file():
        raise ToolError(f"{state} is not there: write it with `terraform state pull > {state}`")
    instances = _instances(exists) if exists and exists.is_file() else {}
    return Stack(
        name=name,
        clouds=list(_clouds(made, instances, path)),
        state_known=exists is not None,
        locals=made.get("locals", {}),
    )


def _only(app_out: Path) -> str:
    found = sorted(path.parent.name for path in app_out.glob("stacks/*/cdk.tf.json"))
    if not found:
        raise ToolError(f"{app_out} holds no stack: run `cdktf synth` first, or name --app-out")
    if len(found) > 1:
        raise ToolError(f"{app_out} holds several stacks: name one, --stack {found[0]}; "
                        f"there are {', '.join(found)}")  # fmt: skip
    return found[0]


def _json(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ToolError(f"{path} cannot be read as JSON ({error}): write it anew") from error
    if not isinstance(read, dict):
        raise ToolError(f"{path} holds no JSON object: write it anew")
    return read


def _state_file(made: Mapping[str, Any], folder: Path, app_out: Path, name: str) -> Path | None:
    """Return where the local backend keeps the state; None when another backend has it."""
    backend = made.get("terraform", {}).get("backend", {})
    if isinstance(backend, list):
        backend = backend[0] if backend else {}
    beside = app_out.resolve().parent / f"terraform.{name}.tfstate"
    if not backend or "local" not in backend:
        return beside if not backend or beside.is_file() else None
    named = backend["local"].get("path")
    if isinstance(named, str) and (folder / named).is_file():
        return folder / named
    # A synthesis elsewhere names a path of that machine.
    return beside


def _instances(path: Path) -> dict[str, list[Mapping[str, Any]]]:
    """Return the attributes of what exists, by address."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for resource in _json(path).get("resources", []):
        if resource.get("mode") == "managed" and "module" not in resource:
            found[f"{resource['type']}.{resource['name']}"] = [
                instance.get("attributes") or {} for instance in resource.get("instances", [])
            ]
    return found


def _clouds(
    made: Mapping[str, Any], instances: Mapping[str, Sequence[Mapping[str, Any]]], path: Path
) -> Iterator[Cloud]:
    resources = list(_blocks(made.get("resource", {}), instances))
    lookups = list(_blocks(made.get("data", {}), {}))
    for kind, blocks in made.get("provider", {}).items():
        if kind not in KINDS:
            continue
        for provider in blocks if isinstance(blocks, list) else [blocks]:
            alias = provider.get("alias")
            if alias is not None and not isinstance(alias, str):
                raise ToolError(f"{path}: the alias of a provider {kind} is no text")
            reference = f"{kind}.{alias}" if alias else kind
            yield Cloud(
                name=alias or kind,
                kind=kind,
                provider=provider,
                resources=[b for b in resources if _provider_of(b) == reference],
                lookups=[b for b in lookups if _provider_of(b) == reference],
                locals=made.get("locals", {}),
            )


def _provider_of(block: Block) -> str:
    named = block.arguments.get("provider")
    return named if isinstance(named, str) else block.kind.partition("_")[0]


def _blocks(
    given: Mapping[str, Any], instances: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Iterator[Block]:
    for kind, named in given.items():
        for name, arguments in named.items():
            yield Block(
                kind=kind,
                name=name,
                arguments=arguments,
                made=instances.get(f"{kind}.{name}", ()),
            )


def listed(value: object) -> list[Mapping[str, Any]]:
    """Return nested blocks as a list: Terraform takes one as itself too."""
    given = value if isinstance(value, list) else [value]
    return [item for item in given if isinstance(item, Mapping)]


def one(value: object) -> Mapping[str, Any]:
    """Return the only nested block, empty when there is none."""
    return next(iter(listed(value)), {})


def whole(value: object) -> int | None:
    """Return a number, which Terraform takes as text too; None: only Terraform knows it."""
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) else None


def texts(value: object) -> list[str] | None:
    """Return a list of literal texts; None: only Terraform knows it, or a part of it."""
    given = value if isinstance(value, list | tuple) else [value]
    found = [str(item) for item in given]
    return None if any("${" in item for item in found) else found
