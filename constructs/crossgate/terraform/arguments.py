"""What the arguments of a Terraform block may hold: types for the checker, checks for the run.

A generated table is read twice. mypy sees a `TypedDict`. At run time it is a bare class whose
annotations stay text until the first block of its kind is made, which keeps a thousand fields light
to import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Never, Required, TypeAlias, TypeVar

from crossgate.terraform.values import (
    BooleanKind,
    Items,
    ListKind,
    MapKind,
    NumberKind,
    ReadOnlyKind,
    StringKind,
    TableKind,
)

__all__ = [
    "Block",
    "Blocks",
    "Bool",
    "Computed",
    "Items",
    "Late",
    "ListOf",
    "MapOf",
    "Num",
    "Objects",
    "Str",
    "Table",
]

_T = TypeVar("_T")

Late: TypeAlias = _T | Callable[[], _T]
"""A value, or a function that is called for it at synthesis (for what grows until then)."""

if TYPE_CHECKING:
    from typing import TypedDict as Table

    from crossgate.model.text import Reference, TextLike
    from crossgate.terraform.engine import IResolvable
    from crossgate.terraform.values import Kind

    Deferred: TypeAlias = Reference | IResolvable
    Str: TypeAlias = Late[TextLike | IResolvable | None]
    Num: TypeAlias = Late[float | Deferred | None]
    Bool: TypeAlias = Late[bool | Deferred | None]
    ListOf: TypeAlias = Late[Sequence[_T] | Deferred | None]
    MapOf: TypeAlias = Late[Mapping[str, _T] | Deferred | None]
    Block: TypeAlias = _T | None
    Blocks: TypeAlias = Late[Sequence[_T] | None]
    Objects: TypeAlias = Late[Sequence[_T] | Deferred | None]
    Computed: TypeAlias = Never
else:

    class Table(dict[str, Any]):
        """The base of the tables; `Table(name=...)` is a dict, as it is for a TypedDict."""

        __slots__ = ()
        kinds = {}  # noqa: RUF012  # filled below, when the kinds are known

        def __init_subclass__(cls, *, total: bool = True) -> None:
            super().__init_subclass__()

    class _Of:
        def __init__(self, make: Callable[[Any], Kind]) -> None:
            self._make = make

        def __getitem__(self, item: Any) -> Kind:  # noqa: ANN401  # an annotation
            return self._make(item)

    Str = StringKind()
    Num = NumberKind()
    Bool = BooleanKind()
    Computed = ReadOnlyKind()
    ListOf = _Of(ListKind)
    MapOf = _Of(MapKind)
    Block = _Of(lambda table: TableKind(table, many=False))
    Blocks = _Of(lambda table: TableKind(table, many=True))
    Objects = _Of(lambda table: TableKind(table, many=True, whole=True))

    Table.kinds.update({name: globals()[name] for name in __all__ if name != "Late"})
    Table.kinds.update(Annotated=Annotated, Required=Required)
