"""One logical thing over several clouds: the clouds themselves, and values that differ by cloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from crossgate.errors import ConfigError, RefusedError, SynthesisError
from crossgate.model.argument import Kind, checked
from crossgate.terraform.engine import Construct, claim, path_of, stack_of

if TYPE_CHECKING:
    from crossgate.contracts import Cloud
    from crossgate.specs import Spec

_T = TypeVar("_T")

PerCloud: TypeAlias = "_T | Mapping[Cloud, _T]"
"""One value for all clouds, or a mapping from the cloud to its own."""


def checked_place(scope: Construct, id: str) -> str:
    """Return the path that a construct `id` in `scope` will have.

    Raises:
        ConfigError: `scope` is no construct, or `id` is no id or is taken.

    """
    if not isinstance(scope, Construct):
        raise ConfigError(
            "scope is no construct",
            path=str(id),
            got=scope,
            want="a TerraformStack, or a construct in one",
            do='make one: stack = TerraformStack(app, "gateway")',
        )
    return claim(scope, id)


def checked_clouds(clouds: Sequence[Cloud], path: str, scope: Construct) -> tuple[Cloud, ...]:
    """Return the clouds that a construct in `scope` spans.

    Raises:
        ConfigError: there is none, one is no cloud, is of another stack or is named twice, or two
            networks overlap.

    """
    given: object = clouds
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ConfigError(
            "clouds must be a sequence, also for a single one",
            path=path,
            got=clouds,
            do="write clouds=[aws]",
        )
    if not clouds:
        raise ConfigError(
            "has no cloud to run in", path=path, got=[], want="at least one: clouds=[aws]"
        )
    for cloud in clouds:
        _refuse_stranger(cloud, path, scope)
    names = [cloud.name for cloud in clouds]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            "one cloud is given twice",
            path=path,
            got=names,
            do=f"name {twice[0]!r} once; two regions are two clouds with ids of their own",
        )
    for one, other in combinations(clouds, 2):
        if one.network and other.network and one.network.overlaps(other.network):
            raise ConfigError(
                f"the networks of {one.name!r} and {other.name!r} overlap",
                path=path,
                got=f"{one.network} and {other.network}",
                want="ranges that share no address, so that traffic can be led between clouds",
            )
    return tuple(clouds)


def _refuse_stranger(cloud: Cloud, path: str, scope: Construct) -> None:
    if not isinstance(getattr(cloud, "name", None), str) or not callable(
        getattr(cloud, "refusals", None)
    ):
        raise ConfigError(
            "clouds holds something that is no cloud",
            path=path,
            got=cloud,
            want='a cloud object such as AwsCloud(stack, "aws", ...)',
        )
    if isinstance(cloud, Construct):
        refuse_other_stack(cloud, f"the cloud {cloud.name!r}", path, scope)


def refuse_other_stack(given: Construct, what: str, path: str, scope: Construct) -> None:
    """Refuse a construct whose resources are not those of the stack of `scope`.

    Raises:
        ConfigError: it belongs to another stack.

    """
    if stack_of(given) is not stack_of(scope):
        raise ConfigError(
            f"{what} belongs to another stack",
            path=path,
            got=path_of(given),
            want=f"one of the stack {path_of(stack_of(scope))}",
            do="make it in the same stack",
        )


def by_cloud(
    given: PerCloud[_T],
    clouds: Sequence[Cloud],
    *,
    kind: Kind,
    default: _T,
    argument: str,
    path: str,
) -> dict[Cloud, _T]:
    """Return the value of every cloud; `default` where a mapping leaves one out.

    Raises:
        ConfigError: a value is not of `kind`, or a mapping names a cloud where the construct does
            not run.

    """
    if not isinstance(given, Mapping):
        return dict.fromkeys(clouds, checked(kind, given, argument=argument, path=path))
    strange = [getattr(key, "name", key) for key in given if key not in clouds]
    if strange:
        raise ConfigError(
            f"{argument} names a cloud that is not in clouds=",
            path=path,
            got=strange,
            want=f"cloud objects out of {sorted(cloud.name for cloud in clouds)}",
        )
    table = cast("Mapping[Cloud, _T]", given)
    for cloud, one in table.items():
        checked(kind, one, argument=f"{argument} of {cloud.name!r}", path=path)
    return {cloud: table.get(cloud, default) for cloud in clouds}


def refuse(path: str, asked: Sequence[tuple[Cloud, Spec]]) -> None:
    """Ask each cloud whether it can build its spec, before anything is made.

    Raises:
        RefusedError: one refusal.
        SynthesisError: several, all of them named.

    """
    found: list[RefusedError] = [
        refusal.at(f"{path}/{cloud.name}")
        for cloud, spec in asked
        for refusal in cloud.refusals(spec)
    ]
    refuse_all(found)


def refuse_all(found: Sequence[RefusedError]) -> None:
    """Raise what was refused; nothing where nothing was.

    Raises:
        RefusedError: one refusal.
        SynthesisError: several, all of them named.

    """
    if len(found) == 1:
        raise found[0]
    if found:
        raise SynthesisError(found)
