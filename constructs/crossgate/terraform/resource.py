"""The bases of the generated tables: a resource, a data source and a provider of Terraform.

The arguments of a block live in one dict of its own, away from the properties of the engine, and
are checked as the construct is made, before the engine hears of it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from crossgate.errors import ConfigError
from crossgate.terraform.block import Block, Lifecycle, ResourceMeta
from crossgate.terraform.engine import (
    TerraformDataSource,
    TerraformElement,
    TerraformProvider,
    TerraformProviderConfig,
    TerraformResource,
    TerraformResourceConfig,
    claim,
    create,
    path_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossgate.terraform.engine import Construct, ITerraformDependable

__all__ = ["DataSource", "Lifecycle", "Provider", "Resource", "ResourceMeta"]

# Each `__init__` says `id`, as the engine does. It is positional only, because a data source may
# have an argument of that name. What the engine's own `__init__` does, `_create` does.


class Resource(TerraformResource):
    """A resource of Terraform; each generated table is one.

    Attributes:
        terraform_type: its name in Terraform.
        arguments: the table of its arguments.

    Raises:
        ArgumentError: an argument is unknown, missing, mistyped or read-only.
        ConfigError: `id` is taken, or is no id.

    """

    terraform_type: ClassVar[str]
    arguments: ClassVar[type]

    def __init__(self, scope: Construct, id: str, given: Mapping[str, Any], /) -> None:
        self._block = Block(type(self), scope, id, given)
        _create(self, scope, id, _config(self.terraform_type, **self._block.meta))
        self._block.belongs_to(self)

    def attribute_path(self, path: str) -> str:
        """Return a token of an attribute anywhere inside: `network[0].fixed_ip_v4`."""
        return self.get_string_attribute(path)

    def terraform_address(self, path: str = "") -> str:
        """Return what Terraform calls the resource, or an attribute of it; this is no token."""
        return ".".join(filter(None, (self.terraform_type, self.friendly_unique_id, path)))

    def _synthesize_attributes(self) -> dict[str, Any]:
        return self._block.synthesized()

    def _synthesize_hcl_attributes(self) -> dict[str, Any]:
        return _refuse_hcl(self)


class DataSource(TerraformDataSource):
    """A data source of Terraform; each generated table is one.

    Attributes:
        terraform_type: its name in Terraform.
        arguments: the table of its arguments.

    Raises:
        ArgumentError: an argument is unknown, missing, mistyped or read-only.
        ConfigError: `id` is taken, or is no id.

    """

    terraform_type: ClassVar[str]
    arguments: ClassVar[type]

    def __init__(self, scope: Construct, id: str, given: Mapping[str, Any], /) -> None:
        self._block = Block(type(self), scope, id, given)
        _create(self, scope, id, _config(self.terraform_type, **self._block.meta))
        self._block.belongs_to(self)

    def attribute_path(self, path: str) -> str:
        """Return a token of an attribute anywhere inside: `product_codes[0].product_code_id`."""
        return self.get_string_attribute(path)

    def _synthesize_attributes(self) -> dict[str, Any]:
        return self._block.synthesized()

    def _synthesize_hcl_attributes(self) -> dict[str, Any]:
        return _refuse_hcl(self)


class Provider(TerraformProvider):
    """A provider of Terraform, under an alias of its own when it has one.

    Attributes:
        terraform_type: its name in Terraform.
        arguments: the table of its arguments.
        source: where the registry has it.
        version: the versions that our tables fit.

    Raises:
        ArgumentError: an argument is unknown, missing or mistyped.
        ConfigError: `id` is taken, or is no id.

    """

    terraform_type: ClassVar[str]
    arguments: ClassVar[type]
    source: ClassVar[str]
    version: ClassVar[str]

    def __init__(self, scope: Construct, id: str, given: Mapping[str, Any], /) -> None:
        alias = given.get("alias")
        self._block = Block(
            type(self), scope, id, {n: value for n, value in given.items() if n != "alias"}
        )
        self._aliased = {"alias": alias} if alias else {}
        config = TerraformProviderConfig(
            # What the engine writes into each resource that uses it. It would make this of a type
            # and an alias, and ask Python for the alias four times for every such resource.
            terraform_resource_type=f"{self.terraform_type}.{alias}"
            if alias
            else self.terraform_type,
            terraform_generator_metadata={
                "provider_name": self.terraform_type,
                "provider_version_constraint": self.version,
            },
            terraform_provider_source=self.source,
        )
        _create(self, scope, id, config)
        self._block.belongs_to(self)

    def to_terraform(self) -> dict[str, Any]:
        """Return the block; the engine's own way would rewrite names such as `load-balancer`."""
        wanted = {"source": self.source, "version": self.version}
        block = self._aliased | self._block.synthesized()
        return {
            "terraform": {"required_providers": {self.terraform_type: wanted}},
            "provider": {self.terraform_type: [_merged(block, self._raw_overrides)]},
        }

    def _synthesize_hcl_attributes(self) -> dict[str, Any]:
        return _refuse_hcl(self)


def _create(construct: Construct, scope: Construct, id: str, config: object) -> None:
    """Make the engine's side of a construct, as its own `__init__` does but for the type checks.

    Everything has been checked by then, and typeguard would take as long as the rest together.
    """
    try:
        create(type(construct), construct, [scope, id, config])
    except RuntimeError:
        claim(scope, id)  # says in our words why the engine refuses, where we know
        raise


def _config(
    terraform_type: str,
    *,
    provider: TerraformProvider | None = None,
    depends_on: Sequence[ITerraformDependable] | None = None,
    lifecycle: dict[str, Any] | None = None,
) -> TerraformResourceConfig:
    if depends_on or lifecycle:
        return TerraformResourceConfig(
            terraform_resource_type=terraform_type,
            terraform_generator_metadata=_generator(terraform_type),
            provider=provider,
            depends_on=depends_on,
            lifecycle=lifecycle,
        )
    return _plain_config(terraform_type, provider)


@cache
def _plain_config(
    terraform_type: str, provider: TerraformProvider | None
) -> TerraformResourceConfig:
    return TerraformResourceConfig(
        terraform_resource_type=terraform_type,
        terraform_generator_metadata=_generator(terraform_type),
        provider=provider,
    )


def _generator(terraform_type: str) -> dict[str, str]:
    return {"provider_name": terraform_type.partition("_")[0]}


def _merged(block: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return a block with what a user has put over it by `add_override`, at any depth."""
    made = dict(block)
    for name, value in overrides.items():
        below = made.get(name)
        if isinstance(below, dict) and isinstance(value, dict):
            made[name] = _merged(below, value)
        else:
            made[name] = value
    return made


def _refuse_hcl(construct: TerraformElement) -> NoReturn:
    # Text is escaped for Terraform's JSON; nothing would be written into HCL, silently.
    raise ConfigError(
        "cannot be written as HCL",
        path=path_of(construct),
        do="synthesize JSON: leave out --hcl and hcl_output=True",
    )
