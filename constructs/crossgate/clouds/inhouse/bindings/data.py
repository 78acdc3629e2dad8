"""`terraform_data`, by hand: https://developer.hashicorp.com/terraform/language/resources/terraform-data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.terraform.attribute import attribute
from crossgate.terraform.provisioner import ProvisionedResource
from crossgate.terraform.resource import ResourceMeta

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Unpack

    from crossgate.terraform.arguments import ListOf, MapOf, Str
    from crossgate.terraform.engine import Construct
    from crossgate.terraform.provisioner import Connection, FileProvisioner, RemoteExec


class TerraformDataArguments(ResourceMeta, total=False):
    input: MapOf[Str]
    triggers_replace: ListOf[Str]


class TerraformDataAttributes:
    id = attribute(str)


class TerraformData(ProvisionedResource, TerraformDataAttributes):
    """The resource `terraform_data`: it builds nothing, and its provisioners do the work."""

    terraform_type = "terraform_data"
    arguments = TerraformDataArguments

    def __init__(
        self,
        scope: Construct,
        id: str,
        /,
        connection: Connection,
        provisioners: Sequence[FileProvisioner | RemoteExec],
        for_each: Callable[[], Mapping[str, Mapping[str, str]]] | None = None,
        **arguments: Unpack[TerraformDataArguments],
    ) -> None:
        super().__init__(scope, id, arguments, connection, provisioners, for_each)
