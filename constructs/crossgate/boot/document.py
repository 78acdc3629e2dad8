"""The boot document: what makes a bare machine the one that is wanted, as data."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Self, TypeVar

import pydantic

from crossgate.errors import ConfigError
from crossgate.model.text import TextLike
from crossgate.model.value import Many, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_NAME = r"^[a-z_][a-z0-9_-]{0,30}$"
_Item = TypeVar("_Item")


@value
class User:
    """A system user and its group, made when missing; nobody can log in as it.

    Attributes:
        name: of the user and of the group.
        home: its home directory, which is not made; default `/nonexistent`.

    """

    name: Annotated[str, pydantic.Field(pattern=_NAME)] = field(kw_only=False)
    home: Annotated[str, pydantic.Field(pattern=r"^/[A-Za-z0-9._/@+-]*$")] = "/nonexistent"


@value
class File:
    """A file that is written before anything is installed or started.

    Attributes:
        path: absolute; missing directories are made for root, mode 0755.
        text: what is in it.
        mode: permissions; default 0o644. A file with a secret is 0o600, or 0o640 with a group.
        owner: `user:group`, set once users and packages are there; root owns the file until then.

    """

    path: Annotated[str, pydantic.Field(pattern=r"^(/[A-Za-z0-9._@+:-]+)+$")] = field(kw_only=False)
    text: TextLike = field(kw_only=False)
    mode: Annotated[int, pydantic.Field(ge=0, le=0o7777)] = 0o644
    owner: Annotated[
        str, pydantic.Field(pattern=r"^[a-z_][a-z0-9_-]{0,30}:[a-z_][a-z0-9_-]{0,30}$")
    ] = "root:root"

    def __post_init__(self) -> None:
        """Refuse a path that leads elsewhere than it reads."""
        if {".", ".."} & set(self.path.split("/")):
            raise ConfigError("must not hold . or ..", path="File: path", got=self.path)


@value
class Unit:
    """A systemd unit.

    Attributes:
        name: with its suffix: `api.service`, `renew.timer`.
        text: the unit's text, or None (the default) for a unit that a package brings.
        enable: start it now and at every boot; default True. Otherwise it is only installed.

    """

    name: Annotated[
        str,
        pydantic.Field(pattern=r"^[A-Za-z0-9:_.@-]+\.(service|socket|timer|path|target|mount)$"),
    ] = field(kw_only=False)
    text: TextLike | None = field(default=None, kw_only=False)
    enable: bool = True


@value
class Command:
    """A line of POSIX shell, run as root under `set -eu`: if it fails, the boot fails loudly.

    It may run again on the same machine and must stand that.

    Attributes:
        line: the line; references stand in it as they are, so put those whose value is not plain
            into a file.
        retry: the line needs the network: it is tried again for some minutes; default False. Then
            it must be one plain command.

    """

    line: TextLike = field(kw_only=False)
    retry: bool = False


@value
class Document:
    """Everything a machine is given at birth, in the order in which it happens.

    Files are written first, owned by root; then packages are installed, users made, owners set,
    `before` is run, units are started together, `after` is run.

    Attributes:
        label: whose part it is, in errors and size reports: "consul", "haproxy", "api".
        files: see `File`.
        packages: of the machine's distribution.
        users: see `User`.
        before: run before the units start.
        units: started in one go, so that their own `After=` decides the order.
        after: run once the units are being started.
        leave: take the machine out of what sends it work, and wait until that has happened. Run
            before the units of a machine that is kept are restarted or stopped.
        rejoin: undo `leave`, once the machine is well again.
        makes: files and directories that its commands and units make, besides those of its users.
            A machine that is given back loses them, unless they were there before.
        parts: what it was merged from.

    """

    label: Annotated[str, pydantic.Field(min_length=1)]
    files: Many[File] = ()
    packages: Many[Annotated[str, pydantic.Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]] = ()
    users: Many[User] = ()
    before: Many[Command] = ()
    units: Many[Unit] = ()
    after: Many[Command] = ()
    leave: Many[Command] = ()
    rejoin: Many[Command] = ()
    makes: Many[Annotated[str, pydantic.Field(pattern=r"^(/[A-Za-z0-9._@+:-]+){2,}$")]] = ()
    parts: Many[Document] = ()

    def __post_init__(self) -> None:
        """Refuse a part that contradicts itself, and a path that leads elsewhere than it reads."""
        for path in self.makes:
            if {".", ".."} & set(path.split("/")):
                raise ConfigError("must not hold . or ..", path="Document: makes", got=path)
        if not self.parts:
            _each_once([self], _paths)

    @classmethod
    def merge(cls, *documents: Document, label: str = "machine") -> Self:
        """Return one document that does what `documents` do, one after the other.

        What two parts say alike is done once.

        Raises:
            ConfigError: two parts claim one file, unit or user in different ways; names both.

        """
        parts = [part for document in documents for part in (document.parts or [document])]
        _each_once(parts, _paths)
        _each_once(parts, lambda part: ((unit.name, "unit", unit) for unit in part.units))
        _each_once(parts, lambda part: ((user.name, "user", user) for user in part.users))
        return cls(
            label=label,
            files=_distinct(file for part in parts for file in part.files),
            packages=_distinct(name for part in parts for name in part.packages),
            users=_distinct(user for part in parts for user in part.users),
            before=_distinct(command for part in parts for command in part.before),
            units=_distinct(unit for part in parts for unit in part.units),
            after=_distinct(command for part in parts for command in part.after),
            leave=_distinct(command for part in parts for command in part.leave),
            rejoin=_distinct(command for part in parts for command in part.rejoin),
            makes=_distinct(path for part in parts for path in part.makes),
            parts=parts,
        )

    def written(self) -> Iterator[tuple[str, File]]:
        """Yield every file, units among them, once, with the label of the first part it is in."""
        seen = set()
        for part in self.parts or [self]:
            for path, _, item in _paths(part):
                if path not in seen:
                    seen.add(path)
                    yield part.label, item


def unit_path(name: str) -> str:
    """Return where an administrator's unit lives: there it wins over one that a package brings."""
    return f"/etc/systemd/system/{name}"


def _paths(part: Document) -> Iterator[tuple[str, str, File]]:
    for file in part.files:
        yield file.path, "file", file
    for unit in part.units:
        if unit.text is not None:
            yield unit_path(unit.name), "file", File(unit_path(unit.name), unit.text)


def _each_once(
    parts: Sequence[Document],
    claims: Callable[[Document], Iterator[tuple[str, str, object]]],
) -> None:
    owners: dict[str, tuple[str, object]] = {}
    for part in parts:
        for name, kind, item in claims(part):
            owner, other = owners.setdefault(name, (part.label, item))
            if item != other:
                raise ConfigError(
                    f"the {kind} {name} is claimed twice, with different content",
                    path="boot document",
                    got=f"by {owner} and by {part.label}",
                    do="keep one, or name the other differently",
                )


def _distinct(items: Iterator[_Item]) -> tuple[_Item, ...]:
    return tuple(dict.fromkeys(items))
