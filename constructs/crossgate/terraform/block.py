"""The arguments of one construct: checked as it is made, late ones read again at synthesis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from crossgate.errors import ArgumentError, ConfigError, SynthesisError
from crossgate.terraform.arguments import Table
from crossgate.terraform.attribute import attribute
from crossgate.terraform.checks import late_check, problems
from crossgate.terraform.engine import (
    App,
    TerraformElement,
    TerraformProvider,
    TerraformResource,
    claim,
    path_of,
    stack_of,
)
from crossgate.terraform.values import Reading, fields_of, read_only, read_table, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypedDict

    from crossgate.terraform.engine import Construct, ITerraformDependable

    class Condition(TypedDict):
        """An expression of Terraform's, and what it says where that is not true."""

        condition: str
        error_message: str

    class Lifecycle(TypedDict, total=False):
        """How Terraform replaces and watches a resource.

        `ignore_changes` names arguments; `replace_triggered_by` takes resources, or what their
        `terraform_address` returns. `precondition` is what must be true before it is made or
        changed.
        """

        create_before_destroy: bool
        prevent_destroy: bool
        ignore_changes: Literal["all"] | Sequence[str]
        replace_triggered_by: Sequence[str | TerraformResource]
        precondition: Sequence[Condition]

    class ResourceMeta(TypedDict, total=False):
        """What every resource and data source takes beside its arguments."""

        provider: TerraformProvider | None
        depends_on: Sequence[ITerraformDependable]
        lifecycle: Lifecycle | None
else:
    Lifecycle = dict[str, Any]
    ResourceMeta = Table

# Each with the engine's own word for it, and what it may be.
_LIFECYCLE = {
    "create_before_destroy": ("createBeforeDestroy", (bool,)),
    "prevent_destroy": ("preventDestroy", (bool,)),
    "ignore_changes": ("ignoreChanges", (str, list, tuple)),
    "replace_triggered_by": ("replaceTriggeredBy", (list, tuple)),
    "precondition": ("precondition", (list, tuple)),
}


class Block:
    """What a user gave for one block of Terraform, apart from the engine's own properties.

    Raises:
        ArgumentError: an argument is unknown, missing, mistyped or read-only.
        ConfigError: `id` is no id.

    """

    def __init__(
        self,
        owner: type,
        scope: Construct,
        id: str,  # what the engine calls it
        given: Mapping[str, Any],
    ) -> None:
        claim(scope, id)
        if isinstance(scope, App):
            stack_of(scope)
        self._table: type = owner.arguments  # type: ignore[attr-defined]  # all bases declare it
        self._given = dict(given)
        self._construct: Construct | None = None
        reading = Reading()
        try:
            self.config = self._taken_config()
            for name, value in self._given.items():
                if name not in fields_of(self._table) and isinstance(
                    getattr(owner, name, None), attribute
                ):
                    raise read_only(name, value)
            self._made = read_table(self._table, self._given, "", reading)
        except ArgumentError as error:
            raise error.at(f"{path_of(scope)}/{id}") from None
        self._late = reading.late

    def belongs_to(self, construct: Construct) -> None:
        """Say whose arguments these are; late ones are checked with all other late things."""
        self._construct = construct
        if self._late:
            late_check(construct, self._late_problems)

    def synthesized(self) -> dict[str, Any]:
        """Return the arguments as Terraform's JSON has them.

        Raises:
            SynthesisError: an app that is not ours asks before any check has run, and a late value
                is wrong; says everything that all late checks find.

        """
        if not self._late or self._construct is None:
            return self._made
        try:
            return read_table(self._table, self._given, "", Reading(at_synthesis=True))
        except ConfigError:
            raise SynthesisError(problems(self._construct)) from None

    def _late_problems(self) -> Sequence[ConfigError]:
        try:
            read_table(self._table, self._given, "", Reading(at_synthesis=True))
        except ArgumentError as error:
            return [error if self._construct is None else error.at(path_of(self._construct))]
        return []

    def _taken_config(self) -> dict[str, Any]:
        """Take out, check and return what is meant for Terraform itself, as the engine wants it."""
        provider = self._given.pop("provider", None)
        depends_on = self._given.pop("depends_on", None) or ()
        lifecycle = self._given.pop("lifecycle", None) or {}
        if provider is not None and not isinstance(provider, TerraformProvider):
            raise ArgumentError("is no provider", path="provider", got=provider, want="a provider")
        for element in depends_on:
            if not isinstance(element, TerraformElement):
                raise ArgumentError(
                    "cannot be waited for",
                    path="depends_on",
                    got=element,
                    want="resources, data sources or modules",
                )
        for name, value in lifecycle.items():
            if value is None:
                continue
            if name not in _LIFECYCLE:
                raise unknown(f"lifecycle.{name}", name, value, _LIFECYCLE)
            if not isinstance(value, _LIFECYCLE[name][1]):
                want = "True or False" if bool in _LIFECYCLE[name][1] else "a list"
                raise ArgumentError(
                    "is of the wrong type", path=f"lifecycle.{name}", got=value, want=want
                )
        config = {
            "provider": provider,
            "dependsOn": list(depends_on),
            "lifecycle": {
                _LIFECYCLE[name][0]: _plain_lifecycle(name, value)
                for name, value in lifecycle.items()
                if value is not None
            },
        }
        return {name: value for name, value in config.items() if value}


def _plain_lifecycle(name: str, value: Any) -> object:  # noqa: ANN401  # as the table says
    if name == "replace_triggered_by":
        return [_address(trigger) for trigger in value]
    if name == "precondition":
        for number, one in enumerate(value):
            if not isinstance(one, Mapping) or set(one) != {"condition", "error_message"}:
                raise ArgumentError(
                    "is of the wrong type",
                    path=f"lifecycle.precondition[{number}]",
                    got=one,
                    want='{"condition": ..., "error_message": ...}',
                )
        return [
            {"condition": one["condition"], "errorMessage": one["error_message"]} for one in value
        ]
    return list(value) if isinstance(value, tuple) else value


def _address(trigger: object) -> str:
    # The engine would write an interpolation here, where Terraform wants a bare address.
    if isinstance(trigger, TerraformResource):
        return f"{trigger.terraform_resource_type}.{trigger.friendly_unique_id}"
    if isinstance(trigger, str) and "${" not in trigger:
        return trigger
    raise ArgumentError(
        "is of the wrong type",
        path="lifecycle.replace_triggered_by",
        got=trigger,
        want="resources, or addresses as `resource.terraform_address()` returns them",
    )
