"""What a caller may give for an argument: its type, said in words when it is another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from crossgate.errors import ConfigError

_T = TypeVar("_T")

Kind = type[Any] | tuple[type[Any], ...]
"""One type, or several of which one is enough."""

_LIKE = {
    "AwsMachines": "AwsMachines(session_access=True)",
    "Capacity": "Capacity(2, 4)",
    "Document": 'Document(label="agent", packages=("curl",))',
    "GroupPlan": "GroupPlan(service=api)",
    "Healing": "Healing(after=timedelta(minutes=2))",
    "Health": "Health(grace=timedelta(minutes=10))",
    "InstanceRefresh": "InstanceRefresh(min_healthy=0.9)",
    "Leave": "Leave()",
    "Listener": "Listener(port=9000, to=api)",
    "Machine": "Machine(cpu=2, memory=4)",
    "Mapping": '{"team": "edge"}',
    "NoneType": "None",
    "OnDemand": "OnDemand()",
    "Ports": "Ports(first=9000, last=9009)",
    "ReplaceGroup": "ReplaceGroup()",
    "Service": 'Service(name="api", port=9190, image="...")',
    "Snapshots": "Snapshots(every=timedelta(hours=1))",
    "Scaling": 'Scaling(on="cpu", target=0.6)',
    "Steps": 'Steps(on="connections", steps=[Step(at_least=200, add=1)])',
    "Spot": "Spot()",
    "Versions": 'Versions(consul="1.20.0")',
    "bool": "True or False",
    "int": "a whole number such as 3",
    "str": "text",
}


def checked(kind: Kind, given: _T, *, argument: str, path: str, do: str | None = None) -> _T:
    """Return `given` when it is of `kind`; True and False are no numbers.

    Raises:
        ConfigError: it is of another type.

    """
    kinds = kind if isinstance(kind, tuple) else (kind,)
    number = isinstance(given, bool) and bool not in kinds
    if isinstance(given, kinds) and not number:
        return given
    raise ConfigError(
        f"{argument} is of the wrong type",
        path=path,
        got=given,
        want=" or ".join(_LIKE.get(one.__name__, one.__name__) for one in kinds),
        do=do,
    )


def checked_many(
    kind: Kind, given: Sequence[_T], *, argument: str, path: str, do: str | None = None
) -> tuple[_T, ...]:
    """Return a sequence of `kind` as a tuple.

    Raises:
        ConfigError: it is no sequence, or holds something else.

    """
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ConfigError(
            f"{argument} must be a sequence, also for a single one",
            path=path,
            got=given,
            do=f"write {argument}=[...]",
        )
    return tuple(
        checked(kind, one, argument=f"{argument}[{place}]", path=path, do=do)
        for place, one in enumerate(given)
    )


def checked_role(method: str, given: _T, *, argument: str, path: str, like: str) -> _T:
    """Return `given` when it has the method by which its role is known, and is no class.

    Raises:
        ConfigError: it is something else.

    """
    if isinstance(given, type):
        raise ConfigError(
            f"{argument} is a class", path=path, got=given, want=like, do="call it: write ()"
        )
    if not callable(getattr(given, method, None)):
        raise ConfigError(f"{argument} is of the wrong type", path=path, got=given, want=like)
    return given


def checked_rotation(given: int, path: str) -> int:
    """Return how often something has been exchanged, and one.

    Raises:
        ConfigError: it is no such count.

    """
    if checked(int, given, argument="rotation", path=path) < 1:
        raise ConfigError(
            "rotation counts from 1",
            path=path,
            got=given,
            want="1 at first, and a number more each time that keys are exchanged",
        )
    return given


def checked_tags(given: Mapping[str, str] | None, path: str) -> dict[str, str]:
    """Return tags as a dictionary of one's own.

    Raises:
        ConfigError: it is no mapping from text to text.

    """
    if given is None:
        return {}
    for key, text in checked(Mapping, given, argument="tags", path=path).items():
        checked(str, key, argument="a key of tags", path=path)
        checked(str, text, argument=f"tags[{key!r}]", path=path)
    return dict(given)
