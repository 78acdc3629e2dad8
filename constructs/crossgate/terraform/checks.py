"""Checks that only the whole stack can pass or fail, run before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from crossgate.errors import ConfigError
from crossgate.terraform.engine import IValidation, implements, stack_of

if TYPE_CHECKING:
    from crossgate.terraform.engine import Construct, IConstruct

Check: TypeAlias = Callable[[], Sequence[ConfigError]]
"""Returns what is wrong; empty when nothing is."""

_CHECKS = "_crossgate_checks"
_VALIDATED = "_crossgate_validated"


def late_check(scope: Construct, check: Check) -> None:
    """Run `check` at synthesis, before anything is written.

    `crossgate.terraform.app.App` runs all checks and raises one `SynthesisError`. In an app of the
    engine's own class they run in the engine's validation of the first of our stacks, and what they
    find is in the text of its error.
    """
    root = scope.node.root
    root.__dict__.setdefault(_CHECKS, []).append(check)
    stack = stack_of(scope)
    if _VALIDATED not in stack.__dict__:
        stack.__dict__[_VALIDATED] = True
        stack.node.add_validation(_Validation(root))


def problems(scope: IConstruct) -> Sequence[ConfigError]:
    """Return what all late checks of the app around `scope` find."""
    checks: list[Check] = scope.node.root.__dict__.get(_CHECKS, [])
    found: dict[str, ConfigError] = {}
    for check in checks:
        for problem in check():
            found.setdefault(str(problem), problem)
    return list(found.values())


@implements(IValidation)
class _Validation:
    def __init__(self, root: IConstruct) -> None:
        self._root = root

    def validate(self) -> list[str]:
        """Return the problems as text, for the engine to show."""
        return [str(problem) for problem in problems(self._root)]
