"""What a resource tells others about itself, as a token of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from crossgate.terraform.engine import invoke

if TYPE_CHECKING:
    from crossgate.terraform.engine import TerraformDataSource, TerraformResource
    from crossgate.terraform.resource import Resource

_T = TypeVar("_T")

# The engine's own names; its Python methods would first check the types of what we pass, which
# takes as long as the question itself.
_GETTERS = {
    str: "getStringAttribute",
    float: "getNumberAttribute",
    bool: "getBooleanAttribute",
    list[str]: "getListAttribute",
    list[float]: "getNumberListAttribute",
    dict[str, str]: "getStringMapAttribute",
}


class attribute(Generic[_T]):  # noqa: N801  # read as a word of the table, like `property`
    """An attribute that the provider fills in; read on a construct, it is a token.

    Args:
        kind: `str`, `float`, `bool`, `list[str]`, `list[float]` or `dict[str, str]`. A boolean
            comes out as the engine's own deferred value, for it has no token of that kind.

    """

    def __init__(self, kind: type[_T]) -> None:
        self._getter = _GETTERS[kind]
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        """Learn the name; a trailing underscore keeps clear of the engine's own members."""
        self._key = name
        self._name = name.rstrip("_")

    @overload
    def __get__(self, construct: None, owner: type) -> Self: ...
    @overload
    def __get__(self, construct: TerraformResource | TerraformDataSource, owner: type) -> _T: ...
    def __get__(self, construct: Any, owner: type) -> Self | _T:
        """Return the token; it is asked of the engine once and then kept on the construct."""
        if construct is None:
            return self
        token: _T = invoke(construct, self._getter, [self._name])
        construct.__dict__[self._key] = token
        return token

    def of(self, resource: Resource, inside: str = "") -> str:
        """Return the attribute, or what is `inside` it, as Terraform's own expression.

        It is for our own constructs, in the stack that the resource is in: the token goes to other
        stacks too, but each is a question to the kernel.
        """
        return f"${{{resource.terraform_address(self._name + inside)}}}"
