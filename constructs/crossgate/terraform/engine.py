"""The one module that imports the engine, `cdktf` or its continuation `cdktn`.

The one that the app has imported wins; else the one that the variable CROSSGATE_ENGINE names; else
the one installed, cdktf first. Both have one API, so the types are cdktf's.
"""

# ruff: noqa: TC004  # the checker reads these imports, and the run takes the same names from the
# engine that is chosen.

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
from typing import TYPE_CHECKING

# Before the engine: importing it starts the kernel.
import crossgate_node
from crossgate.errors import ConfigError

if TYPE_CHECKING:
    from types import ModuleType

    from cdktf import (
        App,
        AssetType,
        Fn,
        IResolvable,
        ITerraformDependable,
        LocalBackend,
        S3Backend,
        TerraformAsset,
        TerraformBackend,
        TerraformDataSource,
        TerraformElement,
        TerraformLocal,
        TerraformOutput,
        TerraformProvider,
        TerraformProviderConfig,
        TerraformResource,
        TerraformResourceConfig,
        TerraformStack,
        TerraformVariable,
        Token,
    )
    from constructs import Construct, IConstruct, IValidation, Node
    from jsii import create, implements, invoke

__all__ = [
    "ENGINE",
    "App",
    "AssetType",
    "Construct",
    "Fn",
    "IConstruct",
    "IResolvable",
    "ITerraformDependable",
    "IValidation",
    "LocalBackend",
    "Node",
    "S3Backend",
    "TerraformAsset",
    "TerraformBackend",
    "TerraformDataSource",
    "TerraformElement",
    "TerraformLocal",
    "TerraformOutput",
    "TerraformProvider",
    "TerraformProviderConfig",
    "TerraformResource",
    "TerraformResourceConfig",
    "TerraformStack",
    "TerraformVariable",
    "Token",
    "claim",
    "create",
    "implements",
    "invoke",
    "path_of",
    "refuse_id",
    "stack_of",
]

_ENGINES = ("cdktf", "cdktn")
_VARIABLE = "CROSSGATE_ENGINE"


def _chosen() -> str:
    """Return the name of the engine to use.

    Raises:
        ConfigError: none is installed, or the variable names none.

    """
    named = os.environ.get(_VARIABLE)
    if named and named not in _ENGINES:
        raise ConfigError(
            "names no engine",
            path=_VARIABLE,
            got=named,
            want=" or ".join(_ENGINES),
            do=f"unset {_VARIABLE} to take the one that is installed",
        )
    imported = [name for name in _ENGINES if name in sys.modules]
    if len(imported) == 1:
        return imported[0]
    if named:
        return named
    for name in imported or _ENGINES:
        if importlib.util.find_spec(name) is not None:
            return name
    raise ConfigError(
        "no engine is installed", want=" or ".join(_ENGINES), do="pip install 'cdktf>=0.21,<0.22'"
    )


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ConfigError(
            "the engine is not installed", path=_VARIABLE, got=name, do=f"pip install {name}"
        ) from None


ENGINE = _chosen()
"""The name of the engine in use: `cdktf` or `cdktn`."""

if not TYPE_CHECKING:
    crossgate_node.choose_node()
    _engine = _imported(ENGINE)
    _constructs = _imported("constructs")
    _jsii = _imported("jsii")
    create, implements, invoke = _jsii.create, _jsii.implements, _jsii.invoke
    for _name in __all__:
        if _name[0].isupper() and _name != "ENGINE":
            globals()[_name] = getattr(_engine if hasattr(_engine, _name) else _constructs, _name)

# What Terraform takes as a name. The engine would drop other characters, and silently make one
# resource of `a.b` and `ab`.
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

_PATH = "_crossgate_path"
_NODE = "_crossgate_node"


def claim(scope: Construct, id: str) -> str:  # what the engine calls it
    """Return the path that a construct `id` in `scope` will have.

    Raises:
        ConfigError: `id` is no name for a construct, or `scope` has a child of that name.

    """
    refuse_id(scope, id)
    path = f"{path_of(scope)}/{id}".lstrip("/")
    if _node_of(scope).try_find_child(id) is not None:
        raise ConfigError(
            "the id is taken",
            path=path,
            got=id,
            want=f"an id that no other child of {path_of(scope) or 'the app'} has",
            do="give one of the two constructs another id",
        )
    return path


def refuse_id(scope: Construct, id: object) -> None:  # as above
    """Raise a `ConfigError` unless `id` can be a construct's."""
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise ConfigError(
            "is no id for a construct",
            path=path_of(scope) or "the app",
            got=id,
            want="a letter or underscore first, then letters, digits, '_' and '-'",
        )


def path_of(construct: IConstruct) -> str:
    """Return the path of a construct, empty for the app.

    Each question crosses to the engine's kernel and back, a tenth of a millisecond; a path never
    changes, so it is asked for once.
    """
    kept: dict[str, str] = construct.__dict__
    if _PATH not in kept:
        kept[_PATH] = _node_of(construct).path
    return kept[_PATH]


def _node_of(construct: IConstruct) -> Node:
    kept: dict[str, Node] = construct.__dict__
    if _NODE not in kept:
        kept[_NODE] = construct.node
    return kept[_NODE]


def stack_of(scope: Construct) -> TerraformStack:
    """Return the stack that `scope` is in, or is.

    Raises:
        ConfigError: it is in none.

    """
    for found in reversed(_node_of(scope).scopes):
        if isinstance(found, TerraformStack):
            return found
    raise ConfigError(
        "is in no stack",
        path=path_of(scope) or "the app",
        want="a construct below a TerraformStack",
        do='make one: TerraformStack(app, "gateway")',
    )
