"""The bases of the generated tables: a resource, a data source and a provider of Terraform.

The arguments of a block live in one dict of its own, away from the properties of the engine, and
are checked as the construct is made, before the engine hears of it.
"""

from __future__ import annotations

from functools import partialmethod
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from crossgate.errors import ConfigError
from crossgate.terraform.block import Block, Lifecycle, ResourceMeta
from crossgate.terraform.engine import (
    TerraformDataSource,
    TerraformElement,
    TerraformProvider,
    TerraformResource,
    invoke,
    make,
    path_of,
)
from crossgate.terraform.ledger import ledger_of, put_over
from crossgate.terraform.logical_id import logical_id, name_differently

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossgate.terraform.engine import Construct

__all__ = ["DataSource", "Lifecycle", "Provider", "Resource", "ResourceMeta"]

# Each `__init__` says `id`, as the engine does. It is positional only, because a data source may
# have an argument of that name. What the engine's own `__init__` does, `_create` does.


def _add_override(construct: Resource | DataSource, path: str, value: object) -> None:
    """Put a value over an argument: `metadata_options.http_tokens`, `ingress.0.from_port`."""
    *above, last = path.split(".")
    place = construct._overrides
    for part in above:
        if not isinstance(place.get(part), dict):
            place[part] = {}
        place = place[part]
    place[last] = value


def _moved(construct: Resource, way: str, *arguments: object) -> None:
    """Say that Terraform knows the resource under another name; the engine writes it there."""
    getattr(TerraformResource, way)(construct, *arguments)
    construct._moved = True


def _renamed(construct: Resource | DataSource, new_logical_id: str) -> None:
    """Give the block a name of its own in Terraform.

    Raises:
        ConfigError: other constructs name it already.

    """
    if isinstance(construct, Resource) and construct._addressed:
        raise ConfigError(
            "cannot be renamed any more: other constructs name it",
            path=path_of(construct),
            got=new_logical_id,
            do="to keep what Terraform's state knows under another name, use move_to_id(...) or a "
            "moved block",
        )
    TerraformElement.override_logical_id(construct, new_logical_id)
    name_differently(construct, new_logical_id)


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
        make(self, scope, id, _config(self.terraform_type, self._block.config))
        self._block.belongs_to(self)
        self._overrides: dict[str, Any] = {}
        self._moved = False
        self._addressed = False
        ledger_of(self).add(self)

    def attribute_path(self, path: str) -> str:
        """Return a token of an attribute anywhere inside: `network[0].fixed_ip_v4`."""
        return _token(self, path)

    def terraform_address(self, path: str = "") -> str:
        """Return what Terraform calls the resource, or an attribute of it; this is no token."""
        self._addressed = True
        return ".".join(filter(None, (self.terraform_type, logical_id(self), path)))

    def written(self) -> dict[str, Any]:
        """Return its arguments as the ledger of its stack takes them."""
        if self._moved:
            return {}
        block = put_over(self._block.synthesized(), self._overrides)
        return {"resource": {self.terraform_type: {logical_id(self): block}}}

    if not TYPE_CHECKING:
        # As plain methods they would become callbacks from the engine, one more for each resource.
        add_override = partialmethod(_add_override)
        move_to = partialmethod(_moved, "move_to")
        move_to_id = partialmethod(_moved, "move_to_id")
        override_logical_id = partialmethod(_renamed)


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
        make(self, scope, id, _config(self.terraform_type, self._block.config))
        self._block.belongs_to(self)
        self._overrides: dict[str, Any] = {}
        ledger_of(self).add(self)

    def attribute_path(self, path: str) -> str:
        """Return a token of an attribute anywhere inside: `product_codes[0].product_code_id`."""
        return _token(self, path)

    def written(self) -> dict[str, Any]:
        """Return its arguments as the ledger of its stack takes them."""
        block = put_over(self._block.synthesized(), self._overrides)
        return {"data": {self.terraform_type: {logical_id(self): block}}}

    if not TYPE_CHECKING:
        # As above.
        add_override = partialmethod(_add_override)
        override_logical_id = partialmethod(_renamed)


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
        config = {
            # What the engine writes into each resource that uses it. It would make this of a type
            # and an alias, and ask Python for the alias four times for every such resource.
            "terraformResourceType": ".".join(filter(None, (self.terraform_type, alias))),
            "terraformGeneratorMetadata": {
                "providerName": self.terraform_type,
                "providerVersionConstraint": self.version,
            },
            "terraformProviderSource": self.source,
        }
        make(self, scope, id, config)
        self._block.belongs_to(self)

    def to_terraform(self) -> dict[str, Any]:
        """Return the block; the engine's own way would rewrite names such as `load-balancer`."""
        wanted = {"source": self.source, "version": self.version}
        block = self._aliased | self._block.synthesized()
        return {
            "terraform": {"required_providers": {self.terraform_type: wanted}},
            "provider": {self.terraform_type: [put_over(block, self._raw_overrides)]},
        }

    def _synthesize_hcl_attributes(self) -> dict[str, Any]:
        return _refuse_hcl(self)


def _token(construct: Resource | DataSource, path: str) -> str:
    # Kept, as what is asked of the kernel is everywhere.
    tokens: dict[str, str] = construct.__dict__.setdefault("_crossgate_tokens", {})
    if path not in tokens:
        tokens[path] = invoke(construct, "getStringAttribute", [path])
    return tokens[path]


def _config(terraform_type: str, more: Mapping[str, object]) -> dict[str, object]:
    # The wire form of the engine's TerraformResourceConfig, whose Python class would check again.
    generator = {"providerName": terraform_type.partition("_")[0]}
    return {
        "terraformResourceType": terraform_type,
        "terraformGeneratorMetadata": generator,
        **more,
    }


def _refuse_hcl(construct: TerraformElement) -> NoReturn:
    # Text is escaped for Terraform's JSON; nothing would be written into HCL, silently.
    raise ConfigError(
        "cannot be written as HCL",
        path=path_of(construct),
        do="synthesize JSON: leave out --hcl and hcl_output=True",
    )
