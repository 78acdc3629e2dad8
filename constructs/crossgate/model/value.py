"""The one decorator behind every value: frozen, keyword-only, strict, with readable errors."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, TypeVar, dataclass_transform

import pydantic
import pydantic.dataclasses

from crossgate.errors import ConfigError

_T = TypeVar("_T")
_K = TypeVar("_K")

Many = Annotated[Sequence[_T], pydantic.AfterValidator(tuple)]
"""Any sequence (never a bare string) of values, held as a tuple."""

Table = Annotated[
    Mapping[_K, _T], pydantic.AfterValidator(lambda given: MappingProxyType(dict(given)))
]
"""A mapping that nobody can change afterwards."""

# The engine writes an unresolved string, list or number this way; see architecture.md, "values
# never hold tokens". Numbers below this bound are the engine's number tokens.
_TOKEN_MARKS = ("${TfToken[", "#{TfToken[")
_NUMBER_TOKEN_BOUND = -1e297


@dataclass_transform(
    frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field,)
)
def value(cls: type[_T]) -> type[_T]:
    """Make a class a value: frozen, keyword-only, strictly typed, nothing extra accepted.

    A check of one's own goes into `__post_init__` and raises `ConfigError`. A field that may be
    given by position is declared with `dataclasses.field(kw_only=False)`.

    Raises:
        ConfigError: as the value is made, naming the class and the field.

    """
    made = pydantic.dataclasses.dataclass(
        cls,
        frozen=True,
        kw_only=True,
        config=pydantic.ConfigDict(
            strict=True, extra="forbid", arbitrary_types_allowed=True, ser_json_timedelta="float"
        ),
    )
    checked = made.__init__

    @functools.wraps(checked)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401, N807
        for name, given in _named(made, args, kwargs).items():
            refuse_tokens(given, f"{cls.__name__}: {name}")
        try:
            checked(self, *args, **kwargs)
        except pydantic.ValidationError as error:
            raise reworded(error, cls.__name__, made) from None

    made.__init__ = __init__  # type: ignore[method-assign]
    return made  # type: ignore[return-value]


def refuse_tokens(given: object, path: str) -> None:
    """Raise where `given` holds a token of the engine: a value must be known when it is made."""
    if holds_token(given):
        raise ConfigError(
            "a token stands where a value is needed",
            path=path,
            got=given,
            want="a value that is known while the program runs",
            do="write the value itself; only arguments that name another resource (ids, images, "
            "texts made with Text.of(..., Reference(token))) accept what Terraform learns later",
        )


def holds_token(given: object) -> bool:
    """Return whether `given` is, or holds, a token of the engine."""
    if isinstance(given, str):
        return any(mark in given for mark in _TOKEN_MARKS)
    if isinstance(given, float):
        return given < _NUMBER_TOKEN_BOUND
    if isinstance(given, Mapping):
        return any(holds_token(k) or holds_token(v) for k, v in given.items())
    if isinstance(given, Sequence | set | frozenset) and not isinstance(given, bytes):
        return any(holds_token(item) for item in given)
    return False


def reworded(error: pydantic.ValidationError, name: str, made: type | None = None) -> ConfigError:
    """Return pydantic's first finding in our words, with the others in the same sentence."""
    first, *others = problems(error, name, made)
    if others:
        rest = "; ".join(f"{other.path}: {other.what}" for other in others)
        first.what = f"{first.what} (and {rest})"
    return first


def problems(
    error: pydantic.ValidationError, name: str, made: type | None = None
) -> list[ConfigError]:
    """Return pydantic's findings in our words, each with its place below `name`."""
    fields = [f.name for f in dataclasses.fields(made)] if made is not None else []
    found = []
    for item in error.errors(include_url=False):
        # Only the first part may be the place of a field; what follows is a place within it.
        where = ".".join(
            [*(_place(part, fields) for part in item["loc"][:1]), *map(str, item["loc"][1:])]
        )
        path = f"{name}: {where}" if name and where else name or where
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, ConfigError):
            found.append(cause.at(path) if where else cause)
            continue
        kind = item["type"]
        message = _MESSAGES.get(kind) or item["msg"].replace("Input should", "should")
        got: dict[str, object] = {} if kind.startswith("missing") else {"got": item["input"]}
        want = None
        if kind in {"unexpected_keyword_argument", "extra_forbidden"} and fields:
            want = f"one of {', '.join(fields)}"
        if kind == "union_tag_invalid":
            message, want = "has no such type", str(item["ctx"]["expected_tags"])
        found.append(ConfigError(message, path=path, want=want, **got))  # type: ignore[arg-type]
    return found


def _place(part: int | str, fields: Sequence[str]) -> str:
    return fields[part] if isinstance(part, int) and part < len(fields) else str(part)


def _named(made: type, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
    names = [f.name for f in dataclasses.fields(made) if not f.kw_only]
    return dict(zip(names, args, strict=False)) | dict(kwargs)


_MESSAGES = {
    "missing": "is required",
    "missing_argument": "is required",
    "missing_keyword_only_argument": "is required",
    "unexpected_keyword_argument": "is not known here",
    "extra_forbidden": "is not known here",
    "unexpected_positional_argument": "must be given by name",
    "bool_type": "must be True or False",
    "int_type": "must be a whole number",
    "string_type": "must be text",
    "time_delta_type": "must be a timedelta",
    "union_tag_not_found": 'must say its "type"',
}
