"""The text of a gateway file: strict JSON or YAML 1.2, and what a text in it must not hold."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import yaml

from crossgate.errors import ConfigError, FileError
from crossgate.model.value import holds_token

# No gateway comes near these; a file beyond them is a mistake, or YAML aliases that multiply.
_DEEPEST = 32
_MOST_VALUES = 100_000
_LARGEST = 2**63
_HALF = re.compile("[\ud800-\udfff]")
# What a machine gets as it is: boot documents escape it for Terraform.
_ESCAPED = re.compile(
    r"(services\[\d+\]\.(command|environment|files)|listeners\[\d+\]\.maintenance)\b"
)


def parse(path: Path) -> dict[str, Any]:
    """Return what the file says.

    Raises:
        FileError: it cannot be read, or is no JSON or YAML object with text as its keys.

    """
    if not isinstance(path, Path):
        raise FileError(
            "the path of a gateway file is no path",
            path="gateway file",
            got=path,
            want='pathlib.Path("gateway.json")',
        )
    try:
        data = _load(path.suffix, _text(path))
    except json.JSONDecodeError as error:
        raise FileError(
            "is no JSON",
            path=f"{path.name}: line {error.lineno} column {error.colno}",
            got=error.msg,
        ) from None
    except yaml.YAMLError as error:
        raise FileError("is no YAML", path=path.name, got=str(error)) from None
    except RecursionError:
        raise _too_deep(path.name) from None
    except ConfigError as error:
        raise FileError(
            error.what, path=path.name, got=error.got, want=error.want, do=error.do
        ) from None
    except ValueError as error:  # an integer of more digits than Python reads
        raise FileError(
            "holds a number that is too large", path=path.name, got=str(error)
        ) from None
    if not isinstance(data, dict):
        raise FileError("is no object", path=path.name, got=data, want='{"clouds": {...}, ...}')
    return data


def text_problems(data: dict[str, Any], name: str) -> list[ConfigError]:
    """Return what no value of a file may be, each with its place.

    Terraform evaluates `${` and `%{` in whatever reaches its configuration, so a text with either
    would be a program. Only what a machine gets at birth is escaped.

    Raises:
        FileError: it is nested too deeply, or too large; `name` is the file's.

    """
    found = []
    for number, (place, item) in enumerate(_leaves(data, "", name)):
        if number > _MOST_VALUES:
            raise FileError("holds too many values", path=name, want=f"at most {_MOST_VALUES}")
        problem = _problem(item, place)
        if problem is not None:
            found.append(problem)
    return found


def _problem(item: object, place: str) -> ConfigError | None:
    if isinstance(item, float) and not math.isfinite(item):
        return ConfigError("is no finite number", path=place, got=str(item))
    if isinstance(item, int) and abs(item) >= _LARGEST:
        return ConfigError("is a number that is too large", path=place, want="less than 2**63")
    if isinstance(item, str) and _HALF.search(item):
        return ConfigError("text holds half a surrogate pair", path=ascii(place)[1:-1])
    if holds_token(item):
        return ConfigError(
            "a token of the program stands in a file, where nothing resolves it",
            path=place,
            got=item,
            do="write the value itself",
        )
    if isinstance(item, str) and not _ESCAPED.match(place) and ("${" in item or "%{" in item):
        return ConfigError(
            "holds ${ or %{, which Terraform would evaluate",
            path=place,
            got=item,
            want="plain text; only command, environment and files of a service, and the "
            "maintenance page of a listener, may hold these",
        )
    return None


def _leaves(data: object, place: str, name: str, depth: int = 0) -> Iterator[tuple[str, object]]:
    if depth > _DEEPEST:
        raise _too_deep(name)
    if isinstance(data, dict):
        for key, item in data.items():
            inner = f"{place}.{key}".removeprefix(".")
            yield inner, key
            yield from _leaves(item, inner, name, depth + 1)
    elif isinstance(data, list):
        for number, item in enumerate(data):
            yield from _leaves(item, f"{place}[{number}]", name, depth + 1)
    else:
        yield place, data


def _too_deep(name: str) -> FileError:
    return FileError("is nested too deeply", path=name, want=f"at most {_DEEPEST} levels")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileError(
            "cannot be read", path=str(path), got=error.strerror, want="a JSON or YAML file"
        ) from None
    except UnicodeDecodeError as error:
        raise FileError("is not UTF-8", path=str(path), got=str(error)) from None
    except ValueError as error:  # a NUL in the path
        raise FileError(
            "cannot be read", path=repr(str(path)), got=str(error), want="a JSON or YAML file"
        ) from None


def _load(suffix: str, text: str) -> object:
    if suffix in {".yaml", ".yml"}:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506  # a SafeLoader of ours
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if not isinstance(key, str):
            raise ConfigError("a key is no text", got=key, do=f'write "{key}", in quotes')
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ConfigError("one key stands twice in an object", got=twice, do="keep one of the two")
    return made


class _StrictLoader(yaml.SafeLoader):
    """YAML 1.2's core schema, and no key twice.

    PyYAML speaks YAML 1.1, where `on` is true, `2:30` is 150 and `0640` is 416.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # an instance variable to PyYAML
    yaml_constructors: ClassVar[dict[str | None, Any]] = {None: yaml.SafeLoader.construct_undefined}


_TAG = "tag:yaml.org,2002:"
# https://yaml.org/spec/1.2.2/#103-core-schema
_CORE = {
    "null": re.compile(r"(?:~|null|Null|NULL|)\Z"),
    "bool": re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"),
    "int": re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"),
    "float": re.compile(
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
    ),
}
_READ: dict[str, Callable[[str], object]] = {
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": lambda text: int(text, {"0o": 8, "0x": 16}.get(text[:2], 10)),
    "float": lambda text: float(re.sub(r"\.(?=inf|nan)", "", text.lower())),
}


def _scalar(loader: _StrictLoader, node: yaml.ScalarNode) -> object:
    kind = node.tag.removeprefix(_TAG)
    text = str(loader.construct_scalar(node))
    if not _CORE[kind].match(text):
        raise ConfigError(f"is no {kind} of YAML 1.2", got=text)
    if kind == "int" and re.match(r"[-+]?0[0-9]", text):
        raise ConfigError(
            "a number begins with 0: octal in YAML 1.1, decimal in 1.2",
            got=text,
            do=f"write 0o{text.lstrip('+-0') or '0'} for octal, or leave the 0 out",
        )
    return _READ[kind](text)


def _plain(loader: _StrictLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[str, Any]:
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError("a key is no text", got=str(key.start_mark).strip(), want="text")
    return _unique(
        [
            (loader.construct_object(key, deep=True), loader.construct_object(item, deep=True))
            for key, item in node.value
        ]
    )


def _sequence(loader: _StrictLoader, node: yaml.SequenceNode) -> list[Any]:
    return [loader.construct_object(item, deep=True) for item in node.value]


for _kind, _pattern in _CORE.items():
    _StrictLoader.add_implicit_resolver(f"{_TAG}{_kind}", _pattern, None)
    _StrictLoader.add_constructor(f"{_TAG}{_kind}", _scalar)
_StrictLoader.add_constructor(f"{_TAG}str", _plain)
_StrictLoader.add_constructor(f"{_TAG}map", _mapping)
_StrictLoader.add_constructor(f"{_TAG}seq", _sequence)
