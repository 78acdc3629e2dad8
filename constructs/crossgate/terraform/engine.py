"""The one module that imports the engine, `cdktf` or its continuation `cdktn`.

`crossgate.terraform.choice` says which. Both have one API, so the types are cdktf's.
"""

# ruff: noqa: TC004  # the checker reads these imports, and the run takes the same names from the
# engine that is chosen.

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING

from crossgate.errors import ConfigError
from crossgate.terraform import ahead  # before the engine: it chooses the Node that runs it
from crossgate.terraform.choice import ENGINE, VARIABLE

if TYPE_CHECKING:
    from types import ModuleType

    from cdktf import (
        App,
        Aspects,
        AssetType,
        Fn,
        IAspect,
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
        TerraformResource,
        TerraformStack,
        TerraformVariable,
        Token,
    )
    from constructs import Construct, IConstruct, IValidation, Node
    from jsii import create, implements, invoke

__all__ = [
    "ENGINE",
    "App",
    "Aspects",
    "AssetType",
    "Construct",
    "Fn",
    "IAspect",
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
    "TerraformResource",
    "TerraformStack",
    "TerraformVariable",
    "Token",
    "claim",
    "id_of",
    "implements",
    "invoke",
    "make",
    "path_of",
    "refuse_id",
    "reserve",
    "stack_of",
]


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ConfigError(
            "the engine is not installed", path=VARIABLE, got=name, do=f"pip install {name}"
        ) from None


if not TYPE_CHECKING:
    ahead.wait()
    _engine = _imported(ENGINE)
    _constructs = _imported("constructs")
    _jsii = _imported("jsii")
    create, implements, invoke = _jsii.create, _jsii.implements, _jsii.invoke
    for _name in __all__:
        if _name[0].isupper() and _name not in {"ENGINE", "Construct"}:
            globals()[_name] = getattr(_engine if hasattr(_engine, _name) else _constructs, _name)
    ahead.finish()

    class _Place(type(_constructs.Construct)):
        """Who is a construct is for the library to say, not who is one of ours."""

        def __instancecheck__(cls, instance: object) -> bool:
            library = cls.__name__ == "Construct" and cls.__module__ == __name__
            return type.__instancecheck__(_constructs.Construct if library else cls, instance)

    class Construct(_constructs.Construct, metaclass=_Place):
        """The library's `Construct`, which remembers its place instead of asking for it."""

        def __init__(self, scope: Construct, id: str) -> None:
            make(self, scope, id)


# What Terraform takes as a name. The engine would drop other characters, and silently make one
# resource of `a.b` and `ab`.
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

# What is kept on a construct. Each question to the engine crosses to its kernel and back, which
# takes up to half a millisecond; none of this ever changes.
_PATH = "_crossgate_path"
_NODE = "_crossgate_node"
_SCOPE = "_crossgate_scope"
_STACK = "_crossgate_stack"
_TAKEN = "_crossgate_taken"


def make(construct: Construct, scope: Construct, id: str, *config: object) -> None:
    """Make the engine's side of a construct and remember where it is.

    It is what the engine's own `__init__` does but for its type checks, which take as long as the
    rest: `scope` and `id` are checked here, `config` by whoever makes it.

    Raises:
        ConfigError: `id` is no id, or is taken.

    """
    path = claim(scope, id)
    try:
        create(type(construct), construct, [scope, id, *config])
    except RuntimeError:
        if _node_of(scope).try_find_child(id) is not None:
            raise _taken(scope, id) from None
        raise
    construct.__dict__.update({_PATH: path, _SCOPE: scope})
    scope.__dict__.setdefault(_TAKEN, set()).add(id)


def claim(scope: Construct, id: str) -> str:
    """Return the path that a construct `id` in `scope` will have.

    Raises:
        ConfigError: `id` is no name for a construct, or one of ours in `scope` has it. (A child
            that is not ours is found as the construct is made.)

    """
    refuse_id(scope, id)
    if id in scope.__dict__.get(_TAKEN, ()):
        raise _taken(scope, id)
    return f"{path_of(scope)}/{id}".lstrip("/")


def reserve(scope: Construct, id: str) -> str:
    """Return the path of what is no construct of the engine, but takes an id like one.

    Raises:
        ConfigError: as `claim` does.

    """
    path = claim(scope, id)
    scope.__dict__.setdefault(_TAKEN, set()).add(id)
    return path


def _taken(scope: Construct, id: str) -> ConfigError:
    return ConfigError(
        "the id is taken",
        path=f"{path_of(scope)}/{id}".lstrip("/"),
        got=id,
        want=f"an id that no other child of {path_of(scope) or 'the app'} has",
        do="give one of the two constructs another id",
    )


def refuse_id(scope: Construct, id: object) -> None:
    """Raise a `ConfigError` unless `id` can be a construct's."""
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise ConfigError(
            "is no id for a construct",
            path=path_of(scope) or "the app",
            got=id,
            want="a letter or underscore first, then letters, digits, '_' and '-'",
        )


def path_of(construct: IConstruct) -> str:
    """Return the path of a construct, empty for the app."""
    kept: dict[str, str] = construct.__dict__
    if _PATH not in kept:
        kept[_PATH] = _node_of(construct).path
    return kept[_PATH]


def id_of(construct: IConstruct) -> str:
    """Return the id of a construct, empty for the app."""
    return path_of(construct).rpartition("/")[2]


def _node_of(construct: IConstruct) -> Node:
    kept: dict[str, Node] = construct.__dict__
    if _NODE not in kept:
        kept[_NODE] = construct.node
    return kept[_NODE]


def stack_of(scope: IConstruct) -> TerraformStack:
    """Return the stack that `scope` is in, or is.

    Raises:
        ConfigError: it is in none.

    """
    kept: dict[str, TerraformStack] = scope.__dict__
    if _STACK not in kept:
        kept[_STACK] = _found_stack(scope)
    return kept[_STACK]


def _found_stack(scope: IConstruct) -> TerraformStack:
    if isinstance(scope, TerraformStack):
        return scope
    above = scope.__dict__.get(_SCOPE)
    if above is not None:
        return stack_of(above)
    for found in reversed(_node_of(scope).scopes):
        if isinstance(found, TerraformStack):
            return found
    raise ConfigError(
        "is in no stack",
        path=path_of(scope) or "the app",
        want="a construct below a TerraformStack",
        do='make one: TerraformStack(app, "gateway")',
    )
