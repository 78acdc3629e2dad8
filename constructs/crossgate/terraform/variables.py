"""Variables of the stack: what whoever applies it gives, and the program never holds."""

from __future__ import annotations

from crossgate.errors import ConfigError
from crossgate.model.text import Reference
from crossgate.terraform.engine import Construct, TerraformVariable, path_of, stack_of


def sensitive_variable(scope: Construct, name: str, *, kind: str) -> Reference:
    """Declare a sensitive variable in the stack of `scope`, and return what it will hold.

    One that is there already is used.

    Args:
        scope: who needs it.
        name: its name, as in `TF_VAR_name`.
        kind: Terraform's type of it, such as "string".

    Raises:
        ConfigError: another construct of the stack has this id.

    """
    stack = stack_of(scope)
    there = stack.node.try_find_child(name)
    if there is None:
        TerraformVariable(stack, name, type=kind, sensitive=True)
    elif not isinstance(there, TerraformVariable):
        raise ConfigError(
            "a variable cannot be called like another construct of the stack",
            path=path_of(scope),
            got=name,
            do="give one of the two another name",
        )
    return Reference(f"${{var.{name}}}")
